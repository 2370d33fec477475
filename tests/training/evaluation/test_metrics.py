from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from inpaint_training.data.masks import random_strokes
from inpaint_training.evaluation.cases import Case
from inpaint_training.evaluation.metrics import MS_SSIM_SIDE, average, rim_gradient, score
from inpaint_training.losses.measures import gradient_energy


def box_mask(side, y0, x0, y1, x1):
    mask = np.zeros((side, side), bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.fixture(scope="module")
def crop(photo):
    return photo[200:456, 100:356]


@pytest.fixture(scope="module", params=["box", "strokes"])
def case(request, crop):
    strokes = random_strokes(256, 256, np.random.default_rng(3))
    return Case("c", crop, strokes if request.param == "strokes" else box_mask(256, 100, 80, 200, 180))


def test_a_perfect_fill(case):
    perfect = score(case, case.image, 1.5, {"lite0": 0.0})
    assert (perfect.l1, perfect.texture, perfect.rim, perfect.lite0, perfect.lite2) == (0, 1, 1, 0, None)
    assert (perfect.ssim, perfect.ms_ssim) == (pytest.approx(1), pytest.approx(1))
    assert perfect.psnr == perfect.psnr_hole == pytest.approx(20 * np.log10(510))
    assert perfect.seconds == 1.5


def test_scores_of_a_known_error(case):
    sign = np.where(case.image < 128, 1, -1)
    off = np.where(case.mask[..., None], case.image + 10 * sign, case.image).astype(np.uint8)
    scores = score(case, off, 0)
    assert scores.l1 == pytest.approx(100 * 10 / 255)
    assert scores.psnr_hole == pytest.approx(20 * np.log10(255 / 10))
    # the same error over the whole crop: + 10 log10 of the ratio of the areas
    assert scores.psnr == pytest.approx(scores.psnr_hole - 10 * np.log10(case.area))


def test_more_error_scores_worse(case):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=case.image.shape) * case.mask[..., None]
    rows = [score(case, np.clip(case.image + s * noise, 0, 255).astype(np.uint8), 0) for s in (2, 8, 32)]
    for name, sign in (("l1", 1), ("psnr_hole", -1), ("psnr", -1), ("ssim", -1), ("ms_ssim", -1), ("texture", 1),
                       ("rim", 1)):  # fmt: skip
        values = [sign * getattr(row, name) for row in rows]
        assert values == sorted(values), name


def test_blur_loses_texture(case):
    blurred = ndimage.gaussian_filter(case.image, (3, 3, 0))
    assert score(case, np.where(case.mask[..., None], blurred, case.image), 0).texture < 0.7


def test_rim_jump_by_hand():
    # Columns 0 1 2 3, hole in columns 1 and 2 of the middle rows; a ramp of 0.1 per column, 0 per row.
    image = (torch.arange(4.0) * 0.1).expand(1, 3, 4, 4)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 1:3, 1:3] = 1
    assert rim_gradient(image, mask) == pytest.approx(0.05)  # four pairs across at 0.1, four down at 0
    step = image + 0.3 * mask
    assert rim_gradient(step, mask) == pytest.approx((0.4 + 0.4 + 0.2 + 0.2 + 4 * 0.3) / 8)
    assert [gradient_energy(x, mask) for x in (image, step)] == [pytest.approx(0.1)] * 2
    assert rim_gradient(image, torch.ones(1, 1, 4, 4)) == 0


def test_a_seam_shows_in_the_rim_alone(crop):
    case = Case("c", crop, box_mask(256, 100, 80, 200, 180))
    case = replace(case, image=case.image // 2)
    scores = score(case, np.where(case.mask[..., None], case.image + 60, case.image), 0)
    assert scores.rim > 1.5
    assert scores.texture == pytest.approx(1)


def test_no_texture_divides_by_nothing():
    flat = Case("c", np.full((64, 64, 3), 90, np.uint8), box_mask(64, 20, 20, 40, 40))
    scores = score(flat, flat.image, 0)
    assert (scores.texture, scores.rim, scores.ms_ssim) == (1, 1, None)


def test_specks_have_scores(crop):
    mask = np.zeros((256, 256), bool)
    mask[::8, ::8] = True  # no two neighbours inside, and on the border
    scores = score(Case("c", crop, mask), ndimage.gaussian_filter(crop, (1, 1, 0)), 0)
    assert all(np.isfinite(value) for value in asdict(scores).values() if value is not None)


def test_ms_ssim_from_its_least_side_on(photo):
    for side in (MS_SSIM_SIDE - 1, MS_SSIM_SIDE):
        case = Case("c", photo[:side, :side], box_mask(side, 60, 60, 90, 90))
        assert (score(case, case.image, 0).ms_ssim is None) == (side < MS_SSIM_SIDE)


def test_averages_take_the_median_of_ratios_and_leave_out_what_is_not_measured(case):
    rows = [score(case, np.roll(case.image, shift, 0), shift) for shift in (0, 1, 5)]
    means = average(rows)
    assert means["seconds"] == 2
    assert means["l1"] == pytest.approx(np.mean([row.l1 for row in rows]))
    assert means["rim"] == np.median([row.rim for row in rows])
    assert "lite0" not in means
