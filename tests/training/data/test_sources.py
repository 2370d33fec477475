import tarfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.pack import pack
from inpaint_training.data.sources import iterate_sources


def names(*inputs, root, **options):
    return [Path(source.name).relative_to(root).as_posix() for source in iterate_sources(inputs, **options)]


def test_a_tar_gives_the_same_photos_as_its_folder(tmp_path, dataset, tar):
    pack([tar], tmp_path / "data")
    a, b = PhotoDataset(dataset), PhotoDataset(tmp_path / "data")
    assert len(a) == len(b)
    sizes = sorted(a.photo(i).sum() for i in range(len(a)))
    assert sizes == sorted(b.photo(i).sum() for i in range(len(b)))


def test_a_tar_of_images_that_only_files_can_be_read_from(tmp_path, micrograph):
    Image.fromarray(micrograph(0)).save(tmp_path / "deep.png")
    with tarfile.open(tmp_path / "deep.tar", "w") as archive:
        archive.add(tmp_path / "deep.png", "deep.png")
    pack([tmp_path / "deep.tar"], tmp_path / "data")
    np.testing.assert_array_equal(PhotoDataset(tmp_path / "data").photo(0)[..., 0], micrograph(0))


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


def test_folders_are_searched_in_the_order_of_names_and_a_store_is_one_image(tmp_path):
    for name in ("b.png", "a/z.tif", "a.jpg", "a/notes.txt", "c/d.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    store = zarr.open(str(tmp_path / "a" / "s.zarr"), mode="w", shape=(4, 4), chunks=(2, 2), dtype="u2")
    store[:] = 1
    (tmp_path / "a" / "s.zarr" / "thumbnail.png").touch()
    assert names(tmp_path, root=tmp_path) == ["a/s.zarr", "a/z.tif", "a.jpg", "b.png", "c/d.npy"]
    assert names(tmp_path / "a" / "s.zarr", root=tmp_path) == ["a/s.zarr"]


def test_masks_are_found_and_are_no_images(tmp_path):
    for name in ("a.png", "a_mask.png", "b.png", "sub/c.tif", "sub/c-mask.png", "b-mask.tif", "b_mask.png", "d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = {Path(source.name).name: source for source in iterate_sources([tmp_path], tmp_path)}
    assert set(found) == {"a.png", "b.png", "c.tif", "d.png"}
    assert found["a.png"].mask == tmp_path / "a_mask.png"
    assert found["c.tif"].mask == tmp_path / "sub" / "c-mask.png"
    assert found["b.png"].mask is None
    assert "has 2 masks" in found["b.png"].problem
    assert not found["d.png"].problem
    beside = {Path(source.name).name: source.mask for source in iterate_sources([tmp_path], pattern="{stem}_mask")}
    assert beside["b.png"] == tmp_path / "b_mask.png"


def test_one_mask_is_for_all(tmp_path):
    for name in ("a.png", "b.png", "mask.png"):
        (tmp_path / name).touch()
    found = list(iterate_sources([tmp_path], tmp_path / "mask.png"))
    assert [(Path(source.name).name, source.mask.name) for source in found] == [
        ("a.png", "mask.png"), ("b.png", "mask.png")]  # fmt: skip


def test_missing_masks_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"--masks .*no such file or folder"):
        list(iterate_sources([], tmp_path / "nowhere"))
    (tmp_path / "mask.png").touch()
    with pytest.raises(ValueError, match="--mask-pattern is for folders"):
        list(iterate_sources([], tmp_path / "mask.png", "{stem}_m"))
