import io
import struct

import numpy as np
import pytest
import zarr
from PIL import Image


@pytest.fixture
def store(tmp_path, photo):
    """A zarr array of three planes."""
    path = tmp_path / "in.zarr"
    array = zarr.create_array(str(path), shape=(3, 512, 640), chunks=(1, 128, 128), dtype="uint16")
    array[:] = np.moveaxis(photo, -1, 0).astype(np.uint16) * 200
    array.attrs["kept"] = "yes"
    return path


@pytest.fixture
def exif_with_thumbnail():
    """Exif data without a head, that turn the picture by 90 degrees; and the thumbnail in them."""
    buffer = io.BytesIO()
    Image.fromarray(np.arange(4800, dtype=np.uint16).astype(np.uint8).reshape(60, 80)).save(buffer, "JPEG")
    thumbnail = buffer.getvalue()
    second = 8 + 2 + 12 + 4
    start = second + 2 + 3 * 12 + 4
    data = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, second)
    data += struct.pack("<HHHIHHHHIIHHIII", 3, 259, 3, 1, 6, 0, 513, 4, 1, start, 514, 4, 1, len(thumbnail), 0)
    return data + thumbnail, thumbnail
