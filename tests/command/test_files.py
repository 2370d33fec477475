"""One file: what is filled in it, repeated, and kept."""

import json
import re
import shutil
import signal

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import napari_inpaint.command.batch  # noqa: F401  (these are loaded late, and the command is run many times below)
import napari_inpaint.command.tasks  # noqa: F401
from napari_inpaint import Inpainter
from napari_inpaint.command.cli import main
from napari_inpaint.io.images import read_image
from tests.io.faults import DONE, run_at_each_operation


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_is_kept(tmp_path, photo, channels):
    alpha = np.random.default_rng(0).integers(1, 256, (*photo.shape[:2], 1), np.uint8)
    array = np.dstack([photo[..., : channels - 1], alpha])
    Image.fromarray(array).save(tmp_path / "in.png")
    assert main([str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), "--box", "9", "9", "60", "60"]) == 0
    result = read_image(tmp_path / "out.png").pixels
    np.testing.assert_array_equal(result[..., -1], array[..., -1])
    assert (result[9:60, 9:60, 0] != array[9:60, 9:60, 0]).any()


def test_what_a_tiff_says_of_its_values_counts(tmp_path, photo):
    """GDAL's tag for no data; a fourth sample that is not said to be alpha; and one that is."""
    heights = photo[:200, :220, 1].astype(np.int16) * 4
    holes = ["--box", "60", "60", "100", "100", "--record"]
    heights[:, :50] = -9999
    tag = [(42113, "s", 0, "-9999", True)]
    tifffile.imwrite(tmp_path / "dem.tif", heights, extratags=tag)
    assert main([str(tmp_path / "dem.tif"), "-o", str(tmp_path / "dem2.tif"), *holes]) == 0
    filled = tifffile.imread(tmp_path / "dem2.tif")
    assert filled[60:100, 60:100].min() > 0
    assert json.loads((tmp_path / "dem2.tif.json").read_text(encoding="utf-8"))["nodata"] == -9999
    with tifffile.TiffFile(tmp_path / "dem2.tif") as tiff:
        assert tiff.pages[0].tags[42113].value == "-9999"
    tifffile.imwrite(tmp_path / "plain.tif", heights)
    assert main([str(tmp_path / "plain.tif"), "-o", str(tmp_path / "plain2.tif"), *holes, "--nodata", "-9999"]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "plain2.tif"), filled)

    four = np.dstack([photo[:200, :220], photo[:200, :220, :1]])
    four[60:100, 60:100] = 0
    for extra, alpha in (("unspecified", False), ("unassalpha", True)):
        path, out = tmp_path / f"{extra}.tif", tmp_path / f"{extra}2.tif"
        tifffile.imwrite(path, four, photometric="rgb", extrasamples=[extra])
        assert main([str(path), "-o", str(out), *holes]) == 0
        fourth = tifffile.imread(out)[60:100, 60:100, 3]
        assert (fourth == 255).all() if alpha else 100 < fourth.mean() < 250
    assert main([str(tmp_path / "unspecified.tif"), "-o", str(tmp_path / "a.tif"), *holes, "--alpha"]) == 0
    assert (tifffile.imread(tmp_path / "a.tif")[60:100, 60:100, 3] == 255).all()


@pytest.fixture
def recorded(tmp_path, photo):
    """A fill of boxes, defects and a scratch in a stack, and its record."""
    stack = np.stack([photo[:200, :220, 0], photo[200:400, :220, 1]]).astype(np.uint16) * 150
    mask = np.random.default_rng(0).random((200, 220)) < 0.005
    mask[50:53, 20:200] = mask[100:140, 100:150] = True
    tifffile.imwrite(tmp_path / "in.tif", stack)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = [
        str(tmp_path / "in.tif"),
        "-o",
        str(tmp_path / "out.tif"),
        "--mask",
        str(tmp_path / "mask.png"),
        "--grow",
        "1",
    ]
    assert main([*words, "--record", "--model", "compact.fp32", "--device", "cpu", "--detail", "network"]) == 0
    return tmp_path


