"""Mask files: the same strokes are the same holes, whatever a program made of black and white."""

import io
import itertools

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image, ImageDraw, ImageOps

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.masks import read_mask
from napari_inpaint.io.orientation import TURNS, display, encode_orientation, store, store_box

SIZE = (120, 160)


def draw(scale=1):
    """Strokes, drawn larger: made smaller they have soft edges."""
    canvas = Image.new("L", (SIZE[1] * scale, SIZE[0] * scale))
    pen = ImageDraw.Draw(canvas)
    pen.line([scale * each for each in (20, 30, 80, 60, 70, 100)], fill=255, width=9 * scale)
    pen.ellipse([scale * each for each in (100, 20, 140, 50)], fill=255)
    return np.asarray(canvas.reduce(scale) if scale > 1 else canvas)


SOFT = draw(8)
HOLES = SOFT > 127
HARD = HOLES * np.uint8(255)


def from_jpeg(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def with_alpha(colour, channels=3):
    return np.dstack([np.full((*SIZE, channels), colour, np.uint8), HARD])


EXACT = {
    "white on black": (HARD, None), "bool": (HOLES, None), "one": (HOLES * np.uint8(1), None),
    "grey": (HOLES * np.uint8(90), None), "float": (HOLES * np.float32(0.2), None), "wide": (HOLES * np.int32(7), None),
    "limited range": (np.uint8(16) + HOLES * np.uint8(219), "16 to 235"),
    "background 1": (np.dstack([np.uint8(1) + HOLES * np.uint8(254)] * 3), "1 to 255"),
    "soft": (SOFT, "0 to 255"), "soft in 16 bits": (SOFT.astype(np.uint16) * 257, "0 to 65535"),
    "probabilities": ((SOFT / 255).astype(np.float32), "above 0.5"), "soft as floats": (SOFT * 1.004, "0 to 256"),
    "black strokes on nothing": (with_alpha(0), "not transparent"), "on white nothing": (with_alpha(255), "not transp"),
    "grey and alpha": (with_alpha(0, 1), "not transparent"),
}  # fmt: skip


@pytest.mark.parametrize(("array", "said"), EXACT.values(), ids=EXACT)
def test_strokes_are_the_holes_and_one_sentence_says_how(tmp_path, array, said):
    path = tmp_path / ("m.png" if array.dtype in (bool, np.uint8) else "m.tif")
    if path.suffix == ".png":
        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array)
    holes, notes = read_mask(path, SIZE)
    np.testing.assert_array_equal(holes, HOLES)
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


@pytest.mark.parametrize("name", ["m.png", "m.jpg", "m.webp"])
def test_lossy_edges_do_not_widen_holes(tmp_path, name):
    if name == "m.png":
        Image.fromarray(from_jpeg(HARD)).save(tmp_path / name)
    else:
        Image.fromarray(HARD).save(tmp_path / name, quality=60)
    holes, notes = read_mask(tmp_path / name, SIZE)
    assert (holes != HOLES).sum() < 0.05 * HOLES.sum()
    assert "127.5" in notes[0]


