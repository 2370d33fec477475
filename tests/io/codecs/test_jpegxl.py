import imagecodecs
import numpy as np
import pytest

from napari_inpaint.io.codecs.boxes import Box
from napari_inpaint.io.codecs.jxlheader import Header, read_header, with_colours
from napari_inpaint.io.images import read_image
from tests.io.codecs.files import check, picture
from tests.io.codecs.structure import boxes, missing

DISPLAY_P3 = "00" + "00" + "10" + "011001" + "0" + "011101" + "00"
"""Bits: RGB, the white point D65, P3's primaries, sRGB's tones, and the first rendering intent."""


def encode(image, bits=None, **options):
    return imagecodecs.jpegxl_encode(image, bitspersample=bits, **({"lossless": True} | options))


def contain(codestream, *others):
    head = [Box(b"JXL ", b"\r\n\x87\n"), Box(b"ftyp", b"jxl \0\0\0\0jxl "), Box(b"jxlc", codestream)]
    return b"".join(box.encode() for box in (*head, *others))


@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("u2", 10), ("u2", 16), ("f4", None)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_known_pixels_are_exact(tmp_path, dtype, bits, channels):
    """And what the file says of its colours stays."""
    if bits is None:
        image = picture(channels).astype(dtype) / 255
    else:
        image = picture(channels, np.dtype(dtype)) >> (8 * np.dtype(dtype).itemsize - bits)
    (tmp_path / "in.jxl").write_bytes(encode(image, bits))
    before, after = check(tmp_path / "in.jxl")
    np.testing.assert_array_equal(before.pixels, image)
    said, kept = before.options["header"], after.options["header"]
    assert (said.bits, said.colours, said.tones, said.extra) == (kept.bits, kept.colours, kept.tones, kept.extra)
    assert before.notes == before.rewriting == ()


@pytest.mark.parametrize("colours", [DISPLAY_P3, "1"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_other_colours_stay(tmp_path, colours, dtype):
    """An encoder that says sRGB, or linear tones, would change how the picture looks."""
    codestream = encode(picture(3, dtype))
    if not codestream.startswith(b"\xff\x0a"):
        codestream = dict(boxes(codestream))[b"jxlc"]
    (tmp_path / "in.jxl").write_bytes(with_colours(codestream, Header(48, 60, colours=colours)))
    before, after = check(tmp_path / "in.jxl")
    assert before.options["header"].colours == after.options["header"].colours == colours


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_read_as_it_is_displayed(tmp_path, orientation):
    codestream = with_colours(encode(picture()), Header(48, 60), orientation)
    (tmp_path / "in.jxl").write_bytes(codestream)
    before = read_image(tmp_path / "in.jxl")
    assert before.pixels.shape == ((60, 48, 3) if orientation > 4 else (48, 60, 3))
    check(tmp_path / "in.jxl")


def test_every_box_stays(tmp_path, exif_with_thumbnail):
    exif, thumbnail = exif_with_thumbnail
    packed = b"xml " + imagecodecs.brotli_encode(b"<x:xmpmeta/>")
    others = [Box(b"Exif", bytes(4) + exif[:26]), Box(b"brob", packed), Box(b"jumb", b"claims"), Box(b"prVt", b"x")]
    data = contain(encode(picture()), *others)
    (tmp_path / "in.jxl").write_bytes(data)
    before, _ = check(tmp_path / "in.jxl")
    assert missing(boxes, data, (tmp_path / "out.jxl").read_bytes(), {b"jxlc"}) == []
    assert before.metadata.xmp == b"<x:xmpmeta/>"
    data = contain(encode(picture()), Box(b"jbrd", b"x"), Box(b"jhgm", b"y"), Box(b"Exif", bytes(4) + exif))
    (tmp_path / "in.jxl").write_bytes(data)
    before, _ = check(tmp_path / "in.jxl")
    written = (tmp_path / "out.jxl").read_bytes()
    assert missing(boxes, data, written, {b"jxlc", b"Exif"}) == [b"jbrd", b"jhgm"]
    assert before.notes[0].endswith("its thumbnail shows what was there, and is left out")
    assert before.notes[1].endswith("not kept: the JPEG file that it was made of, its gain map")
    assert thumbnail not in written


def test_a_codestream_in_parts(tmp_path):
    whole = encode(picture())
    parts = [Box(b"jxlp", b"\0\0\0\0" + whole[:300]), Box(b"jxlp", b"\x80\0\0\1" + whole[300:])]
    head = contain(whole)
    data = head[: head.index(b"jxlc") - 4] + b"".join(box.encode() for box in parts)
    (tmp_path / "in.jxl").write_bytes(data)
    check(tmp_path / "in.jxl")


def test_what_was_lossy_is_written_without_loss(tmp_path):
    (tmp_path / "in.jxl").write_bytes(encode(picture(), lossless=False, distance=2.0))
    before, after = check(tmp_path / "in.jxl")
    assert "written without loss" in before.rewriting[0]
    assert (before.lossy, after.lossy) == (True, False)
    assert read_header((tmp_path / "in.jxl").read_bytes())[:2] == (48, 60)
