"""What holes are filled with when they are copied."""

import json
import threading

import numpy as np
import pytest
from scipy import ndimage

from napari_inpaint import Inpainter
from napari_inpaint.inference.copying.canvas import lay_out
from napari_inpaint.inference.copying.provenance import read_texts
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.metrics import noise_level
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.inference.record import Record

BOX = (200, 300, 290, 400)
HOLE = np.s_[200:290, 300:400]


def copies_of(inpainter):
    """Rows and columns of the holes of the only region, and what they were copied from; the shares."""
    (record,) = inpainter._record.copies
    mask = np.zeros((record.crop.height, record.crop.width), bool)
    for hole in record.holes:
        mask[hole.shift(-record.crop.y0, -record.crop.x0).slices] = True
    shape = mask.shape
    copies = read_texts(record, mask, lay_out([np.zeros((1, *shape))], [mask], [np.zeros((*shape, 1))], [0]))
    y, x = (index + start for index, start in zip(np.nonzero(mask), record.crop[:2], strict=True))
    return y, x, y + copies.offsets[0], x + copies.offsets[1], copies.shares


@pytest.mark.parametrize("dtype", ["u1", "u2", "i8", "f4", "f8", "?"])
def test_without_the_seam_every_pixel_is_a_known_one_with_all_its_channels(inpainter, photo, dtype):
    four = np.concatenate([photo, 255 - np.roll(photo[..., :1], 7, 0)], -1)
    image = four > 120 if dtype == "?" else (four * 200.0 if dtype != "u1" else four).astype(dtype)
    filled = inpainter.fill(image, boxes=[BOX], seam=False, channel_axis=-1)
    y, x, from_y, from_x, shares = copies_of(inpainter)
    assert shares is None
    np.testing.assert_array_equal(filled[y, x], image[from_y, from_x])
    inside = (from_y >= 200) & (from_y < 290) & (from_x >= 300) & (from_x < 400)
    assert not inside.any()


def test_the_seam_changes_copies_smoothly_and_the_record_says_by_how_much(inpainter, photo):
    filled = inpainter.fill(photo, boxes=[BOX])
    y, x, from_y, from_x, _ = copies_of(inpainter)
    change = filled[y, x].astype(int) - photo[from_y, from_x]
    (record,) = inpainter.last_record["copies"]
    curve = record["curves"][0]
    span = curve["high"] - curve["low"]
    assert 0 < np.abs(change).max() <= np.ceil(record["correction"] * span)
    jumps = np.abs(np.diff(change.reshape(90, 100, 3), axis=1))
    assert np.quantile(jumps, 0.9) <= 0.05 * span


def test_a_record_is_repeated_without_a_search_and_without_the_network(inpainter, photo, monkeypatch):
    boxes = [BOX, (20, 20, 28, 60), (400, 100, 470, 180)]
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 12, photo.shape), 0, 255).astype(np.uint8)
    expected, record = inpainter.fill(noisy, boxes=boxes), inpainter._record
    assert all(copy["offsets"] and not copy["shares"] for copy in json.loads(json.dumps(record.to_dict()))["copies"])

    def fail(*_, **__):
        raise AssertionError("nothing is to be searched, or completed")

    monkeypatch.setattr("napari_inpaint.inference.copying.stage.find_copies", fail)
    monkeypatch.setattr("napari_inpaint.inference.runtime.session.Session.complete", fail)
    from napari_inpaint.inference.windows.patches import to_copy

    job = read_job(noisy, None, boxes, FillOptions())
    patches, again = inpainter.run(job, FillOptions(), recorded=record.copies)
    assert isinstance(again, Record)
    np.testing.assert_array_equal(to_copy(job.source, patches), expected)
    assert again.result_sha256 == record.result_sha256