def labels_of(kind):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    blocks = (y // 20 * 8 + x // 20) * ((y % 20 < 12) & (x % 20 < 12))
    specks = np.zeros(SIZE, int)
    specks.flat[rng.choice(specks.size, 60, replace=False)] = np.arange(1, 61)
    return {
        "blocks": blocks.astype(np.uint8), "colours of classes": (blocks % 5 * 50).astype(np.uint8),
        "void 255": np.where(blocks == 9, 255, blocks).astype(np.uint8), "specks": specks.astype(np.uint8),
        "wide": (blocks * 1013).astype(np.uint16), "wide specks": (specks * 70_001).astype(np.int32),
        "negative": -specks.astype(np.int16), "floats": blocks.astype(np.float32),
    }[kind]  # fmt: skip


LABELS = ["blocks", "colours of classes", "void 255", "specks", "wide", "wide specks", "negative", "floats"]


@pytest.mark.parametrize("kind", LABELS)
def test_every_label_is_a_hole(tmp_path, kind):
    labels = labels_of(kind)
    tifffile.imwrite(tmp_path / "m.tif", labels)
    holes, notes = read_mask(tmp_path / "m.tif", SIZE)
    np.testing.assert_array_equal(holes, labels != 0)
    assert notes == ()


@pytest.mark.parametrize("threshold", [0, 40.5, 200])
def test_a_threshold_takes_the_place_of_all_rules(tmp_path, threshold):
    tifffile.imwrite(tmp_path / "m.tif", SOFT)
    zarr.create_array(tmp_path / "m.zarr", data=SOFT)
    Image.fromarray(np.dstack([np.zeros((*SIZE, 3), np.uint8), SOFT])).save(tmp_path / "alpha.png")
    expected = threshold < SOFT
    for name in ("m.tif", "m.zarr", "alpha.png"):
        np.testing.assert_array_equal(read_mask(tmp_path / name, SIZE, threshold=threshold).holes, expected)


def test_an_alpha_that_does_not_vary_does_not_count(tmp_path):
    for alpha in (255, 128):
        Image.fromarray(np.dstack([HARD] * 3 + [np.full(SIZE, alpha, np.uint8)])).save(tmp_path / "m.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "m.png", SIZE).holes, HOLES)
    Image.fromarray(np.dstack([np.full((*SIZE, 3), 255, np.uint8), np.zeros(SIZE, np.uint8)])).save(tmp_path / "m.png")
    assert not read_mask(tmp_path / "m.png", SIZE).holes.any()  # an empty layer
    np.save(tmp_path / "m.npy", np.dstack([HARD] * 3 + [np.full(SIZE, 255, np.uint8)]))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy", SIZE).holes, HOLES)


def test_zarr_masks_mean_the_same(tmp_path):
    zarr.create_array(tmp_path / "soft.zarr", data=SOFT)
    np.testing.assert_array_equal(read_mask(tmp_path / "soft.zarr", (3, *SIZE)).holes, HOLES)
    zarr.create_array(tmp_path / "stack.zarr", data=np.stack([HARD] * 3))
    assert not isinstance(read_mask(tmp_path / "stack.zarr", (3, *SIZE)).holes, np.ndarray)  # read plane by plane


@pytest.mark.parametrize("orientation", TURNS)
def test_turns_are_those_of_pillow(orientation):
    stored = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    shown = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(display(stored, orientation), shown)
    np.testing.assert_array_equal(store(shown, orientation), stored)
    for box in itertools.product((0, 1), (0, 2), (2, 3), (3,)):
        y0, x0, y1, x1 = store_box(box, orientation, 3, 4)
        part = store(shown, orientation)[y0:y1, x0:x1]
        np.testing.assert_array_equal(np.sort(part, None), np.sort(shown[box[0] : box[2], box[1] : box[3]], None))


@pytest.mark.parametrize("own", TURNS)
@pytest.mark.parametrize("orientation", TURNS)
def test_a_mask_lies_where_it_is_seen(tmp_path, orientation, own):
    """The mask of a turned photo may be turned itself, in its own way."""
    shown = HARD[:, : SIZE[0]]  # a square: its size does not tell
    Image.fromarray(store(shown, own)).save(tmp_path / "m.png", exif=encode_orientation(own))
    holes, notes = read_mask(tmp_path / "m.png", shown.shape, orientation)
    np.testing.assert_array_equal(display(holes, orientation), shown > 0)
    as_stored = read_mask(tmp_path / "m.png", shown.shape, orientation, layout="stored")
    np.testing.assert_array_equal(as_stored.holes, store(shown, own) > 0)
    assert bool(notes) == bool((as_stored.holes != holes).any())
    assert read_mask(tmp_path / "m.png", shown.shape, orientation, layout="displayed").notes == as_stored.notes == ()


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_size_of_a_mask_tells_how_it_is_meant(tmp_path, orientation):
    stored = store(HOLES, orientation)
    for name, array in (("shown.png", HOLES), ("stored.png", stored)):
        Image.fromarray(array).save(tmp_path / name)
        for layout in (None, "displayed", "stored"):
            holes, notes = read_mask(tmp_path / name, stored.shape, orientation, layout=layout)
            np.testing.assert_array_equal(holes, stored)
            assert notes == ()
    with pytest.raises(FileError, match=f"as it is stored, with orientation {orientation}"):
        read_mask(tmp_path / "shown.png", (9, 9), orientation)


@pytest.mark.parametrize("suffix", [".avif", ".jp2", ".jxl", ".webp"])
def test_masks_that_were_encoded_with_loss_are_cut_at_half_of_what_they_can_hold(tmp_path, suffix):
    import imagecodecs

    grey = np.zeros((64, 80), np.uint8)
    grey[10:30, 20:50] = 255
    data = {
        ".avif": lambda: imagecodecs.avif_encode(np.dstack([grey] * 3), level=30, pixelformat="420"),
        ".jp2": lambda: imagecodecs.jpeg2k_encode(grey, level=30, reversible=False),
        ".jxl": lambda: imagecodecs.jpegxl_encode(grey, lossless=False, distance=6.0),
        ".webp": lambda: imagecodecs.webp_encode(np.dstack([grey] * 3), level=30, lossless=False),
    }[suffix]()
    (tmp_path / f"mask{suffix}").write_bytes(data)
    holes = read_mask(tmp_path / f"mask{suffix}", (64, 80)).holes
    assert (holes != (grey > 0)).mean() < 0.01
