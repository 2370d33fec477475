import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.pack import pack


def test_a_tar_gives_the_same_photos_as_its_folder(tmp_path, dataset, tar):
    pack([tar], tmp_path / "data")
    a, b = PhotoDataset(dataset), PhotoDataset(tmp_path / "data")
    assert len(a) == len(b)
    sizes = sorted(a.photo(i).sum() for i in range(len(a)))
    assert sizes == sorted(b.photo(i).sum() for i in range(len(b)))


def test_16_bit_photos_are_left_out_not_turned_white(tmp_path, photos, photo):
    buffer = io.BytesIO()
    Image.fromarray(photo[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")
    (tmp_path / "deep.png").write_bytes(buffer.getvalue())
    left_out = pack([tmp_path / "deep.png", photos / "a.jpg"], tmp_path / "data")
    assert "not 8 bits" in left_out[(tmp_path / "deep.png").as_posix()]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_tar_that_is_cut_off_is_refused(tmp_path, photos, suffix, part):
    whole = tmp_path / f"whole.{suffix}"
    with tarfile.open(whole, f"w:{'gz' if suffix.endswith('gz') else ''}") as archive:
        archive.add(photos)
    cut = tmp_path / "in" / f"cut.{suffix}"
    cut.parent.mkdir()
    cut.write_bytes(whole.read_bytes()[: round(part * whole.stat().st_size)])
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="copy it again"):
        pack([cut], tmp_path / "out" / "data")
    assert list((tmp_path / "out").iterdir()) == []
