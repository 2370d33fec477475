"""Pictures to encode, and what tests do with files of them."""

import numpy as np

from napari_inpaint.io.images import encode_image, read_image

HOLE = np.s_[5:15, 8:20]


def picture(channels=3, dtype=np.uint8, height=48, width=60):
    """A picture with slopes and edges, (H, W) or (H, W, C)."""
    rows, columns = np.mgrid[:height, :width]
    full = np.iinfo(dtype).max
    planes = [rows / height, columns / width, (rows + columns) % 17 / 17, np.where(rows > columns, 1, 0.3)]
    image = (np.stack(planes[:channels], -1) * full).astype(dtype)
    return image[..., 0] if channels == 1 else image


def refill(path):
    """Invert the hole of a file, write it, and read it again; return what was read before and after."""
    before = read_image(path)
    pixels = np.array(before.pixels)
    hole = ~is_known(before)
    pixels[hole] = ~pixels[hole] if pixels.dtype.kind in "bu" else 1 - pixels[hole]
    output = path.with_name("out" + path.suffix)
    output.write_bytes(encode_image(output, before, pixels))
    return before, read_image(output)


def check(path):
    """Refill a file: its hole changes and nothing else does; return what was read before and after."""
    before, after = refill(path)
    assert (before.pixels.dtype, before.pixels.shape) == (after.pixels.dtype, after.pixels.shape)
    known = is_known(before)
    np.testing.assert_array_equal(after.pixels[known], before.pixels[known])
    assert (after.pixels != before.pixels)[~known].any()
    assert (after.orientation, after.alpha, after.metadata) == (before.orientation, before.alpha, before.metadata)
    return before, after


def is_known(source):
    """Return where a file's pixels are outside of the hole."""
    known = np.ones(source.pixels.shape, bool)
    known[(..., *HOLE, *(() if source.channel_axis is None else (slice(None),)))] = False
    return known
