"""What calls for an option is named, and nothing else is."""

import numpy as np
import pytest
import skimage.data
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.command.cli import main
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.inputs.kinds import LABELS, MOSAIC, PHASE, WRAP, note_kinds
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.samples import dated_photo

SHAPE = (200, 240)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
RNG = np.random.default_rng(0)


def notes(image, box=(60, 0, 90, 50), **options):
    chosen = FillOptions(**options)
    return note_kinds(read_job(image, None, [box], chosen), chosen)


def voronoi(dtype, ids):
    points = RNG.random((40, 2)) * SHAPE
    cell = np.argmin([(Y - y) ** 2 + (X - x) ** 2 for y, x in points], 0)
    return RNG.choice(ids, 40, replace=False)[cell].astype(dtype)


def panorama():
    part = skimage.data.astronaut()[100:250, 100:250]
    return np.concatenate([part, part[:, ::-1]], 1)


def bayer(shift=0):
    colours = np.array([[300, 1400], [1200, 700]])[Y % 2, X % 2]
    noise = RNG.normal(0, 40, SHAPE)
    return np.roll(colours * (1 + 0.3 * np.sin(X / 30)) + noise, shift, 1).clip(0, 4095).astype(np.uint16)


def wrapped(start):
    return (start + (0.2 * X + 0.07 * Y + RNG.normal(0, 0.1, SHAPE)) % (2 * np.pi)).astype(np.float32)


CALLING = {
    "labels": (voronoi("i4", 5000), LABELS), "labels of 16 bits": (voronoi("u2", 60), LABELS),
    "labels of 64 bits": (voronoi("u8", 2**40), LABELS),
    "phase": (wrapped(-np.pi), PHASE), "phase from 0": (wrapped(0), PHASE),
    "mosaic": (bayer(), MOSAIC), "shifted mosaic": (bayer(1), MOSAIC), "panorama": (panorama(), WRAP),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLING)
def test_what_calls_for_an_option_is_told(name, inpainter):
    image, option = CALLING[name]
    (note,) = notes(image)
    assert option in note
    with pytest.warns(UserWarning, match="looks like"):
        inpainter.fill(image, boxes=[(60, 0, 90, 50)], detail="smooth")
    said = {LABELS: {"values": "labels"}, PHASE: {"values": "phase"}, MOSAIC: {"mosaic": (2, 2)}, WRAP: {"wrap": "x"}}
    assert not notes(image, **said[option])


SAMPLES = ("astronaut", "brick", "camera", "cat", "cell", "checkerboard", "chelsea", "clock", "coffee", "coins",
           "colorwheel", "grass", "gravel", "horse", "hubble_deep_field", "immunohistochemistry", "logo",
           "microaneurysms", "moon", "page", "retina", "rocket", "shepp_logan_phantom", "text")  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("wide", [False, True])
def test_photos_drawings_and_scans_call_for_none(name, wide):
    try:
        image = getattr(skimage.data, name)()
    except (OSError, ConnectionError, ModuleNotFoundError, RuntimeError):
        pytest.skip("not among the files that scikit-image brings along")
    image = image[..., :3] if image.ndim == 3 else image
    if wide and image.dtype == np.uint8:
        image = image.astype(np.uint16) * 257
    elif wide:
        image = image.astype(np.float32)
    height, width = image.shape[:2]
    for box in ((0, 0, 20, 20), (height // 2, width // 2, height // 2 + 30, width // 2 + 9),
                (height - 30, width - 30, height, width)):  # fmt: skip
        assert not notes(image, box)


def test_the_bundled_photo_calls_for_none():
    photo, _ = dated_photo()
    assert not notes(photo, (10, 10, 50, 50))
    assert not notes(photo[..., 1].astype(np.float32) / 255 * 2 * np.pi)


@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["u1", "u2", "i4", "f4", "f8"]), st.sampled_from([1, 3.0, 50, 2 * np.pi])
)
def test_noise_and_gradients_call_for_none(seed, dtype, top):
    rng = np.random.default_rng(seed)
    for image in (rng.random(SHAPE) * top, rng.normal(0, 1, SHAPE) * top, X / 240 * top, Y * X / 48000 * top,
                  np.full(SHAPE, top), rng.random((100, 200)) * top, np.rint(X / 240 * 12) * top):  # fmt: skip
        assert not notes(np.abs(image).astype(dtype), (40, 0, 60, 30))


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["?", "u1", "i8", "u8", "f2", ">f4", "f8"]), st.data())
def test_any_bits_and_sizes_can_be_looked_at(height, width, dtype, data):
    """Also the largest numbers, and NaN of all kinds."""
    size = np.dtype(dtype).itemsize
    bits = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))).bytes(height * width * size)
    image = np.frombuffer(bits, dtype if dtype != "?" else "u1").reshape(height, width)
    x1 = data.draw(st.integers(1, width))
    with np.errstate(all="raise"):
        assert len(notes(image if dtype != "?" else image > 99, (0, 0, height, x1))) <= 1


def test_the_command_names_its_own_option(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "ids.tif", CALLING["labels"][0])
    assert main([str(tmp_path / "ids.tif"), "-o", str(tmp_path / "f.tif"), "--box", "60", "60", "66", "90"]) == 0
    assert "--values labels" in capsys.readouterr().err
