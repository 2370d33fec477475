"""Zarr stores are filled in a copy, chunk by chunk."""

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_inpaint.command.cli import main
from tests.io.holes import BOX, HOLE, check


def test_a_zarr_array(store, tmp_path, windows):
    out = tmp_path / "out.zarr"
    assert main([str(store), "-o", str(out), "--record", *BOX]) == 0
    before, after = zarr.open(str(store)), zarr.open(str(out))
    check(before[:], after[:], (..., *HOLE))
    assert after.attrs["kept"] == "yes"
    record = json.loads((tmp_path / "out.zarr.json").read_text(encoding="utf-8"))
    assert after.attrs["napari_inpaint"] == record
    assert "napari_inpaint" not in before.attrs
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    untouched = [path for path in store.rglob("c/*/3/4") if path.is_file()]
    assert untouched
    for path in untouched:  # chunks without windows are the same files
        assert path.read_bytes() == (out / path.relative_to(store)).read_bytes()


def test_a_zarr_is_not_overwritten_unasked(store, tmp_path, capsys):
    out = tmp_path / "out.zarr"
    words = [str(store), "-o", str(out), *BOX]
    assert main(words) == 0
    first = zarr.open(str(out))[:]
    assert main(words) == 1
    assert "out.zarr exists" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    np.testing.assert_array_equal(zarr.open(str(out))[:], first)
    assert main([str(store), "-o", str(tmp_path / "out.tif"), *BOX]) == 1
    assert "must end in .zarr" in capsys.readouterr().err
    assert main([str(store), "--plan", *BOX]) == 0
    assert main([str(store), "--self-check", *BOX]) == 0


def ome(path, photo, version):
    plane = photo[:500, :, 1].astype(np.float32)  # 500: no multiple of 4
    planes = np.stack([plane, plane[::-1]])[:, None]
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    for level, step in enumerate((1, 2, 4)):
        height, width = (-(-side // step) for side in plane.shape)
        image = planes[..., ::step, ::step][..., :height, :width]
        array = group.create_array(f"s{level}", shape=image.shape, chunks=(1, 1, 100, 100), dtype=image.dtype)
        array[:] = image
    multiscales = [{
        "version": version, "axes": [{"name": name} for name in "tcyx"],
        "datasets": [{"path": f"s{level}"} for level in range(3)],
    }]  # fmt: skip
    group.attrs.update({"ome": {"version": version, "multiscales": multiscales}} if version == "0.5" else
                       {"multiscales": multiscales})  # fmt: skip
    return planes


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_all_levels_of_ome_zarr_show_the_fill(tmp_path, photo, version, windows):
    planes = ome(tmp_path / "in.zarr", photo, version)
    words = ["--box", "30", "41", "70", "91", "--box", "480", "600", "500", "640"]
    assert main([str(tmp_path / "in.zarr"), "-o", str(tmp_path / "out.zarr"), *words]) == 0
    out = zarr.open(str(tmp_path / "out.zarr"))
    assert out.attrs.asdict() == zarr.open(str(tmp_path / "in.zarr")).attrs.asdict()
    changed = out["s0"][:] != planes
    assert changed[..., 30:70, 41:91].any()
    assert changed[..., 480:, 600:].any()
    for level, step in ((1, 2), (2, 4)):
        before, after = planes[..., ::step, ::step], out[f"s{level}"][:]
        mean = out["s0"][..., 32:68, 44:88].reshape(2, 1, 36 // step, step, 44 // step, step).mean((3, 5))
        np.testing.assert_allclose(after[..., 32 // step : 68 // step, 44 // step : 88 // step], mean, rtol=1e-5)
        hole = np.zeros(before.shape, bool)
        hole[..., 30 // step : -(-70 // step), 41 // step : -(-91 // step)] = True
        hole[..., 480 // step :, 600 // step :] = True
        np.testing.assert_array_equal(after[~hole], before[~hole])
        assert (after[hole] != before[hole]).mean() > 0.9


@pytest.mark.posix("links need rights there")
@pytest.mark.parametrize("damage", ["levels outside", "no levels", "a link", "broken", "a level that is a group"])
def test_hostile_stores_are_refused(tmp_path, photo, capsys, damage):
    path, secret = tmp_path / "in.zarr", tmp_path / "secret.zarr"
    ome(path, photo, "0.5")
    zarr.create_array(str(secret), shape=(100, 100), dtype="uint8")[:] = 7
    before = {file: file.read_bytes() for file in secret.rglob("*") if file.is_file()}
    meta = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    datasets = meta["attributes"]["ome"]["multiscales"][0]["datasets"]
    if damage == "levels outside":
        datasets[0]["path"] = "../secret.zarr"
    elif damage == "no levels":
        datasets.clear()
    elif damage == "a link":
        chunk = next(file for file in path.rglob("*/c/**/*") if file.is_file())
        chunk.unlink()
        chunk.symlink_to(next(iter(before)))
    elif damage == "a level that is a group":
        datasets[0]["path"] = ""
    (path / "zarr.json").write_text("{" if damage == "broken" else json.dumps(meta))
    assert main([str(path), "-o", str(tmp_path / "out.zarr"), *BOX]) == 1
    assert "in.zarr" in capsys.readouterr().err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.zarr", "secret.zarr"]
    assert all(file.read_bytes() == data for file, data in before.items())


def test_the_fill_of_a_zarr_is_repeated(store, tmp_path, capsys):
    mask = zarr.create_array(str(tmp_path / "mask.zarr"), shape=(3, 512, 640), chunks=(1, 128, 128), dtype="bool")
    mask[1, 30:70, 40:90] = True
    out, again = tmp_path / "out.zarr", tmp_path / "again.zarr"
    assert main([str(store), "-o", str(out), "--mask", str(tmp_path / "mask.zarr"), "--record"]) == 0
    check(zarr.open(str(store))[:], zarr.open(str(out))[:], (1, *HOLE))
    assert main([str(store), "-o", str(again), "--replay", str(out)]) == 0
    assert "the same, bit for bit" in capsys.readouterr().err
    np.testing.assert_array_equal(zarr.open(str(again))[:], zarr.open(str(out))[:])


def test_neither_zarr_is_lost_when_the_last_step_is_interrupted(store, tmp_path, monkeypatch):
    before, rename = zarr.open(str(store))[:], Path.rename

    def interrupted(self, target):
        if self.name == f".{store.name}.partial":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    assert main([str(store), "-o", str(store), "--overwrite", *BOX]) == 1
    np.testing.assert_array_equal(zarr.open(str(store))[:], before)
    assert [path.name for path in tmp_path.iterdir()] == [store.name]
    monkeypatch.setattr(Path, "rename", rename)
    store.rename(tmp_path / f".{store.name}.replaced")  # killed between moving one away and the other in
    assert main([str(tmp_path / f".{store.name}.replaced"), "-o", str(store), *BOX]) == 1
    np.testing.assert_array_equal(zarr.open(str(store))[:], before)


def test_a_zarr_inside_another_one_is_refused(store, capsys):
    assert main([str(store), "-o", str(store / "out.zarr"), *BOX]) == 1
    assert "inside another zarr" in capsys.readouterr().err
    assert not (store / "out.zarr").exists()
