import json

import numpy as np
import pytest

from inpaint_training.data.dataset import INDEX, PhotoDataset
from inpaint_training.data.pack import PackSettings, pack


def test_photos_are_mapped_scaled_and_read_only(tmp_path, photos, photo):
    pack([photos / "b.jpg"], tmp_path / "data", PackSettings(short_side=400))
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


def test_the_first_schema_is_read(tmp_path, dataset):
    """It had photos of three channels of 8 bits alone, and said no more than where they lie."""
    index = json.loads((dataset / INDEX).read_text(encoding="utf-8"))
    keys = ("name", "shard", "offset", "height", "width")
    photos = [{key: entry[key] for key in keys} for entry in index["photos"]]
    (tmp_path / INDEX).write_text(json.dumps({"schema": 1, "photos": photos, "left_out": {}}))
    (tmp_path / "photos-000.bin").write_bytes((dataset / "photos-000.bin").read_bytes())
    new, old = PhotoDataset(dataset), PhotoDataset(tmp_path)
    assert len(new) == len(old)
    for number in range(len(new)):
        np.testing.assert_array_equal(new.photo(number), old.photo(number))
    (tmp_path / INDEX).write_text(json.dumps(index | {"schema": 3}))
    with pytest.raises(ValueError, match="schema 3, this version reads 1 and 2"):
        PhotoDataset(tmp_path)


def test_images_of_all_kinds_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    masked = np.ma.masked_less(rng.random((97, 101)).astype(np.float32), 0.3)
    images = [rng.integers(0, 255, (97, 101), np.uint8), rng.integers(0, 9999, (97, 101, 3), np.uint16), masked]
    pack(images, tmp_path / "data")
    packed = PhotoDataset(tmp_path / "data")
    for number, image in enumerate(images):
        stored, valid = packed.photo(number), packed.valid(number)
        assert stored.dtype == image.dtype
        if number == 2:
            np.testing.assert_array_equal(valid == 0, np.ma.getmaskarray(masked))
            np.testing.assert_array_equal(stored[..., 0][valid == 1], masked.compressed())
        else:
            assert valid is None
            np.testing.assert_array_equal(stored.squeeze(), image)
    assert not packed.linear


def test_an_offset_that_a_dtype_does_not_allow_is_refused(tmp_path):
    pack([np.random.default_rng(0).random((97, 101))], tmp_path / "data")
    index = json.loads((tmp_path / "data" / INDEX).read_text(encoding="utf-8"))
    index["photos"][0] |= {"offset": 2, "height": 90}
    (tmp_path / "data" / INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match="an offset that its dtype does not allow"):
        PhotoDataset(tmp_path / "data")
