"""The pixels of a PNG come back as they were, in few bytes."""

import struct
import zlib
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_inpaint.io.codecs.deflating import compress


def to_png(pixels):
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, content in zip((b"IHDR", b"IDAT", b"IEND"), (*compress(pixels), b""), strict=True):
        parts.append(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))
    return b"".join(parts)


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (5, 1), (1, 6, 2), (4, 5, 3), (6, 3, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", bool])
def test_all_kinds_of_pixels_come_back(shape, dtype):
    values = np.random.default_rng(0).integers(0, 65536, shape)
    pixels = values > 30000 if dtype is bool else values.astype(dtype)
    if dtype is bool and len(shape) > 2:
        pixels = pixels[..., 0]
    for each in (pixels, pixels[::-1].swapaxes(0, 1), np.zeros_like(pixels)):  # in any order in memory
        data = to_png(each)
        np.testing.assert_array_equal(imagecodecs.png_decode(data).astype(each.dtype), each)
        if each.dtype.itemsize == 1:
            np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(data))), each)


def draw():
    picture = Image.new("RGB", (800, 600), "white")
    pen = ImageDraw.Draw(picture)
    for row in range(40):
        pen.text((10, 14 * row), f"line {row}: the quick brown fox jumps over the lazy dog " * 2, fill="black")
    pen.rectangle((500, 100, 700, 300), fill=(30, 90, 200), outline="red")
    return np.asarray(picture)


@pytest.mark.parametrize("kind", ["photo", "grain", "deep", "drawing"])
def test_it_is_as_small_as_what_pillow_writes(photo, kind):
    grain = np.random.default_rng(0).integers(-4, 5, photo.shape)
    pixels = {"photo": photo, "grain": np.clip(photo + grain, 0, 255).astype(np.uint8), "drawing": draw(),
              "deep": (photo[..., 0].astype(np.uint16) * 200 + grain[..., 0] + 4).astype(np.uint16)}[kind]  # fmt: skip
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    assert len(to_png(pixels)) < 1.1 * len(buffer.getvalue())
