import json

import numpy as np
import pytest

from inpaint_training.data.dataset import INDEX, PhotoDataset
from inpaint_training.data.pack import pack


def test_photos_are_mapped_scaled_and_read_only(tmp_path, photos, photo):
    pack([photos / "b.jpg"], tmp_path / "data", short_side=400)
    packed = PhotoDataset(tmp_path / "data").photo(0)
    assert packed.shape == (400, 500, 3)
    assert isinstance(packed.base.base if packed.base is not None else packed, np.memmap) or not packed.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        packed[0] = 0
    assert abs(packed.mean() - photo.mean()) < 2


@pytest.mark.parametrize(
    ("key", "value"),
    [("offset", "x"), ("offset", -1), ("offset", 1.5), ("height", None), ("shard", 5), ("shard", "../x")],
)
def test_edited_data_sets_are_refused(tmp_path, dataset, key, value):
    index = json.loads((dataset / INDEX).read_text(encoding="utf-8"))
    index["photos"][0][key] = value
    (tmp_path / INDEX).write_text(json.dumps(index))
    (tmp_path / "photos-000.bin").write_bytes((dataset / "photos-000.bin").read_bytes())
    with pytest.raises(ValueError, match=r"is no data set|is missing"):
        PhotoDataset(tmp_path)


def test_broken_data_sets_are_refused(tmp_path, dataset):
    with pytest.raises(ValueError, match="is no data set"):
        PhotoDataset(tmp_path)
    index = json.loads((dataset / INDEX).read_text(encoding="utf-8"))
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match="is missing"):
        PhotoDataset(tmp_path)
    (tmp_path / "photos-000.bin").write_bytes(b"short")
    with pytest.raises(ValueError, match="too short"):
        PhotoDataset(tmp_path)
    with pytest.raises(ValueError, match="no photo of at least 5000"):
        PhotoDataset(dataset, min_side=5000)
