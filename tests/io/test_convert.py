"""Outputs of another format than the input's: exact, with what both can say, and with a word for what is lost."""

import io
import itertools

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from napari_inpaint.command.cli import main
from napari_inpaint.io.convert import TARGETS
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import FORMATS, check_output, encode_image, read_image
from napari_inpaint.io.orientation import display
from tests.io.codecs.files import picture
from tests.io.holes import BOX, check

SUFFIXES = {kind: suffix for suffix, kind in reversed(FORMATS.items()) if kind in TARGETS}
LOSSY = {"JPEG"}
LAYOUTS, DTYPES = ("grey", "colours", "transparency", "planes", "stack"), ("u1", ">u2", "i2", "f4", "f8")


def as_last(source):
    pixels = np.asarray(source.pixels)
    return pixels if source.channel_axis is None else np.moveaxis(pixels, source.channel_axis, -1)


def write(path, source):
    path.write_bytes(encode_image(path, source, source.pixels))
    return read_image(path)


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize(("layout", "dtype"), [("grey", "?"), *itertools.product(LAYOUTS, DTYPES)])
def test_pixels_are_exact_or_refused(tmp_path, kind, layout, dtype):
    """A refusal names formats that hold them, and these do."""
    image = picture(4 if layout == "transparency" else 3)
    array = {"grey": image[..., 0], "planes": np.moveaxis(image, -1, 0), "stack": np.stack([image[..., 0]] * 2)}.get(
        layout, image
    )
    array = array > 99 if dtype == "?" else array.astype(dtype)
    options = {"photometric": "rgb"} if layout not in ("grey", "stack") else {"photometric": "minisblack"}
    if layout == "planes":
        options["planarconfig"] = "separate"
    if layout == "transparency":
        options["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(tmp_path / "in.tif", array, byteorder=">", metadata=None, **options)
    source, path = read_image(tmp_path / "in.tif"), tmp_path / f"out{SUFFIXES[kind]}"
    try:
        check_output(path, source)
    except FileError as error:
        named = str(error).rpartition("write ")[2].replace(" or ", ", ").split(", ")
        assert named
        for suffix in named:
            np.testing.assert_array_equal(as_last(write(path.with_suffix(suffix), source)), as_last(source))
        return
    after = write(path, source)
    if kind in LOSSY:
        assert np.abs(as_last(after).astype(float) - as_last(source)).mean() < 3
    else:
        np.testing.assert_array_equal(as_last(after), as_last(source))
    assert as_last(after).dtype.newbyteorder("=") == as_last(source).dtype.newbyteorder("=")
    assert after.alpha == source.alpha or kind == "NPY"


def described():
    """A PNG that says much of itself, and is displayed turned."""
    exif = Image.Exif()
    exif[274], exif[270] = 6, "a dune"
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "me")
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, "PNG", exif=exif, icc_profile=b"profile" * 30, dpi=(300, 300), pnginfo=info)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", sorted(SUFFIXES.keys() - {"PNG"}))
def test_what_is_said_is_kept_or_named(tmp_path, kind):
    (tmp_path / "in.png").write_bytes(described())
    source, path = read_image(tmp_path / "in.png"), tmp_path / f"out{SUFFIXES[kind]}"
    notes, after = check_output(path, source), write(path, source)
    said = " ".join(notes)
    before, kept = source.metadata, after.metadata
    assert "tEXt Author" in said
    assert (kept.icc is None) == ("ICC" in said)
    assert (kept.xmp is None) == ("XMP" in said)
    assert (kept.exif is None) == ("Exif" in said)
    assert (kept.dpi is None) == ("resolution" in said)
    assert kept.icc in (None, before.icc)
    assert kept.xmp in (None, before.xmp)
    assert kept.dpi is None or kept.dpi == pytest.approx(before.dpi, rel=0.01)
    if "orientation" in said:
        assert after.orientation == 1
    else:
        shown = [display(np.moveaxis(each.pixels, -1, 0), each.orientation) for each in (source, after)]
        assert np.abs(shown[0].astype(int) - shown[1]).mean() < 3


