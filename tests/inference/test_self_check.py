import sys
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter

from napari_inpaint import FillCancelledError
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.inference.self_check import GAP, OURS, choose_places

HOLES = [(100, 100, 140, 160), (300, 400, 330, 430)]


def test_scores_are_those_of_the_hidden_pixels(inpainter, photo):
    """What the table says is what anybody finds who hides the same place."""
    report = inpainter.self_check(photo, boxes=HOLES, places=3)
    assert len(report.places) == 3
    for place in report.places:
        mask = np.zeros(photo.shape[:2], bool)
        for box in (place.box, *HOLES):
            mask[box[0] : box[2], box[1] : box[3]] = True
        filled = inpainter.fill(photo, mask)
        error = (filled.astype(float) - photo)[place.box.slices]
        around = place.box.widen(48, *photo.shape[:2]).slices
        known = photo[around][~(mask[around] & ~_painted(photo, place.box)[around])]
        low, high = np.quantile(known, (0.001, 0.999))
        span = high - low
        assert place.scores[OURS].l1 == pytest.approx(100 * np.abs(error).mean() / span, rel=0.02)
    for name, mean in report.scores.items():
        assert mean.l1 == pytest.approx(np.mean([place.scores[name].l1 for place in report.places]))
    assert set(report.scores) == {OURS, "network", "smooth", "pull-push", "telea"}


def _painted(photo, box):
    mask = np.zeros(photo.shape[:2], bool)
    mask[box.slices] = True
    return mask


@given(st.data())
def test_places_are_known_apart_and_near(data):
    height, width = data.draw(st.tuples(st.integers(8, 120), st.integers(8, 120)))
    boxes = []
    for _ in range(data.draw(st.integers(1, 5))):
        y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        boxes.append((y, x, data.draw(st.integers(y + 1, height)), data.draw(st.integers(x + 1, width))))
    mask = np.zeros((height, width), bool)
    for y0, x0, y1, x1 in boxes:
        mask[y0:y1, x0:x1] = True
    job = read_job(np.zeros((height, width), np.uint8), mask, None, FillOptions(channel_axis=None))
    hidden = np.zeros_like(mask)
    for place, (plane, hole, moved) in zip(range(10), choose_places(job, 10), strict=False):
        assert plane == (), place
        assert (moved.box.height, moved.box.width) == (hole.box.height, hole.box.width)
        assert moved.box.clip(height, width) == moved.box
        canvas = np.zeros_like(mask)
        moved.paint(canvas, Box(0, 0, height, width))
        assert not (maximum_filter(canvas, 2 * GAP + 1) & mask).any()
        assert not hidden[moved.box.slices].any()
        hidden[moved.box.slices] = True


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", "?", "i8"])
@pytest.mark.parametrize("layout", ["grey", "rgb", "rgba", "stack"])
def test_any_image_can_be_checked(inpainter, photo, dtype, layout):
    image = {
        "grey": photo[..., 0], "rgb": photo, "rgba": np.dstack([photo, photo[..., 0]]), "stack": photo[None, ..., 1]
    }[layout]  # fmt: skip
    image = (image > 99) if dtype == "?" else image.astype(dtype)
    report = inpainter.self_check(image, boxes=[(90, 80, 120, 130)], places=1)
    assert len(report.places) == 1
    assert all(np.isfinite([s.l1, s.psnr, s.ssim]).all() for s in report.scores.values())


def test_pixels_under_holes_and_beyond_do_not_matter(inpainter, photo):
    image = photo.astype(np.float32)
    spoilt = image.copy()
    spoilt[100:140, 100:160] = np.nan
    spoilt[90:95, 200:205] = np.inf
    clean = image.copy()
    clean[90:95, 200:205] = 0
    options = {"boxes": [HOLES[0], (90, 200, 95, 205)], "places": 4}
    assert inpainter.self_check(spoilt, **options).scores == inpainter.self_check(clean, **options).scores


def test_what_is_not_finite_is_not_hidden(inpainter):
    image = np.full((60, 200), np.nan, np.float32)
    image[:, :70] = np.linspace(0, 1, 70)
    with pytest.warns(UserWarning, match="nothing could be hidden"):
        report = inpainter.self_check(image, boxes=[(10, 30, 50, 60)])
    assert report.places == ()


def test_it_warns_where_another_method_is_closer(inpainter):
    ramp = np.add.outer(np.arange(200.0), np.arange(220.0)).astype(np.float32)
    wave = np.sin(ramp / 9)  # no landscape
    with pytest.warns(UserWarning, match=r"came closer than the fill: L1 \d+\.\d\d % against"):
        report = inpainter.self_check(wave, boxes=[(80, 80, 120, 120)], places=2, detail="network")
    assert "smooth" in str(report)


