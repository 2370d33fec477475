import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_inpaint.inference.copying import regions
from napari_inpaint.inference.copying.regions import MOST_MARGIN, NARROW, plan_regions
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.options import FillOptions


def job_of(mask):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_job(np.zeros(mask.shape, np.uint8), mask, None, FillOptions())


@settings(max_examples=40)
@given(st.integers(0, 999))
def test_every_hole_is_in_one_region_whole(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((2, 500, 700), bool)
    for _ in range(rng.integers(1, 30)):
        plane, y, x = rng.integers(2), rng.integers(490), rng.integers(690)
        mask[plane, y : y + rng.integers(1, 120), x : x + rng.integers(1, 300)] = True
    job, painted = job_of(mask), np.zeros(mask.shape, int)
    planned = plan_regions(job)
    for region in planned:
        y, x = region.crop.slices
        painted[region.plane][y, x] += region.paint(region.holes)
        np.testing.assert_array_equal(region.paint((*region.holes, *region.others)), mask[region.plane][y, x])
        if not region.interpolated:
            assert len(region.holes) == 1
    np.testing.assert_array_equal(painted, mask)
    holes = [hole for each in job.holes.values() for hole in each]
    assert sum(len(region.holes) for region in planned) == len(holes)


def test_a_long_hole_has_one_region_and_specks_share_theirs():
    mask = np.zeros((600, 3000), bool)
    mask[528:] = True
    (region,) = plan_regions(job_of(mask))
    assert region.crop.width == 3000
    mask = np.zeros((600, 600), bool)
    mask[::10, ::10] = True
    assert len(plan_regions(job_of(mask))) == 9
    mask = np.zeros((4000, 4000), bool)
    mask[1000:2500, 1000:2500] = True
    (region,) = plan_regions(job_of(mask))
    assert region.crop.height == 1500 + 2 * MOST_MARGIN
    assert NARROW < 1500


def test_what_needs_too_many_pixels_is_divided(monkeypatch):
    monkeypatch.setattr(regions, "MOST_PIXELS", 300 * 1000)
    monkeypatch.setattr(regions, "PIECE", 256)
    mask = np.zeros((600, 3000), bool)
    mask[528:] = True
    planned = plan_regions(job_of(mask))
    assert len(planned) == 12
    assert all(region.others for region in planned)
