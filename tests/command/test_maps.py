"""Files that say where pixels came from are what the record says, however they are written."""

import json

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_inpaint import INVENTED, read_offsets
from napari_inpaint.command.cli import build_parser, main
from napari_inpaint.command.maps import TILE, encode_offsets
from napari_inpaint.io.images import read_record
from tests.inference.copying.by_hand import made_by_hand

HOLES = ["--box", "50", "60", "90", "120", "--box", "100", "20", "104", "80"]


@pytest.fixture
def folder(tmp_path, photo):
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 9, photo.shape), 0, 255).astype(np.uint8)
    Image.fromarray(noisy[:150, :170]).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", noisy[:300, :170, 1].reshape(2, 150, 170), photometric="minisblack")
    return tmp_path


def fill(folder, name="a.png", *words):
    path = folder / name
    return main([str(path), "-o", str(folder / f"filled-{name}"), "--record", *map(str, words)])


def read_map(path):
    return np.load(path) if path.suffix == ".npy" else np.load(path)["offsets"] if path.suffix == ".npz" else (
        tifffile.imread(path))  # fmt: skip


@pytest.mark.parametrize("suffix", [".tif", ".TIFF", ".npy", ".npz"])
@pytest.mark.parametrize("name", ["a.png", "b.tif"])
def test_a_map_is_what_the_record_says_and_a_replay_writes_the_same(folder, name, suffix):
    written, again = folder / f"map{suffix}", folder / f"again{suffix}"
    assert fill(folder, name, *HOLES, "--offsets", written) == 0
    record = folder / f"filled-{name}.json"
    planes = (150, 170) if name == "a.png" else (2, 150, 170)
    offsets, shares = read_offsets(read_record(record), planes)
    found = read_map(written)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, offsets)
    assert (offsets[..., 50:90, 60:120, 1:] != 0).any(-1).all()
    if suffix == ".npz":
        np.testing.assert_array_equal(np.load(written)["shares"], shares)
    words = ["-o", folder / f"again-{name}", "--replay", record, "--offsets", again]
    assert main([str(folder / name), *map(str, words)]) == 0
    assert again.read_bytes() == written.read_bytes()


@pytest.mark.parametrize("detail", ["network", "smooth"])
def test_without_copies_all_of_a_hole_is_invented(folder, detail):
    assert fill(folder, "a.png", *HOLES[:5], "--detail", detail, "--offsets", folder / "map.npz") == 0
    found = np.load(folder / "map.npz")
    expected, shares = np.zeros((150, 170, 3), np.int32), np.full((150, 170), 255, np.uint8)
    expected[50:90, 60:120], shares[50:90, 60:120] = INVENTED, 0
    np.testing.assert_array_equal(found["offsets"], expected)
    np.testing.assert_array_equal(found["shares"], shares)


def test_a_tiff_says_what_its_numbers_are_and_is_drawn_tile_by_tile(tmp_path):
    mask = np.random.default_rng(0).random((3, 2 * TILE + 9, TILE + 1)) < 0.001
    mask[1] = False
    mask[2, 100:400, 50:250] = True
    record, expected = made_by_hand(mask, steps=True)
    (tmp_path / "map.tif").write_bytes(encode_offsets(tmp_path / "map.tif", record, mask.shape))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "map.tif"), expected)
    with tifffile.TiffFile(tmp_path / "map.tif") as tiff:
        page = tiff.pages[0]
        assert (page.dtype, page.samplesperpixel, page.compression.name) == (np.int32, 3, "ADOBE_DEFLATE")
        said = json.loads(page.description)
    assert said["channels"] == ["plane", "down", "right"]
    assert said["invented"] == INVENTED
    assert str(INVENTED) in build_parser().format_help()


