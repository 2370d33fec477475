"""Formats of inpaint-fill beyond PNG, JPEG and TIFF: WebP, NPY, zarr, streams; and records inside files."""

import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_inpaint.command.cli import main
from napari_inpaint.io.codecs.tiff.layout import RECORD_TAG
from tests.io.holes import BOX, HOLE, check


@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_webp_stays_exact(tmp_path, photo, alpha):
    image = np.dstack([photo, photo[..., 0]]) if alpha else photo
    exif = Image.Exif()
    exif[270] = "a dune"
    Image.fromarray(image).save(tmp_path / "in.webp", lossless=True, exact=True, exif=exif)
    assert main([str(tmp_path / "in.webp"), "-o", str(tmp_path / "out.webp"), *BOX]) == 0
    with Image.open(tmp_path / "out.webp") as filled:
        check(image, np.array(filled))
        assert filled.getexif()[270] == "a dune"


def test_lossy_webp_says_so(tmp_path, photo, capsys):
    Image.fromarray(photo).save(tmp_path / "in.webp", quality=90)
    assert main([str(tmp_path / "in.webp"), "-o", str(tmp_path / "out.webp"), *BOX]) == 0
    assert "lossy WebP loses a little" in capsys.readouterr().err
    before, after = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("in.webp", "out.webp"))
    assert np.abs(before - after)[100:].mean() < 3


def test_an_animated_webp_is_refused(tmp_path, photo, capsys):
    frames = [Image.fromarray(photo[:64, :64]), Image.fromarray(photo[64:128, :64])]
    frames[0].save(tmp_path / "in.webp", save_all=True, append_images=frames[1:])
    assert main([str(tmp_path / "in.webp"), "-o", str(tmp_path / "out.webp"), *BOX]) == 1
    assert "animation" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", "i8", "?"])
