import struct

import imagecodecs
import numpy as np
import pytest

from napari_inpaint.io.codecs.boxes import Box
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import read_image
from tests.io.codecs.files import check, picture
from tests.io.codecs.structure import boxes, missing

EXIF = b"JpgTiffExif->JP2"
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def encode(image, kind="jp2", bits=None, **options):
    given = {"level": 0, "reversible": True} | options
    return imagecodecs.jpeg2k_encode(image, codecformat=kind, bitspersample=bits, **given)


@pytest.mark.parametrize("kind", ["jp2", "j2k"])
@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_known_pixels_are_exact(tmp_path, kind, dtype, bits, channels):
    image = picture(channels, dtype) >> (8 * np.dtype(dtype).itemsize - bits)
    (tmp_path / f"in.{kind}").write_bytes(encode(image, kind, bits))
    before, after = check(tmp_path / f"in.{kind}")
    np.testing.assert_array_equal(before.pixels, image)
    assert before.options["bits"] == after.options["bits"] == bits
    assert before.notes == before.rewriting == ()


def test_every_box_and_comment_stays(tmp_path, exif_with_thumbnail):
    exif, thumbnail = exif_with_thumbnail
    data = encode(picture(4, np.uint16))
    place = data.index(b"jp2c") - 4
    header = data.index(b"jp2h") - 4
    length = int.from_bytes(data[header : header + 4], "big")
    channels = b"".join(struct.pack(">HHH", *each) for each in ((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0)))
    more = Box(b"res ", Box(b"resc", struct.pack(">HHHHbb", 11811, 1, 11811, 1, 0, 0)).encode()).encode()
    more += Box(b"cdef", b"\0\4" + channels).encode()
    changed = (length + len(more)).to_bytes(4, "big") + data[header + 4 : header + length] + more
    comment = b"\xff\x64\0\x0a\0\1a dune"
    stream = data[place + 8 :]
    tile = stream.index(b"\xff\x90")
    stream = stream[:tile] + comment + stream[tile:]
    others = [Box(b"uuid", XMP + b"<x:xmpmeta/>"), Box(b"uuid", bytes(16) + b"geo"), Box(b"xml ", b"<gml/>")]
    behind = [Box(b"uuid", EXIF + exif[:26]), Box(b"prVt", b"private")]
    start = data[:header] + changed + b"".join(box.encode() for box in others) + Box(b"jp2c", stream).encode()
    data = start + b"".join(box.encode() for box in behind)
    (tmp_path / "in.jp2").write_bytes(data)
    before, after = check(tmp_path / "in.jp2")
    written = (tmp_path / "out.jp2").read_bytes()
    assert missing(boxes, data, written, {b"jp2c"}) == []
    assert comment in written
    assert before.alpha
    assert before.metadata.xmp == b"<x:xmpmeta/>"
    assert round(after.metadata.dpi[0]) == 300
    (tmp_path / "in.jp2").write_bytes(start + Box(b"uuid", EXIF + exif).encode())
    before, _ = check(tmp_path / "in.jp2")
    assert "thumbnail" in before.notes[0]
    assert thumbnail not in (tmp_path / "out.jp2").read_bytes()


def test_what_was_lossy_is_written_without_loss(tmp_path):
    (tmp_path / "in.jp2").write_bytes(encode(picture(), level=35, reversible=False))
    before, after = check(tmp_path / "in.jp2")
    assert "written without loss" in before.rewriting[0]
    assert before.lossy
    assert not after.lossy


def test_colours_that_decoding_changes_are_refused(tmp_path):
    data = encode(picture())
    place = data.index(b"colr")
    (tmp_path / "in.jp2").write_bytes(data[: place + 10] + b"\x12" + data[place + 11 :])  # sYCC
    with pytest.raises(FileError, match="colours other than RGB and grey: convert it"):
        read_image(tmp_path / "in.jp2")
    (tmp_path / "in.jp2").write_bytes(encode(picture().astype(np.int16), bits=9))
    with pytest.raises(FileError, match=r"signed numbers.*convert it to TIFF"):
        read_image(tmp_path / "in.jp2")
