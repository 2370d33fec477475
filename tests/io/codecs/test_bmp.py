import io
import struct

import numpy as np
import pytest
from PIL import Image

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import read_image
from tests.io.codecs.files import check, picture, refill


def encode(image):
    buffer = io.BytesIO()
    image.save(buffer, "BMP", dpi=(300, 300))
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_only_pixels_of_the_hole_change(tmp_path, mode):
    """Byte by byte, whatever else is in the file."""
    data = encode(Image.fromarray(picture()[:, :59]).convert(mode)) + b"a colour profile"
    (tmp_path / "in.bmp").write_bytes(data)
    before, _ = refill(tmp_path / "in.bmp")
    with Image.open(tmp_path / "in.bmp") as image, Image.open(tmp_path / "out.bmp") as filled:
        assert image.mode == filled.mode
        old, new = (np.array(each.convert("RGB")) for each in (image, filled))
    np.testing.assert_array_equal(old, before.pixels if before.pixels.ndim == 3 else np.dstack([before.pixels] * 3))
    changed = (old != new).any(-1)
    assert changed[5:15, 8:20].any()
    changed[5:15, 8:20] = False
    assert not changed.any()
    written = (tmp_path / "out.bmp").read_bytes()
    differ = np.flatnonzero(np.frombuffer(data, np.uint8) != np.frombuffer(written, np.uint8))
    start = int.from_bytes(data[10:14], "little")
    assert differ.min() >= start
    assert differ.max() < len(data) - 16
    assert round(before.metadata.dpi[0]) == 300
    assert bool(before.rewriting) == (mode in "1P")


def test_rows_from_above_and_masks_of_colours(tmp_path):
    """Also the order of colours, with transparency."""
    image = picture(4)
    fields = struct.pack("<4I", 0xFF, 0xFF00, 0xFF0000, 0xFF000000) + b"BGRs" + bytes(48)
    head = struct.pack("<IiiHHIIiiII", 40 + len(fields), 60, -48, 1, 32, 3, image.nbytes, 0, 0, 0, 0) + fields
    data = struct.pack("<2sIII", b"BM", 14 + len(head) + image.nbytes, 0, 14 + len(head)) + head + image.tobytes()
    (tmp_path / "in.bmp").write_bytes(data)
    before, _ = check(tmp_path / "in.bmp")
    np.testing.assert_array_equal(before.pixels, image)
    assert before.alpha


def test_palettes_of_four_bits(tmp_path):
    numbers = picture(1)[:, :59] >> 4
    palette = np.random.default_rng(0).integers(0, 256, (16, 4), np.uint8)
    padded = np.pad(numbers, ((0, 0), (0, 5)))
    rows = padded[::-1, ::2] << 4 | padded[::-1, 1::2]
    head = struct.pack("<IiiHHIIiiII", 40, 59, 48, 1, 4, 0, 0, 0, 0, 0, 0)
    data = struct.pack("<2sIII", b"BM", 0, 0, 54 + 64) + head + palette.tobytes() + rows.tobytes()
    (tmp_path / "in.bmp").write_bytes(data)
    before, after = refill(tmp_path / "in.bmp")
    np.testing.assert_array_equal(before.pixels, palette[numbers][..., 2::-1])
    np.testing.assert_array_equal(after.options["indices"][20:], numbers[20:])
    assert "16 colours" in before.rewriting[0]


def test_compressed_ones_are_refused_with_the_way_out(tmp_path):
    data = bytearray(encode(Image.fromarray(picture()).convert("P")))
    data[30] = 1
    (tmp_path / "in.bmp").write_bytes(data)
    with pytest.raises(FileError, match=r"compression 1.*convert it to PNG"):
        read_image(tmp_path / "in.bmp")


def test_short_headers_are_refused_by_their_length(tmp_path):
    """Their fields lie elsewhere; those of OS/2 have 12 bytes."""
    head = struct.pack("<IHHHH", 12, 60, 48, 1, 24)
    data = struct.pack("<2sIII", b"BM", 0, 0, 26) + head + picture().tobytes()
    (tmp_path / "in.bmp").write_bytes(data)
    with pytest.raises(FileError, match=r"header of 12 bytes.*convert it to PNG"):
        read_image(tmp_path / "in.bmp")
    (tmp_path / "in.bmp").write_bytes(data[:30])
    with pytest.raises(FileError, match="header of 12 bytes"):
        read_image(tmp_path / "in.bmp")