def replay(folder, *words, output="again.tif"):
    record = folder / "out.tif.json"
    return main([str(folder / "in.tif"), "-o", str(folder / output), "--replay", str(record), *words])


def test_a_replay_is_the_same_bit_for_bit(recorded, capsys):
    assert replay(recorded, "--synthetic-mask", str(recorded / "made-up.png")) == 0
    assert "the filled pixels are the same, bit for bit" in capsys.readouterr().err
    again, filled = (tifffile.imread(recorded / name) for name in ("again.tif", "out.tif"))
    np.testing.assert_array_equal(again, filled)
    filled = json.loads((recorded / "out.tif.json").read_text(encoding="utf-8"))["filled_pixels"]
    assert 2 * np.asarray(Image.open(recorded / "made-up.png")).sum() == filled


def test_copies_are_repeated_whatever_the_model(tmp_path, photo, capsys):
    """They are in the record: neither a search nor, where all was copied, a network is needed."""
    rng = np.random.default_rng(0)
    Image.fromarray(np.clip(photo + rng.normal(0, 9, photo.shape), 0, 255).astype(np.uint8)).save(tmp_path / "in.png")
    words = [str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), "--box", "100", "100", "160", "180"]
    assert main([*words, "--record", "--model", "compact.fp32", "--device", "cpu"]) == 0
    again = [str(tmp_path / "in.png"), "-o", str(tmp_path / "again.png"), "--replay", str(tmp_path / "out.png.json")]
    assert main([*again, "--model", "landscape.int8"]) == 0
    assert "the same, bit for bit" in capsys.readouterr().err
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "out.png").read_bytes()


def test_a_replay_that_cannot_be_the_same_says_what_differs(recorded, capsys):
    assert replay(recorded, "--model", "compact.int8") == 1
    said = capsys.readouterr().err
    assert "the result differs: model_sha256 was" in said
    assert "precision was 'fp32', now 'int8'" in said
    tifffile.imwrite(recorded / "in.tif", tifffile.imread(recorded / "in.tif")[:, ::-1])
    assert replay(recorded, output="flipped.tif") == 1
    assert "the image is not the one that was filled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [9, 9]}, "the record is of an image of shape [9, 9]"),
        ({"dtype": "uint8"}, "of dtype uint8"),
        ({"schema": 99}, "no record that can be repeated"),
        ({"model": "unknown"}, "the model unknown.fp32, which is not bundled"),
        ({"model": "/somewhere/evil", "precision": "onnx"}, "the model /somewhere/evil.onnx, which is not bundled"),
        ({"threads": "many"}, "threads must be a whole number"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(recorded, capsys, change, message):
    record = json.loads((recorded / "out.tif.json").read_text(encoding="utf-8")) | change
    (recorded / "out.tif.json").write_text(json.dumps(record))
    assert replay(recorded) == 1
    assert message in capsys.readouterr().err
    assert not (recorded / "again.tif").exists()


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000])
def test_what_is_no_record_is_refused(recorded, capsys, content):
    (recorded / "out.tif.json").write_text(content)
    assert replay(recorded) == 1
    assert "is no record" in capsys.readouterr().err


def test_a_replay_takes_no_holes_of_its_own(recorded):
    with pytest.raises(SystemExit) as stop:
        replay(recorded, "--nan")
    assert stop.value.code == 2


def test_a_smooth_fill_is_repeated_without_a_model(tmp_path, photo, capsys):
    Image.fromarray(photo[:120, :130]).save(tmp_path / "a.png")
    words = ["--box", "30", "40", "90", "90", "--detail", "smooth", "--record"]
    assert main([str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), *words]) == 0
    replay = ["--replay", str(tmp_path / "b.png.json")]
    assert main([str(tmp_path / "a.png"), "-o", str(tmp_path / "c.png"), *replay]) == 0
    assert "the same, bit for bit" in capsys.readouterr().err
    for more in (["--detail", "smooth"], ["--nodata", "3"], ["--alpha"], ["--no-seam"]):
        with pytest.raises(SystemExit):
            main([str(tmp_path / "a.png"), "-o", str(tmp_path / "d.png"), *replay, *more])