@pytest.mark.parametrize("level", [60, 240])
def test_noise_goes_on_with_its_level_and_grain(level):
    """Shot noise, blurred a little, as cameras do: it grows with the signal."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :320]
    signal = level * (1 + 0.2 * np.sin(x / 60) * np.cos(y / 50))
    image = ndimage.gaussian_filter(rng.poisson(signal).astype(float), 0.6).round().astype(np.uint16)
    hole = np.zeros(image.shape, bool)
    hole[100:180, 120:200] = True
    filled = Inpainter("compact", "cpu").fill(np.where(hole, 3000, image).astype(np.uint16), mask=hole)

    def grain(picture):
        detail = picture - ndimage.gaussian_filter(picture.astype(float), 3)
        inside = detail[110:170, 130:190]
        return inside.std(), (inside[:, 1:] * inside[:, :-1]).mean() / np.square(inside).mean()

    (deviation, correlation), (true_deviation, true_correlation) = grain(filled), grain(image)
    assert deviation == pytest.approx(true_deviation, rel=0.1)
    assert correlation == pytest.approx(true_correlation, abs=0.1)
    assert np.abs(filled[hole].mean() - image[hole].mean()) < 0.05 * level


def test_narrow_holes_are_copied_in_noise_and_continued_where_it_is_smooth(inpainter):
    y, x = np.mgrid[:200, :220]
    smooth = (1000 + 300 * np.sin(x / 30) * np.cos(y / 25)).astype(np.float32)
    noisy = (smooth + np.random.default_rng(0).normal(0, 60, smooth.shape)).astype(np.float32)
    mask = np.zeros(smooth.shape, bool)
    mask[80:86, 30:190] = True
    np.testing.assert_array_equal(inpainter.fill(smooth, mask), inpainter.fill(smooth, mask, detail="smooth"))
    flat, filled = (
        noise_level(inpainter.fill(noisy, mask, detail=each)[..., None], mask) for each in ("smooth", "copied")
    )
    truth = noise_level(noisy[..., None], mask)
    assert flat < 0.3 * truth
    assert filled == pytest.approx(truth, rel=0.25)  # all of it is near the rim, which it meets


@pytest.mark.parametrize("kind", ["nan", "nodata", "masked"])
def test_invalid_pixels_are_no_sources(inpainter, kind):
    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, (260, 280)).astype(np.float32)
    invalid = rng.random(image.shape) < 0.002
    invalid[90:180, :100] = True
    image[invalid] = {"nan": np.nan, "nodata": -9999, "masked": 5000}[kind]
    given = np.ma.MaskedArray(image, invalid) if kind == "masked" else image
    filled = inpainter.fill(given, boxes=[(100, 120, 160, 180)], nodata=-9999 if kind == "nodata" else None)
    inside = np.asarray(filled)[100:160, 120:180]
    assert inside.min() > 50
    assert inside.max() < 150
    assert inside.std() == pytest.approx(10, rel=0.15)


def test_a_long_hole_has_no_joints_where_its_windows_meet(photo):
    """The steps between columns are as large at the joints of windows as anywhere in the fill."""
    wide = np.concatenate([photo, photo[:, ::-1], photo], 1)
    filled = Inpainter("compact", "cpu").fill(wide, boxes=[(440, 0, 512, wide.shape[1])])
    steps = np.abs(np.diff(filled[440:].astype(float), axis=1)).mean((0, 2))
    joints = steps[np.arange(1, wide.shape[1] // 256) * 256 - 1]
    assert joints.max() < np.quantile(steps, 0.995) * 1.2


def test_threads_and_order_do_not_matter(photo):
    boxes = [(100, 100, 160, 170), (220, 300, 300, 390), (400, 40, 440, 100), (10, 500, 60, 600), (90, 300, 97, 420)]
    one, two = (Inpainter("compact.fp32", "cpu", threads=threads) for threads in (1, 2))
    filled = two.fill(photo, boxes=boxes)
    again = two.fill(photo, boxes=boxes[::-1])
    np.testing.assert_array_equal(filled, again)
    offsets = [[copy["offsets"] for copy in each.last_record["copies"]]
               for each in (one, two) if each.fill(photo, boxes=boxes) is not None]  # fmt: skip
    assert offsets[0] == offsets[1]


def test_copying_is_cancelled(inpainter, photo):
    from napari_inpaint import FillCancelledError

    cancel = threading.Event()
    windows = len(inpainter.plan(photo, boxes=[BOX]).windows)
    with pytest.raises(FillCancelledError):
        inpainter.fill(photo, boxes=[BOX], cancel=cancel,
                       on_progress=lambda done, _: cancel.set() if done == windows else None)  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (5, 40), (6, 6)])
def test_images_without_room_for_a_patch_keep_the_completion(inpainter, shape):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    mask = np.zeros(shape, bool)
    mask.flat[3 : 3 + mask.size // 3] = True
    np.testing.assert_array_equal(inpainter.fill(image, mask), inpainter.fill(image, mask, detail="network"))


def test_where_nothing_is_known_in_all_channels_the_completion_stays(inpainter):
    image = np.random.default_rng(0).normal(100, 10, (2, 90, 200)).astype(np.float32)
    image[0, :, :100], image[1, :, 100:] = np.nan, np.nan
    boxes = [(30, 40, 60, 70), (30, 130, 60, 160)]
    copied, network = (
        inpainter.fill(image, boxes=boxes, channel_axis=0, detail=each) for each in ("copied", "network")
    )
    np.testing.assert_array_equal(copied, network)


def test_a_replay_makes_erased_areas_opaque_again(inpainter, photo):
    rng = np.random.default_rng(0)
    image = np.dstack([np.clip(photo + rng.normal(0, 9, photo.shape), 0, 255).astype(np.uint8),
                       np.full(photo.shape[:2], 255, np.uint8)])  # fmt: skip
    image[200:260, 300:360, 3] = 0
    options = FillOptions(channel_axis=-1, alpha=True)
    job = read_job(image, None, [(190, 290, 270, 370)], options)
    from napari_inpaint.inference.windows.patches import to_copy

    patches, record = inpainter.run(job, options)
    filled = to_copy(job.source, patches)
    assert (filled[..., 3] == 255).all()
    again, _ = inpainter.run(job, options, recorded=record.copies)
    np.testing.assert_array_equal(to_copy(job.source, again), filled)


def test_corrections_are_bounded_where_little_holds_them(inpainter, photo):
    texture = photo[300:500, 100:300]
    filled = inpainter.fill(texture, boxes=[(0, 0, 200, 188)])
    extreme = (filled == filled.min()) | (filled == filled.max())
    assert extreme.mean() < 0.2
    (record,) = inpainter.last_record["copies"]
    assert record["correction"] <= 0.25


def test_noise_goes_on_in_uneven_light(inpainter):
    y, x = np.mgrid[:300, :320]
    image = (100 + 0.1 * x + 0.1 * y + np.random.default_rng(0).normal(0, 4, (300, 320))).astype(np.float32)
    mask = np.zeros(image.shape, bool)
    mask[60:300, 120:320] = True
    filled = inpainter.fill(image, mask)
    for left in range(130, 310, 60):
        part = np.s_[80:290, left : left + 50]
        assert noise_level(filled[part][..., None], mask[part]) == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u8", "i8", "f4", "f8"])
def test_shares_lie_between(dtype):
    from napari_inpaint.inference.copying.stage import _blend

    limits = np.finfo(dtype) if dtype[0] == "f" else np.iinfo(dtype)
    kept = np.full((3, 1), limits.min, dtype)
    made = np.full((3, 1), limits.max, dtype)
    blended = _blend(kept, made, np.array([[0], [128 / 255], [1]]))
    assert blended.dtype == np.dtype(dtype)
    assert (blended[0], blended[2]) == (limits.min, limits.max)
    middle = float(limits.min) / 2 + float(limits.max) / 2
    assert abs(float(blended[1, 0]) - middle) <= 0.01 * float(limits.max)


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "f4"])
def test_a_pattern_of_two_values_is_continued_in_any_dtype(inpainter, dtype):
    y, x = np.mgrid[:200, :210]
    tiles = ((x // 6 + y // 6) % 2).astype(dtype)
    filled = inpainter.fill(tiles, boxes=[(80, 80, 130, 130)])
    assert np.abs(filled.astype(float) - tiles)[80:130, 80:130].mean() < 0.25  # by chance it would be half


def test_many_channels_are_copied_together(inpainter, photo):
    stack = np.stack([np.roll(photo[..., i % 3], i, 0) for i in range(15)])[:, :200, :220]
    filled = inpainter.fill(stack, boxes=[(80, 80, 130, 130)], channel_axis=0, seam=False)
    y, x, from_y, from_x, _ = copies_of(inpainter)
    np.testing.assert_array_equal(filled[:, y, x], stack[:, from_y, from_x])