@pytest.mark.parametrize("layout", ["grey", "rgb", "stack"])
def test_npy(tmp_path, photo, dtype, layout, windows):
    image = {"grey": photo[..., 0], "rgb": photo, "stack": np.moveaxis(photo, -1, 0)}[layout]
    image = np.random.default_rng(0).random(image.shape) > 0.5 if dtype == "?" else image.astype(dtype)
    image = np.asfortranarray(image)
    np.save(tmp_path / "in.npy", image)
    assert main([str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.npy"), *BOX]) == 0
    check(image, np.load(tmp_path / "out.npy"), (..., *HOLE) if layout == "stack" else HOLE)


def test_masks_of_stacks(tmp_path, photo):
    stack = np.moveaxis(photo, -1, 0).copy()
    mask = np.zeros(stack.shape, bool)
    mask[1][HOLE] = True
    np.save(tmp_path / "in.npy", stack)
    np.save(tmp_path / "mask.npy", mask)
    words = [str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.npy"), "--mask", str(tmp_path / "mask.npy")]
    assert main(words) == 0
    check(stack, np.load(tmp_path / "out.npy"), (1, *HOLE))


@pytest.mark.parametrize("content", [{"a": 1}, np.array([{}]), np.zeros((4, 4), complex)])
def test_arrays_of_objects_and_complex_numbers_are_refused(tmp_path, content, capsys):
    np.save(tmp_path / "in.npy", content, allow_pickle=True)
    assert main([str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.npy"), "--box", "0", "0", "2", "2"]) == 1
    assert "in.npy" in capsys.readouterr().err
    assert not (tmp_path / "out.npy").exists()


def pipe(data, *words):
    code = "from napari_inpaint.inference.runtime import loading; loading.DEFAULT = 'compact';"
    code += "from napari_inpaint.command.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *map(str, words), *BOX]
    return subprocess.run(command, input=data, capture_output=True, check=False)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "NPY", "WEBP"])
def test_streams(photo, kind, tmp_path):
    buffer = io.BytesIO()
    if kind == "NPY":
        np.save(buffer, photo)
    elif kind == "TIFF":
        tifffile.imwrite(buffer, photo.astype(np.uint16) * 200, photometric="rgb")
    else:
        Image.fromarray(photo).save(buffer, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    done = pipe(buffer.getvalue(), "-", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert b"pixels filled" in done.stderr
    read = {"NPY": np.load, "TIFF": tifffile.imread}.get(kind, lambda file: np.asarray(Image.open(file)))
    check(*(read(io.BytesIO(data)) for data in (buffer.getvalue(), done.stdout)))


def test_streams_and_files_mix(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "in.png")
    done = pipe((tmp_path / "in.png").read_bytes(), "-", "-o", tmp_path / "out.png")
    assert done.returncode == 0
    assert b"out.png: 2000 pixels filled" in done.stdout
    check(photo, np.asarray(Image.open(tmp_path / "out.png")))
    assert pipe(b"nonsense", "-", "-o", "-").returncode == 1
    assert b"standard output" in pipe(b"", tmp_path, "-o", "-").stderr


def test_folders_of_all_formats(tmp_path, photo, store):
    (tmp_path / "scans").mkdir()
    store.rename(tmp_path / "scans" / "a.zarr")
    np.save(tmp_path / "scans" / "b.npy", photo)
    Image.fromarray(photo).save(tmp_path / "scans" / "c.webp", lossless=True)
    words = [str(tmp_path / "scans"), "-o", str(tmp_path / "filled"), *BOX]
    assert main(words) == 0
    assert sorted(path.name for path in (tmp_path / "filled").iterdir()) == ["a.zarr", "b.npy", "c.webp"]
    (tmp_path / "filled" / "b.npy").unlink()
    inode = (tmp_path / "filled" / "a.zarr").stat().st_ino
    assert main(words) == 0
    assert (tmp_path / "filled" / "b.npy").exists()
    assert (tmp_path / "filled" / "a.zarr").stat().st_ino == inode


def test_a_filled_tiff_carries_its_record(tmp_path, photo, capsys):
    image = photo[..., 0].astype(np.uint16) * 200
    tifffile.imwrite(tmp_path / "in.tif", image, extratags=[(65000, 2, 0, "mine", True)])
    assert main([str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), "--record", *BOX]) == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        tags = tiff.pages[0].tags
        assert json.loads(tags[RECORD_TAG].value) == json.loads((tmp_path / "out.tif.json").read_text(encoding="utf-8"))
        assert tags[65000].value == "mine"
    words = [str(tmp_path / "in.tif"), "-o", str(tmp_path / "again.tif"), "--replay", str(tmp_path / "out.tif")]
    assert main(words) == 0
    assert "the same, bit for bit" in capsys.readouterr().err
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif"), tifffile.imread(tmp_path / "out.tif"))
    # filled once more, without a record: the old one must not stand for the new fill
    assert main([str(tmp_path / "out.tif"), "-o", str(tmp_path / "more.tif"), "--box", "200", "200", "240", "240"]) == 0
    with tifffile.TiffFile(tmp_path / "more.tif") as tiff:
        assert RECORD_TAG not in tiff.pages[0].tags
    assert "not kept: the record of an earlier fill; add --record" in capsys.readouterr().err
    first = json.loads((tmp_path / "out.tif.json").read_text(encoding="utf-8"))
    for name, before in (("two.tif", "out.tif"), ("three.tif", "two.tif")):
        words = [str(tmp_path / before), "-o", str(tmp_path / name), "--record", "--box", "200", "200", "240", "240"]
        assert main(words) == 0
    records = [json.loads((tmp_path / f"{name}.tif.json").read_text(encoding="utf-8")) for name in ("two", "three")]
    assert records[0]["earlier"] == [first]
    assert records[1]["earlier"] == [first, {key: value for key, value in records[0].items() if key != "earlier"}]


def test_a_tag_of_somebody_else_is_no_record(tmp_path, photo):
    tifffile.imwrite(tmp_path / "in.tif", photo[..., 0], extratags=[(RECORD_TAG, 2, 0, "mine", True)], metadata=None)
    assert main([str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), *BOX]) == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert tiff.pages[0].tags[RECORD_TAG].value == "mine"


@pytest.mark.parametrize("kind", ["a tif without record", "a zarr without record", "text", "nothing"])
def test_what_is_no_record_is_refused(tmp_path, photo, capsys, store, kind):
    Image.fromarray(photo).save(tmp_path / "in.png")
    record = {"a zarr without record": store}.get(kind, tmp_path / "record")
    if kind == "a tif without record":
        tifffile.imwrite(record, photo)
    elif kind == "text":
        record.write_text("[1, 2]")
    assert main([str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), "--replay", str(record)]) == 1
    assert Path(record).name in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_jpeg_loses_the_thumbnail_of_what_was_there(tmp_path, photo, capsys):
    thumbnail = io.BytesIO()
    Image.fromarray(photo[:60, :80]).save(thumbnail, "JPEG")
    exif = Image.Exif()
    exif[270] = "a dune"
    data = exif.tobytes()
    # a second directory, which Pillow does not write: compression 6, offset and length of the thumbnail
    start = len(data) - 6
    entries = ((0x0103, 3, 1, 6), (0x0201, 4, 1, start + 2 + 3 * 12 + 4), (0x0202, 4, 1, len(thumbnail.getvalue())))
    order = "<" if data[6:8] == b"II" else ">"
    directory = struct.pack(order + "H", 3) + b"".join(
        struct.pack(order + ("HHIHxx" if kind == 3 else "HHII"), tag, kind, count, value)
        for tag, kind, count, value in entries
    )
    first = struct.unpack_from(order + "I", data, 10)[0] + 6
    link = first + 2 + 12 * struct.unpack_from(order + "H", data, first)[0]
    data = (
        data[:link] + struct.pack(order + "I", start) + data[link + 4 :] + directory + bytes(4) + thumbnail.getvalue()
    )
    Image.fromarray(photo).save(tmp_path / "in.jpg", exif=data)
    assert thumbnail.getvalue() in (tmp_path / "in.jpg").read_bytes()
    assert main([str(tmp_path / "in.jpg"), "-o", str(tmp_path / "out.jpg"), *BOX]) == 0
    assert "thumbnail shows what was there" in capsys.readouterr().err
    assert thumbnail.getvalue() not in (tmp_path / "out.jpg").read_bytes()
    assert Image.open(tmp_path / "out.jpg").getexif()[270] == "a dune"


def test_a_stack_without_planes_has_an_empty_mask(tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((0, 100, 100), np.uint8))
    words = [str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.npy"), *BOX]
    assert main([*words, "--synthetic-mask", str(tmp_path / "mask.png")]) == 0
    assert not np.asarray(Image.open(tmp_path / "mask.png")).any()


def test_the_users_files_are_not_replaced_unasked(tmp_path, photo, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", photo)
    Image.fromarray(photo).save(tmp_path / "in" / "a.png")
    (tmp_path / "out" / "b.tif.json").write_text("mine")
    before = (tmp_path / "in" / "a.png").read_bytes()
    words = [str(tmp_path / "in" / "a.tif"), str(tmp_path / "in" / "b.tif"), "-o", str(tmp_path / "out"), *BOX]
    assert main([*words, "--record", "--synthetic-mask", str(tmp_path / "in")]) == 1
    said = capsys.readouterr().err
    assert "in/a.png exists" in said
    assert "b.tif.json exists" in said
    assert (tmp_path / "in" / "a.png").read_bytes() == before
    assert (tmp_path / "out" / "b.tif.json").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.tif.json"]


def test_masks_and_results_may_lie_inside_the_input(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    (tmp_path / "masks").mkdir()
    mask = np.zeros(photo.shape[:2], bool)
    mask[HOLE] = True
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    words = [str(tmp_path), "-o", str(tmp_path / "filled"), "--mask", str(tmp_path / "masks")]
    for _ in range(2):
        assert main([*words, "--synthetic-mask", str(tmp_path / "made-up")]) == 0
    assert [path.name for path in (tmp_path / "filled").iterdir()] == ["a.png"]
    assert [path.name for path in (tmp_path / "made-up").iterdir()] == ["a.png"]


def test_a_folder_in_the_place_of_an_output_is_named(tmp_path, photo, capsys):
    Image.fromarray(photo).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", photo)
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    assert main([str(tmp_path / "a.png"), str(tmp_path / "b.tif"), "-o", str(tmp_path / "out"), *BOX]) == 1
    assert "a.png cannot be written" in capsys.readouterr().err
    assert (tmp_path / "out" / "b.tif").is_file()
