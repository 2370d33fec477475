"""Label images: ids that exist, and known pixels as they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_inpaint import Inpainter
from napari_inpaint.inference.copying.provenance import read_copies
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.inference.replay import read_holes, read_options

CELLS = np.random.default_rng(0).integers(0, 2**40, (6, 8)).repeat(16, 0).repeat(16, 1)


def scratch(shape, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    for _ in range(3):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        mask[max(0, y - 2) : y + 3, x : x + 60] = mask[y : y + 40, max(0, x - 1) : x + 1] = True
    return mask


@settings(max_examples=20)
@given(st.integers(0, 999), st.integers(0, 3))
def test_only_known_ids_come_back_and_known_pixels_stay(seed, grow):
    mask = scratch(CELLS.shape, seed)
    inpainter = Inpainter("compact", device="cpu")
    filled = inpainter.fill(np.where(mask, -1, CELLS), mask, values="labels", grow=grow)
    record = inpainter.last_record
    assert np.isin(filled, CELLS).all()
    np.testing.assert_array_equal(filled[~mask & (filled == CELLS)], CELLS[~mask & (filled == CELLS)])
    changed = (filled != CELLS) & ~mask
    assert not changed.any() or grow
    assert record["provider"] == record["model"] == ""
    assert not record["copies"]
    assert {kind for window in record["windows"] for kind in window["smooth"]} == {"labels"}


def test_channels_and_planes_are_filled_each_on_their_own(inpainter):
    mask = scratch(CELLS.shape)
    other = np.roll(CELLS, 8, (0, 1))
    alone = [inpainter.fill(image, mask, values="labels") for image in (CELLS, other, CELLS[::-1])]
    channels = np.stack([CELLS, other, CELLS[::-1]], -1)
    np.testing.assert_array_equal(inpainter.fill(channels, mask, values="labels"), np.stack(alone, -1))
    stack = np.stack([CELLS, other, CELLS[::-1]])
    np.testing.assert_array_equal(inpainter.fill(stack, mask, values="labels", channel_axis=None), np.stack(alone))


def test_no_data_is_no_label(inpainter):
    image = np.where(np.arange(128) < 60, 3, -9)[None].repeat(96, 0)
    filled = inpainter.fill(image, boxes=[(20, 40, 60, 100)], values="labels", nodata=-9)
    assert (filled[20:60, 40:100] == 3).all()
    filled = inpainter.fill(image, boxes=[(20, 80, 60, 100)], values="labels", nodata=-9)  # nothing known at its rim
    assert (filled[20:60, 80:100] == 3).all()


def test_floats_are_no_labels(inpainter):
    with pytest.raises(ValueError, match=r"image\.astype"):
        inpainter.fill(CELLS / 2, boxes=[(4, 4, 9, 9)], values="labels")


def test_planes_that_are_wholly_holes_are_left(inpainter):
    stack = np.stack([CELLS, CELLS])
    masks = {(0,): np.ones(CELLS.shape, bool), (1,): scratch(CELLS.shape)}
    with pytest.warns(UserWarning, match="left as it is"):
        filled = inpainter.fill(stack, masks, values="labels")
    np.testing.assert_array_equal(filled[0], CELLS)
    with pytest.raises(ValueError, match="cover the whole image"):
        inpainter.fill(CELLS, masks[0,], values="labels")


@pytest.mark.parametrize("options", [{"values": "labels"}, {"values": "phase"}, {"mosaic": (2, 2)}, {"wrap": "x"}])
def test_a_record_repeats_what_an_image_was_taken_for_bit_for_bit(inpainter, photo, options):
    image = photo[:96, :128, 1]
    if options.get("values") == "phase":
        image = (image / 255 * 6 - 3).astype(np.float32)
    mask = scratch(image.shape)
    mask[30:60, 100:] = True
    first = inpainter.fill(image, mask, grow=2, **options)
    record = inpainter.last_record
    again = read_options(record, None)
    assert again.values == options.get("values", "intensity")
    assert again.mosaic == options.get("mosaic")
    assert again.wrap == options.get("wrap")
    job = read_job(image, read_holes(record, image.shape), None, again)
    patches, repeated = inpainter.run(job, again, recorded=read_copies(record))
    filled = image.copy()
    for patch in patches:
        np.copyto(filled[patch.box.slices], patch.pixels[..., 0], where=patch.mask[..., 0])
    assert filled.tobytes() == first.tobytes()
    assert repeated.result_sha256 == record["result_sha256"]
    assert repeated.mask_sha256 == record["mask_sha256"]


def test_one_meaning_at_a_time():
    with pytest.raises(ValueError, match=r"values='phase' and mosaic= cannot be combined"):
        FillOptions(values="phase", mosaic=(2, 2))
    FillOptions(values="labels", wrap="x")


@pytest.mark.parametrize("options", [{"values": "labels"}, {"mosaic": (2, 2)}])
def test_the_self_check_judges_intensities_alone(inpainter, options):
    with pytest.raises(ValueError, match="cannot judge"):
        inpainter.self_check(CELLS, boxes=[(20, 20, 40, 40)], **options)