def test_what_tiffs_say_of_values_is_named(tmp_path):
    tag = (42113, 2, 0, "7", True)
    tifffile.imwrite(tmp_path / "in.tif", picture(1), extratags=[tag], description="a plate", metadata=None)
    (said,) = check_output(tmp_path / "out.png", read_image(tmp_path / "in.tif"))
    assert said.endswith("not kept: ImageDescription, that 7 stands for no value")


def test_inks_stay_inks(tmp_path):
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / "in.jpg")
    source = read_image(tmp_path / "in.jpg")
    with pytest.raises(FileError, match=r"PNG does not hold 4 channels: write \.tif or \.npy"):
        check_output(tmp_path / "out.png", source)
    write(tmp_path / "out.tif", source)
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert tiff.pages[0].photometric == tifffile.PHOTOMETRIC.SEPARATED


@pytest.mark.parametrize(("source", "target"), [("in.zarr", "out.tif"), ("a.png", "out.zarr")])
def test_zarr_is_not_converted(tmp_path, photo, store, source, target, capsys):
    Image.fromarray(photo).save(tmp_path / "a.png")
    before = sorted(tmp_path.iterdir())
    assert main([str(tmp_path / source), "-o", str(tmp_path / target), *BOX]) == 1
    assert "convert it afterwards" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", [".tif", ".jxl", ".npy"])
def test_the_command_writes_what_the_output_is_called(tmp_path, photo, suffix, capsys):
    Image.fromarray(photo).save(tmp_path / "in.jpg", quality=95)
    assert main([str(tmp_path / "in.jpg"), "-o", str(tmp_path / f"out{suffix}"), "--record", *BOX]) == 0
    check(read_image(tmp_path / "in.jpg").pixels, read_image(tmp_path / f"out{suffix}").pixels)
    assert "loses a little" not in capsys.readouterr().err
    if suffix == ".tif":
        with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
            assert 65260 in tiff.pages[0].tags
    assert main([str(tmp_path / "in.jpg"), "-o", str(tmp_path / "again.jpg"), *BOX]) == 0
    assert "loses a little" in capsys.readouterr().err


def test_outputs_that_are_much_larger_are_named(tmp_path, photo, capsys):
    Image.fromarray(photo).save(tmp_path / "in.jpg", quality=50)
    assert main([str(tmp_path / "in.jpg"), "-o", str(tmp_path / "out.bmp"), *BOX]) == 0
    assert "times as many bytes as" in capsys.readouterr().err


def test_white_that_is_zero_stays_white(tmp_path):
    grey = picture(3)[..., 0]
    for name, pixels in (("grey", grey), ("bits", grey > 128)):
        stored = ~pixels
        tifffile.imwrite(tmp_path / f"{name}.tif", stored, photometric="miniswhite", metadata=None)
        np.testing.assert_array_equal(
            write(tmp_path / f"{name}.png", read_image(tmp_path / f"{name}.tif")).pixels, pixels
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [({"photometric": "cielab"}, "are L*a*b*"), ({"photometric": "ycbcr"}, "are YCbCr"),
     ({"photometric": "rgb", "extrasamples": ["assocalpha"]}, "are colours that are multiplied")],
)  # fmt: skip
def test_numbers_that_are_no_plain_colours_are_not_taken_for_such(tmp_path, options, said):
    channels = 4 if "extrasamples" in options else 3
    tifffile.imwrite(tmp_path / "in.tif", picture(channels), metadata=None, **options)
    source = read_image(tmp_path / "in.tif")
    with pytest.raises(FileError) as error:
        check_output(tmp_path / "out.png", source)
    assert said in str(error.value)
    assert "write .tif" in str(error.value)
    np.testing.assert_array_equal(write(tmp_path / "out.tif", source).pixels, source.pixels)


def test_other_images_and_texts_of_a_file_are_named_when_they_are_lost(tmp_path, capsys):
    with tifffile.TiffWriter(tmp_path / "in.tif") as tiff:
        tiff.write(picture(3), description="a text", photometric="rgb")
        tiff.write(picture(3)[:90, :90, 0])
    words = [str(tmp_path / "in.tif"), "--detail", "smooth", *BOX]
    for more in ([], ["--series", "0"]):
        assert main([*words, "-o", str(tmp_path / f"out{len(more)}.png"), *more]) == 0
        said = capsys.readouterr().err
        assert "the other images of the file" in said
        assert "ImageDescription" in said
        assert "stay as they are" not in said