def test_frames_that_were_left_are_not_synthetic(tmp_path, photo, capsys):
    stack = np.stack([photo[:90, :100, channel] for channel in (0, 1, 2)]).astype(np.float32)
    stack[1] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    words = ["--box", "30", "40", "60", "70", "--synthetic-mask", str(tmp_path / "mask.png")]
    assert main([str(tmp_path / "a.tif"), "-o", str(tmp_path / "b.tif"), *words]) == 0
    assert "in plane 1 nothing is known" in capsys.readouterr().err
    synthetic = np.asarray(Image.open(tmp_path / "mask.png")).reshape(3, 90, 100)
    assert synthetic.any((1, 2)).tolist() == [True, False, True]


def fill_beside(folder, suffix):
    """Fill the image beside a folder, without a network, and write all that can be written."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Inpainter, "warm_up", lambda _: None)
        return main([
            f"{folder.parent}/in{suffix}", "-o", f"{folder}/image{suffix}", "--box", "5", "5", "9", "9", "--overwrite",
            "--detail", "smooth", "--record", "--synthetic-mask", f"{folder}/made-up.png", "--offsets",
            f"{folder}/offsets.npy",
        ])  # fmt: skip


def fill_png(folder):
    return fill_beside(folder, ".png")


def fill_zarr(folder):
    return fill_beside(folder, ".zarr")


def write_nothing(folder):
    pass


def write_old(folder):
    shutil.copytree(folder.parent / "old", folder, dirs_exist_ok=True)


def read_all(folder):
    """Return the bytes of each file, and of all files of each store, by name; but not when and how long records say."""

    def read(path):
        if path.is_dir():
            return {each.relative_to(path): read(each) for each in path.rglob("*") if each.is_file()}
        return re.sub(rb'"(created|\w*seconds)": [^,]*', b"", path.read_bytes())

    return {path.name: read(path) for path in folder.iterdir()}


@pytest.mark.posix("nothing is killed by a signal there")
@pytest.mark.parametrize(
    ("job", "prepare", "kinds"),
    [
        (fill_png, write_old, ["killed"]),
        *(pytest.param(job, prepare, ["killed", "full", "failed once", "failed for good"], marks=pytest.mark.slow)
          for job in (fill_png, fill_zarr) for prepare in (write_nothing, write_old)),
    ],
)  # fmt: skip
def test_when_the_image_is_there_all_is_there(tmp_path, monkeypatch, photo, job, prepare, kinds):
    monkeypatch.setattr("os.fsync", bool)
    picture = photo[:16, :16, 0]
    Image.fromarray(picture).save(tmp_path / "in.png")
    zarr.create_array(str(tmp_path / "in.zarr"), shape=(16, 16), chunks=(16, 16), dtype="uint8")[:] = picture
    suffix = "." + job.__name__.removeprefix("fill_")
    image, names = f"image{suffix}", {f"image{suffix}", f"image{suffix}.json", "made-up.png", "offsets.npy"}
    (tmp_path / "old").mkdir()
    for name in names - {"image.zarr"}:
        (tmp_path / "old" / name).write_bytes(b"old")
    if suffix == ".zarr":
        zarr.create_array(str(tmp_path / "old" / image), shape=(2, 2), dtype="uint8")[:] = 7
    (tmp_path / "new").mkdir()
    assert job(tmp_path / "new") == 0
    old, new = read_all(tmp_path / "old") if prepare is write_old else {}, read_all(tmp_path / "new")
    assert set(new) == names
    for _, folder, ended in run_at_each_operation(job, prepare, tmp_path, kinds):
        left = {name: data for name, data in read_all(folder).items() if name[0] != "."}
        assert all(left.get(name) in (old.get(name), new[name]) for name in names)
        assert left == new or (left.get(image) == old.get(image) and ended != DONE)
        if ended == -signal.SIGKILL:
            assert job(folder) == 0
            assert read_all(folder) == new
        shutil.rmtree(folder)