def test_copied_noise_is_no_reason_to_warn(inpainter):
    """A copy has noise of its own, which doubles its error: a flat fill comes closer, and is no better."""
    noise = np.random.default_rng(0).normal(100, 10, (260, 280)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = inpainter.self_check(noise, boxes=[(100, 100, 140, 140)], places=4)
    fill, flat = report.scores[OURS], report.scores["smooth"]
    assert flat.psnr > fill.psnr + 2
    assert flat.l1 < 0.8 * fill.l1
    assert fill.noise == pytest.approx(1, abs=0.1)
    assert flat.noise < 0.3


def test_it_warns_of_holes_larger_than_trained(inpainter, photo):
    with pytest.warns(UserWarning, match="trained on holes of 24 to 144"):
        inpainter.self_check(photo, boxes=[(20, 10, 260, 250)], places=1)


def test_no_free_place_is_said(inpainter, photo):
    with pytest.warns(UserWarning, match="no known place"):
        report = inpainter.self_check(photo, boxes=[(0, 0, 400, 600)])
    assert str(report).endswith("nothing could be hidden and compared")


def test_nothing_to_fill_is_said(inpainter, photo):
    with pytest.warns(UserWarning, match="nothing to fill"):
        inpainter.self_check(photo, np.zeros(photo.shape[:2], bool))


def test_packages_that_are_missing_are_left_out(inpainter, photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    report = inpainter.self_check(photo, boxes=HOLES[:1], places=1)
    assert set(report.scores) == {OURS, "network", "smooth", "pull-push"}


def test_the_last_record_stays(inpainter, photo):
    inpainter.fill(photo, boxes=HOLES)
    before = inpainter.last_record
    inpainter.self_check(photo, boxes=HOLES[:1], places=1)
    assert inpainter.last_record == before


def test_it_can_be_cancelled_and_refuses_nonsense(inpainter, photo):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(FillCancelledError):
        inpainter.self_check(photo, boxes=HOLES, cancel=cancel)
    with pytest.raises(ValueError, match="places must be a whole number"):
        inpainter.self_check(photo, boxes=HOLES, places=0)


def test_channels_are_judged_in_their_own_ranges(inpainter, photo):
    grey = photo[..., 1].astype(np.float32)
    alone = inpainter.self_check(grey, boxes=HOLES[:1], places=2)
    both = inpainter.self_check(np.stack([grey, grey * 200]), boxes=HOLES[:1], places=2, channel_axis=0)
    assert [place.box for place in both.places] == [place.box for place in alone.places]
    for name, expected in alone.scores.items():
        assert both.scores[name].l1 == pytest.approx(expected.l1, rel=0.05)


def test_one_hot_pixel_does_not_flatter(inpainter, photo):
    image = photo[..., 1].astype(np.uint16)
    hot = image.copy()
    hot[80, 80] = 65535
    boxes = [(100, 100, 130, 150), (80, 80, 81, 81)]
    clean, spoilt = (inpainter.self_check(x, boxes=boxes, places=2).scores[OURS] for x in (image, hot))
    assert spoilt.l1 == pytest.approx(clean.l1, rel=0.05)


def test_all_planes_of_a_stack_are_looked_at(inpainter, photo):
    stack = np.broadcast_to(photo[:200, :200, 1], (12, 200, 200))
    job = read_job(stack, None, [(80, 80, 100, 100)], FillOptions(channel_axis=None))
    planes = [plane[0] for (plane, _, _), _ in zip(choose_places(job, 6), range(6), strict=False)]
    assert len(set(planes)) == 6
    assert max(planes) > 6


def test_a_hole_without_a_place_does_not_take_that_of_another():
    mask = np.zeros((256, 256), bool)
    mask[:, :150] = True
    mask[100:130, 200:230] = True
    job = read_job(np.zeros((256, 256), np.uint8), mask, None, FillOptions(channel_axis=None))
    assert next(choose_places(job, 1))[1].box == (100, 200, 130, 230)


def test_a_scratch_finds_a_place_beside_itself():
    y, x = np.mgrid[:256, :256]
    mask = abs(y - x) < 3
    small = np.zeros((256, 256), bool)
    small[20:230, 20:230] = mask[20:230, 20:230]
    job = read_job(np.zeros((256, 256), np.uint8), small, None, FillOptions(channel_axis=None))
    _, hole, moved = next(choose_places(job, 1))
    assert moved.box != hole.box