def test_folders_have_maps_named_like_their_images(folder):
    (folder / "in" / "sub").mkdir(parents=True)
    for name, target in (("a.png", "in/a.png"), ("b.tif", "in/sub/b.tif")):
        (folder / name).rename(folder / target)
    words = [str(folder / "in"), "-o", str(folder / "out"), *HOLES, "--record"]
    maps = ["--offsets", str(folder / "in" / "maps")]  # which are no images of the next run
    for _ in range(2):
        assert main([*words, *maps]) == 0
    assert sorted(path.relative_to(folder / "in/maps").as_posix() for path in (folder / "in/maps").rglob("*.*")) == [
        "a.tif", "sub/b.tif"]  # fmt: skip
    record = read_record(folder / "out/sub/b.tif.json")
    expected, _ = read_offsets(record, (2, 150, 170))
    np.testing.assert_array_equal(tifffile.imread(folder / "in/maps/sub/b.tif"), expected)


def test_a_store_has_one_too(folder, photo):
    store = zarr.create_array(str(folder / "c.zarr"), shape=(2, 150, 170), chunks=(1, 50, 50), dtype="u1")
    store[:] = photo[:300, :170, 0].reshape(2, 150, 170)
    assert fill(folder, "c.zarr", *HOLES, "--offsets", folder / "map.tif") == 0
    expected, _ = read_offsets(read_record(folder / "filled-c.zarr.json"), (2, 150, 170))
    np.testing.assert_array_equal(tifffile.imread(folder / "map.tif"), expected)


def test_what_is_there_is_kept_unless_it_may_be_replaced(folder, capsys):
    (folder / "map.tif").write_text("mine")
    words = [*HOLES, "--detail", "smooth", "--offsets", folder / "map.tif"]
    assert fill(folder, "a.png", *words) == 1
    assert (
        capsys.readouterr().err == f"inpaint-fill: {folder / 'map.tif'} exists: name another file, or add --overwrite\n"
    )
    assert (folder / "map.tif").read_text(encoding="utf-8") == "mine"
    assert not (folder / "filled-a.png").exists()
    assert fill(folder, "a.png", *words, "--overwrite") == 0
    assert tifffile.imread(folder / "map.tif").shape == (150, 170, 3)


def test_a_map_in_a_folder_is_kept_too(folder, capsys):
    (folder / "maps").mkdir()
    (folder / "maps" / "a.tif").write_text("mine")
    words = [str(folder / "a.png"), str(folder / "b.tif"), "-o", str(folder / "out"), *HOLES, "--detail", "smooth"]
    (folder / "out").mkdir()
    assert main([*words, "--offsets", str(folder / "maps")]) == 1
    assert "a.tif exists" in capsys.readouterr().err
    assert (folder / "maps" / "a.tif").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in (folder / "out").iterdir()] == ["b.tif"]
    assert tifffile.imread(folder / "maps" / "b.tif").shape == (2, 150, 170, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.png", "-o", "out.png", "--offsets", "map.png"], "map.png must end in .tif, .npy or .npz"),
        (["a.png", "-o", "out.png", "--offsets", "map"], "map must end in .tif, .npy or .npz"),
        (["a.png", "b.tif", "-o", "out", "--offsets", "map.tif"], "map.tif must be a folder"),
        (["b.tif", "-o", "out.tif", "--offsets", "b.tif", "--overwrite"], "b.tif is an input too"),
        (["b.tif", "-o", "out.tif", "--offsets", "out.tif"], "would both be written to out.tif"),
        (["a.png", "-o", "out.png", "--mask", "b.tif", "--offsets", "b.tif", "--overwrite"], "b.tif is an input too"),
        (["a.png", "-o", "out.png", "--offsets", "nowhere/map.tif"], "nowhere is no folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence(folder, capsys, monkeypatch, words, message):
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main([*words, *HOLES, "--detail", "smooth"]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") <= 2
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("look", ["--plan", "--self-check"])
def test_who_only_looks_writes_no_map(folder, capsys, look):
    with pytest.raises(SystemExit) as stop:
        main([str(folder / "a.png"), *HOLES, look, "--offsets", str(folder / "map.tif")])
    assert stop.value.code == 2
    assert "leave out --output, --record, --synthetic-mask and --offsets" in capsys.readouterr().err


def test_an_image_without_planes_has_no_map(folder, capsys):
    np.save(folder / "none.npy", np.zeros((0, 150, 170), np.uint8))
    assert fill(folder, "none.npy", *HOLES, "--offsets", folder / "map.tif") == 1
    assert "has no map" in capsys.readouterr().err
    assert not (folder / "filled-none.npy").exists()
