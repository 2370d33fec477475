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
    assert "which is not written as files" in capsys.readouterr().err
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

    monkeypatch.setattr("napari_inpaint.io.atomic._exchange", lambda _one, _other: False)  # as on most systems
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


def several(path, kind, version, photo):
    """A store of three images, the second one smaller; all with a level, a label image, and metadata of their own."""
    names = {"series": ["0", "1", "2"], "listed": ["b", "c", "a"], "plate": ["A/1/0", "A/1/1", "B/2/0"],
             "well": ["0", "1", "2"], "multiscales": ["", "", ""]}[kind]  # fmt: skip
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)

    def describe(node, **metadata):
        node.attrs.update({"ome": {"version": version, **metadata}} if version == "0.5" else metadata)

    if kind == "series":
        describe(group, **{"bioformats2raw.layout": 3})
    elif kind == "listed":
        describe(group, **{"bioformats2raw.layout": 3})
        describe(group.create_group("OME"), series=names)
    elif kind == "plate":
        describe(group, plate={"wells": [{"path": "A/1"}, {"path": "B/2"}]}, **{"bioformats2raw.layout": 3})
        describe(group.create_group("A/1"), well={"images": [{"path": "0"}, {"path": "1"}]})
        describe(group.create_group("B/2"), well={"images": [{"path": "0"}]})
    elif kind == "well":
        describe(group, well={"images": [{"path": name} for name in names]})
    together = []
    for index, name in enumerate(names):
        image = group.create_group(name) if name else group
        plane = np.roll(photo[: 240 if index == 1 else 256, :256, 1], 7 * index, 1)
        datasets = [f"{index}-{level}" if not name else f"{level}" for level in range(2)]
        for level, dataset in enumerate(datasets):
            pixels = plane[:: 1 + level, :: 1 + level]
            image.create_array(dataset, shape=pixels.shape, chunks=(64, 64), dtype="uint8")[:] = pixels
        together.append({"axes": [{"name": n, "type": "space"} for n in "yx"],
                         "datasets": [{"path": each} for each in datasets]})  # fmt: skip
        describe(image, multiscales=together[-1:] if name else together, omero={"channels": [{"label": f"c{index}"}]})
        if name:
            labels = image.create_group("labels")
            describe(labels, labels=["cells"])
            labels.create_array("cells/0", shape=plane.shape, chunks=(64, 64), dtype="uint8")[:] = plane // 64
    return names


def changed_files(before, after):
    files = {path.relative_to(before) for path in before.rglob("*") if path.is_file()}
    assert files <= {path.relative_to(after) for path in after.rglob("*") if path.is_file()}
    return {path.as_posix() for path in files if (before / path).read_bytes() != (after / path).read_bytes()}


