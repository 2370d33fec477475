import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaint_training.config import DataConfig
from inpaint_training.dataset import INDEX, PhotoDataset, pack, random_crop


def test_pack_says_what_it_left_out_and_why(tmp_path, photos):
    left_out = pack([photos], tmp_path / "data")
    left_out = {Path(name).relative_to(photos).as_posix(): reason for name, reason in left_out.items()}
    assert left_out.keys() - {"a.jpg", "again.jpg"} == {"sub/small.jpg", "sub/broken.jpg"}
    assert len(left_out) == 3
    assert "640 x 340" in left_out["sub/small.jpg"]
    assert "not readable" in left_out["sub/broken.jpg"]
    assert any(reason.startswith("repeats") for reason in left_out.values())
    assert len(PhotoDataset(tmp_path / "data")) == 3
    assert len(pack([photos], tmp_path / "all", keep_duplicates=True)) == 2


def test_a_tar_gives_the_same_photos_as_its_folder(tmp_path, dataset, tar):
    pack([tar], tmp_path / "data")
    a, b = PhotoDataset(dataset), PhotoDataset(tmp_path / "data")
    assert len(a) == len(b)
    sizes = sorted(a.photo(i).sum() for i in range(len(a)))
    assert sizes == sorted(b.photo(i).sum() for i in range(len(b)))


def test_photos_are_mapped_scaled_and_read_only(tmp_path, photos, photo):
    pack([photos / "b.jpg"], tmp_path / "data", short_side=400)
    packed = PhotoDataset(tmp_path / "data").photo(0)
    assert packed.shape == (400, 500, 3)
    assert isinstance(packed.base.base if packed.base is not None else packed, np.memmap) or not packed.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        packed[0] = 0
    assert abs(packed.mean() - photo.mean()) < 2


def test_a_full_folder_is_not_touched(tmp_path, photos):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ValueError, match="not empty"):
        pack([photos], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_usable_leaves_nothing_behind(tmp_path, photos):
    with pytest.raises(ValueError, match="no usable photo"):
        pack([photos / "sub"], tmp_path / "data")
    with pytest.raises(ValueError, match="no such file"):
        pack([photos / "nonsense"], tmp_path / "data")
    with pytest.raises(ValueError, match="neither a folder"):
        pack([photos / "notes.txt"], tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_broken_data_sets_are_refused(tmp_path, dataset):
    with pytest.raises(ValueError, match="is no data set"):
        PhotoDataset(tmp_path)
    index = json.loads((dataset / INDEX).read_text())
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match="is missing"):
        PhotoDataset(tmp_path)
    (tmp_path / "photos-000.bin").write_bytes(b"short")
    with pytest.raises(ValueError, match="too short"):
        PhotoDataset(tmp_path)
    with pytest.raises(ValueError, match="no photo of at least 5000"):
        PhotoDataset(dataset, min_side=5000)


@pytest.mark.parametrize("crop", [64, 256, 400])
def test_crops_come_from_the_photo_and_repeat_with_their_seed(photo, crop):
    config = DataConfig(jitter=0.1)
    a, b = (random_crop(photo, crop, config, np.random.default_rng(3)) for _ in range(2))
    assert a.shape == (crop, crop, 3)
    assert a.dtype == np.uint8
    np.testing.assert_array_equal(a, b)


def test_an_unscaled_crop_is_a_piece_of_the_photo(photo):
    small = photo[:100, :100]
    crop = random_crop(small, 100, DataConfig(flip=1, jitter=0), np.random.default_rng(0))
    np.testing.assert_array_equal(crop, small[:, ::-1])


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_tar_that_is_cut_off_is_refused(tmp_path, photos, suffix, part):
    with tarfile.open(tmp_path / f"whole.{suffix}", f"w:{'gz' if suffix.endswith('gz') else ''}") as archive:
        archive.add(photos)
    data = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(data[: round(part * len(data))])
    with pytest.raises(ValueError, match="copy it again"):
        pack([tmp_path / f"cut.{suffix}"], tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_16_bit_photos_are_left_out_not_turned_white(tmp_path, photos, photo):
    buffer = io.BytesIO()
    Image.fromarray(photo[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")
    (tmp_path / "deep.png").write_bytes(buffer.getvalue())
    left_out = pack([tmp_path / "deep.png", photos / "a.jpg"], tmp_path / "data")
    assert "not 8 bits" in left_out[(tmp_path / "deep.png").as_posix()]
