"""What is named on the command line is filled, where it is seen; what is doubtful is asked about."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from napari_inpaint.command.cli import main
from napari_inpaint.inference.default import fill
from napari_inpaint.io.images import read_image
from napari_inpaint.io.orientation import TURNS, encode_orientation, store

SHOWN = np.s_[20:44, 50:80]
FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "PNG16": ".png"}


def run(*words):
    return main([*map(str, words), "--detail", "smooth", "--device", "cpu"])


def write(path, shown, orientation, kind):
    """Write a picture that is displayed so."""
    pixels = store(shown, orientation)
    if kind == "TIFF":
        tifffile.imwrite(path, pixels, extratags=[(274, 3, 1, orientation, True)], metadata=None)
    elif kind == "PNG16":
        Image.fromarray(pixels.astype(np.uint16) * 257).save(path, exif=encode_orientation(orientation))
    else:
        options = {"lossless": True} if kind == "WEBP" else {}
        Image.fromarray(pixels).save(path, exif=encode_orientation(orientation), **options)
    return path


def where(path):
    """Return the synthetic mask as it is displayed."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)))


@pytest.fixture
def grey(photo):
    return np.ascontiguousarray(photo[:90, :120, 1])


@pytest.fixture
def hole():
    mask = np.zeros((90, 120), bool)
    mask[SHOWN] = True
    return mask


@pytest.mark.parametrize(
    ("orientation", "kind"), [*((turn, "JPEG") for turn in TURNS), *((6, kind) for kind in FORMATS)]
)
def test_what_is_covered_where_it_is_seen_is_filled(tmp_path, grey, hole, orientation, kind, capsys):
    """By a mask or a box; and the synthetic mask, given as a mask again, and the record, mean the same pixels."""
    suffix = FORMATS[kind]
    photo, made_up = write(tmp_path / f"a{suffix}", grey, orientation, kind), tmp_path / "made-up.png"
    Image.fromarray(hole).save(tmp_path / "m.png")
    first, box = tmp_path / f"1{suffix}", ("--box", 20, 50, 44, 80, "--orientation", "displayed")
    assert run(photo, "-o", first, "--record", "--mask", tmp_path / "m.png", "--synthetic-mask", made_up) == 0
    np.testing.assert_array_equal(where(made_up), hole)
    for number, named in enumerate((("--mask", made_up), box), 2):
        again, again_made_up = tmp_path / f"{number}{suffix}", tmp_path / f"made-up-{number}.png"
        assert run(photo, "-o", again, *named, "--synthetic-mask", again_made_up) == 0
        assert again_made_up.read_bytes() == made_up.read_bytes()
        np.testing.assert_array_equal(read_image(again).pixels, read_image(first).pixels)
    again = ["--replay", tmp_path / f"1{suffix}.json", "-o", tmp_path / f"9{suffix}"]
    assert main([str(photo), *map(str, again)]) == 0
    assert "bit for bit" in capsys.readouterr().err


def test_boxes_are_in_stored_pixels_unless_only_the_other_fits(tmp_path, grey, capsys):
    photo = write(tmp_path / "a.jpg", grey.T, 6, "JPEG")  # displayed 120 x 90, stored 90 x 120
    made_up = tmp_path / "m.png"

    def named(*boxes):
        words = [word for box in boxes for word in ("--box", *box)]
        assert run(photo, "-o", tmp_path / "b.jpg", *words, "--overwrite", "--synthetic-mask", made_up) == 0
        return np.asarray(Image.open(made_up)), capsys.readouterr().err

    stored, said = named((10, 20, 30, 50))
    assert stored[10:30, 20:50].all()
    assert stored.sum() == 600
    assert "as they are stored" in said
    _, said = named((95, 20, 115, 50))  # below the stored picture
    assert where(made_up)[95:115, 20:50].all()
    assert "the boxes fit only there" in said
    stored, _ = named((10, 95, 30, 115), (5, 5, 9, 9))
    assert stored[10:30, 95:115].all()


@pytest.mark.parametrize(("share", "asks"), [(0.4, False), (0.6, True), (0.97, True)])
@pytest.mark.parametrize("kind", ["png", "zarr"])
def test_a_mask_of_most_of_the_image_is_asked_about(tmp_path, grey, share, asks, kind, capsys):
    mask = np.zeros(grey.shape, np.uint8)
    mask[:, : int(share * mask.shape[1])] = 255
    if kind == "zarr":
        zarr = pytest.importorskip("zarr")
        grey = np.stack([grey] * 2)
        zarr.create_array(tmp_path / "m.zarr", data=np.stack([mask] * 2))
    else:
        Image.fromarray(mask).save(tmp_path / "m.png")
    tifffile.imwrite(tmp_path / "a.tif", grey)
    assert run(tmp_path / "a.tif", "-o", tmp_path / "b.tif", "--mask", tmp_path / f"m.{kind}") == 0
    assert capsys.readouterr().err.count("is it inverted?") == asks


def test_empty_masks_are_named_and_counted(tmp_path, grey, hole, capsys):
    for name, mask in (("a.png", hole), ("b.png", hole & False), ("c.png", hole & False)):
        for folder, array in (("in", grey), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / folder / name)
    assert run(tmp_path / "in", "-o", tmp_path / "out", "--mask", tmp_path / "masks") == 0
    said = capsys.readouterr().err
    assert "b.png is empty" in said
    assert "1 of 3 files filled, 2 had an empty mask" in said


def test_a_threshold_is_what_is_filled(tmp_path, grey, capsys):
    mask = np.zeros(grey.shape, np.uint8)
    mask[20:40, 20:40], mask[24:30, 24:30] = 100, 200
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    words = [tmp_path / "a.png", "-o", tmp_path / "b.png", "--overwrite", "--json", "--mask", tmp_path / "m.png"]
    for threshold, pixels in ((0, 400), (99.5, 400), (100, 36), (200, 0)):
        assert run(*words, "--mask-threshold", threshold) == 0
        assert json.loads(capsys.readouterr().out)["record"]["filled_pixels"] == pixels


def test_in_python_probabilities_are_cut_at_one_half_and_numbers_are_not(grey, hole):
    soft = np.where(hole, 0.9, 0.2).astype(np.float32)
    expected = fill(grey, hole, detail="smooth")
    with pytest.warns(UserWarning, match="above 0.5"):
        np.testing.assert_array_equal(fill(grey, soft, detail="smooth"), expected)
    for numbers in (hole * np.uint8(1), hole * np.int16(-3), hole * np.float64(7), hole.astype(np.float32)):
        np.testing.assert_array_equal(fill(grey, numbers, detail="smooth"), expected)
