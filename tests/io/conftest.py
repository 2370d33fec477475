import numpy as np
import pytest
import zarr


@pytest.fixture
def store(tmp_path, photo):
    """A zarr array of three planes."""
    path = tmp_path / "in.zarr"
    array = zarr.create_array(str(path), shape=(3, 512, 640), chunks=(1, 128, 128), dtype="uint16")
    array[:] = np.moveaxis(photo, -1, 0).astype(np.uint16) * 200
    array.attrs["kept"] = "yes"
    return path