KINDS = ["series", "listed", "plate", "well", "multiscales"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("series", [None, 1])
def test_one_of_several_images_is_filled_and_all_else_stays(tmp_path, photo, capsys, kind, version, series):
    store, out = tmp_path / "in.zarr", tmp_path / "out.zarr"
    names = several(store, kind, version, photo)
    words = [] if series is None else ["--series", str(series)]
    assert main([str(store), "-o", str(out), *BOX, *words, "--detail", "smooth"]) == 0
    said = capsys.readouterr().err
    assert ("holds 3 images" in said and "--series N, 0 to 2" in said) == (series is None)
    if series is None and kind != "multiscales":
        assert f"{names[0]} is filled" in said
        assert str(store / names[1]) in said
    changed = changed_files(store, out)
    prefixes = [f"{series or 0}-{level}" if kind == "multiscales" else f"{names[series or 0]}/{level}"
                for level in (0, 1)]  # fmt: skip
    assert all(any(path.startswith(f"{prefix}/") for path in changed) for prefix in prefixes)
    assert all(any(path.startswith(f"{prefix}/") for prefix in prefixes) for path in changed)
    check(zarr.open(str(store))[prefixes[0]][:], zarr.open(str(out))[prefixes[0]][:], HOLE)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("consolidated", [False, True])
def test_the_record_says_which_image_was_filled_and_a_replay_picks_it(tmp_path, photo, capsys, version, consolidated):
    store, out, again = (tmp_path / name for name in ("in.zarr", "out.zarr", "again.zarr"))
    several(store, "plate", version, photo)
    if consolidated:
        zarr.consolidate_metadata(str(store))
    assert main([str(store), "-o", str(out), *BOX, "--series", "2", "--record", "--detail", "smooth"]) == 0
    record = json.loads((tmp_path / "out.zarr.json").read_text(encoding="utf-8"))
    assert record["series"] == 2
    assert zarr.open(str(out))["B/2/0"].attrs["napari_inpaint"] == record
    for source in (out, tmp_path / "out.zarr.json"):
        assert main([str(store), "-o", str(again), "--replay", str(source), "--overwrite"]) == 0
        assert "the same, bit for bit" in capsys.readouterr().err
        assert {Path(path).name for path in changed_files(out, again)} <= {".zattrs", ".zmetadata", "zarr.json"}
    assert main([str(out), "-o", str(again), *BOX, "--record", "--overwrite", "--detail", "smooth"]) == 0
    assert main([str(store), "-o", str(out), "--replay", str(again), "--overwrite"]) == 1
    assert "holds those of A/1/0, B/2/0; name one, such as" in capsys.readouterr().err
    assert main([str(store), "-o", str(out), "--replay", str(again / "B/2/0"), "--overwrite"]) == 0


def test_a_store_of_one_image_needs_no_choice(tmp_path, photo, capsys):
    several(tmp_path / "in.zarr", "series", "0.4", photo)
    for name in ("1", "2"):
        (tmp_path / "in.zarr" / name).rename(tmp_path / name)
    out = tmp_path / "out.zarr"
    assert main([str(tmp_path / "in.zarr"), "-o", str(out), *BOX, "--record", "--detail", "smooth"]) == 0
    assert "images" not in capsys.readouterr().err
    assert "series" not in json.loads((tmp_path / "out.zarr.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["A/1/1", "B/2"])
def test_a_part_of_a_store_is_an_image_or_a_store_of_its_own(tmp_path, photo, name):
    store, out = tmp_path / "in.zarr", tmp_path / "out.zarr"
    several(store, "plate", "0.4", photo)
    assert main([str(store / name), "-o", str(out), *BOX, "--detail", "smooth"]) == 0
    inside = "0/0" if name == "B/2" else "0"
    check(zarr.open(str(store))[name][inside][:], zarr.open(str(out))[inside][:], HOLE)
    assert main([str(store / name), "-o", str(store), *BOX, "--overwrite"]) == 1  # it would lose all others
    assert sorted(zarr.open(str(store))["A/1"].group_keys()) == ["0", "1"]


@pytest.mark.parametrize(
    ("series", "kind", "sentence"),
    [
        (3, "plate", "has no image 3; it holds 0 (A/1/0) of 256 x 256, 1 (A/1/1) of 240 x 256, 2 (B/2/0) of 256 x 256"),
        (3, "multiscales", "has no image 3; it holds 0 of 256 x 256, 1 of 240 x 256, 2 of 256 x 256"),
    ],
)
def test_an_image_that_is_not_there_is_answered_with_what_is(tmp_path, photo, capsys, series, kind, sentence):
    several(tmp_path / "in.zarr", kind, "0.4", photo)
    words = [str(tmp_path / "in.zarr"), "-o", str(tmp_path / "out.zarr"), *BOX, "--series", str(series)]
    assert main(words) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out.zarr").exists()


def test_a_group_without_metadata_is_answered_with_what_it_holds(tmp_path, capsys):
    group = zarr.open_group(str(tmp_path / "in.zarr"), mode="w")
    words = [str(tmp_path / "in.zarr"), "-o", str(tmp_path / "out.zarr"), *BOX]
    assert main(words) == 1
    assert "it is empty" in capsys.readouterr().err
    group.create_array("raw", shape=(100, 100), dtype="uint8")
    assert main(words) == 1
    assert "name what it holds: raw" in capsys.readouterr().err


def test_many_images_that_are_not_asked_for_are_not_opened(tmp_path, photo, capsys):
    several(tmp_path / "in.zarr", "well", "0.4", photo)
    attributes = json.loads((tmp_path / "in.zarr" / ".zattrs").read_text(encoding="utf-8"))
    attributes["well"]["images"] += [{"path": "not-copied"}] * 1000
    (tmp_path / "in.zarr" / ".zattrs").write_text(json.dumps(attributes))
    assert main([str(tmp_path / "in.zarr"), "-o", str(tmp_path / "out.zarr"), *BOX, "--detail", "smooth"]) == 0
    assert "holds 1003 images" in capsys.readouterr().err


def test_a_plate_in_a_folder_is_one_image(tmp_path, photo, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    several(folder / "plate.zarr", "plate", "0.4", photo)
    assert main([str(folder), "-o", str(out), *BOX, "--detail", "smooth"]) == 0
    assert "1 of 1 files filled" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["plate.zarr"]


def test_a_mask_of_several_images_is_asked_about(tmp_path, photo, capsys):
    several(tmp_path / "in.zarr", "plate", "0.4", photo)
    words = [str(tmp_path / "in.zarr"), "-o", str(tmp_path / "out.zarr"), "--mask", str(tmp_path / "in.zarr")]
    assert main(words) == 1
    assert str(tmp_path / "in.zarr/A/1/0/0") in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["plate", "listed", "well"])
def test_places_outside_of_a_store_are_refused(tmp_path, photo, capsys, kind):
    several(tmp_path / "in.zarr", kind, "0.4", photo)
    for path in [*(tmp_path / "in.zarr").glob("OME/.zattrs"), tmp_path / "in.zarr" / ".zattrs"]:
        text = path.read_text(encoding="utf-8")
        for name in ("A/1", '"b"', '"0"'):
            text = text.replace(name, "../secret.zarr" if name[0] == "A" else '"../secret.zarr"', 1)
        path.write_text(text, encoding="utf-8")
    assert main([str(tmp_path / "in.zarr"), "-o", str(tmp_path / "out.zarr"), *BOX]) == 1
    assert "'../secret.zarr' lies outside of it" in capsys.readouterr().err
