import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_inpaint.command.cli import main
from napari_inpaint.command.tasks import Task, plan_tasks
from napari_inpaint.io.images import FileError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "sub/b.TIF", "sub/deep/c.jpg", "sub/notes.txt", "sub/d.png/inner.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def outputs(tasks, root):
    return [task.output.relative_to(root).as_posix() for task in tasks]


def test_one_file_becomes_one_file(folder):
    tasks, many, _ = plan_tasks([folder / "in/a.png"], folder / "out.png", None, folder / "made-up.png", record=True)
    assert tasks == [
        Task(folder / "in/a.png", folder / "out.png", None, folder / "made-up.png", folder / "out.png.json")
    ]
    assert not many


def test_a_folder_keeps_its_structure(folder):
    tasks, many, _ = plan_tasks([folder / "in"], folder / "out", None, folder / "masks", record=True)
    assert many
    assert outputs(tasks, folder / "out") == ["a.png", "sub/b.TIF", "sub/d.png/inner.png", "sub/deep/c.jpg"]
    assert tasks[1].synthetic == folder / "masks/sub/b.png"
    assert tasks[1].offsets is None
    assert tasks[1].record == folder / "out/sub/b.TIF.json"


def test_outputs_inside_the_input_are_not_inputs_of_the_next_run(folder):
    (folder / "in/filled").mkdir()
    (folder / "in/filled/a.png").touch()
    tasks, *_ = plan_tasks([folder / "in"], folder / "in/filled", None, None, record=False)
    assert len(tasks) == 4


def test_masks_are_found_by_name_whatever_their_format(folder):
    for name in ("a.tif", "sub/b.TIF", "sub/d.png/inner.jpg", "sub/deep/c.png"):
        (folder / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "masks" / name).touch()
    tasks, *_ = plan_tasks([folder / "in"], folder / "out", folder / "masks", None, record=False)
    assert [task.mask.name for task in tasks] == ["a.tif", "b.TIF", "inner.jpg", "c.png"]
    (folder / "masks/a.tif").unlink()
    tasks, *_ = plan_tasks([folder / "in"], folder / "out", folder / "masks", None, record=False)
    assert tasks[0].mask is None  # said when its turn comes: others are filled
    assert "a.png has no mask" in tasks[0].problem


def test_one_mask_serves_all(folder):
    tasks, *_ = plan_tasks([folder / "in"], folder / "out", Path("dust.png"), None, record=False)
    assert {task.mask for task in tasks} == {Path("dust.png")}


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["in", "in"], "out", "would both be written to"),
        (["in"], "in", "is an input too"),
        (["in/a.png", "in/sub"], "in/sub", "holds no image|is an input too"),
        (["empty"], "out", "empty holds no image"),
    ],
)
def test_what_would_be_lost_is_refused(folder, inputs, output, message):
    (folder / "empty").mkdir()
    with pytest.raises(FileError, match=message):
        plan_tasks([folder / name for name in inputs], folder / output, None, None, record=False)


@pytest.mark.parametrize("beside", ["synthetic", "offsets"])
def test_only_the_image_itself_may_replace_the_input(folder, beside):
    path = folder / "in/a.tif"
    path.touch()
    ways = {"synthetic": (path, None), "offsets": (None, path)}
    tasks = plan_tasks([path], path, None, None, record=False, overwrite=True).tasks
    assert tasks[0].output == path
    synthetic, offsets = ways[beside]
    with pytest.raises(FileError, match=r"a\.tif is an input too"):
        plan_tasks([path], folder / "out.tif", None, synthetic, record=False, overwrite=True, offsets=offsets)


def plan(inputs, mask, pattern=None):
    planned = plan_tasks(inputs, Path("nowhere/out"), mask, None, record=False, mask_pattern=pattern)
    return {task.input.name: task.mask and task.mask.name for task in planned.tasks}


def test_masks_beside_their_images_are_not_filled(tmp_path):
    """In one folder, another suffix does not make a mask; a mark, or a second suffix, does."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in ("a.jpg", "a_mask.png", "b.png", "b.png.png", "c.png", "c.tif", "c_mask.npy", "d.png"):
        (folder / name).touch()
    expected = {
        "a.jpg": "a_mask.png",
        "b.png": "b.png.png",
        "c.png": "c_mask.npy",
        "c.tif": "c_mask.npy",
        "d.png": None,
    }
    assert plan([folder], folder) == expected
    assert plan([folder / ".." / folder.name], folder) == expected
    assert plan(sorted(folder.iterdir()), folder) == expected
    assert plan([folder], None, "{stem}_mask*") == expected | {"b.png": None, "b.png.png": None}


def fill(*words):
    return main([*map(str, words), "--detail", "smooth", "--device", "cpu"])


def write(path, height=40, width=50, hole=None):
    """Write an image, or a mask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width), 90, np.uint8) if hole is None else np.zeros((height, width), np.uint8)
    if hole is not None:
        pixels[hole] = 255
    Image.fromarray(pixels).save(path, format="JPEG" if path.suffix == ".jpg" else "PNG")
    return path


def test_a_run_names_and_counts_what_it_skips(tmp_path, capsys):
    folder = tmp_path / "in"
    for name in ("a.png", "scan.2024.01.05", "b.png"):
        write(folder / name)
    for name in ("a_mask.png", "c/a_mask.png"):
        write(folder / name, hole=np.s_[5:9, 5:9])
    for name in ("notes.txt", ".hidden.png", "IIreadme"):
        (folder / name).write_text("II, and so on")
    assert fill(folder, "-o", tmp_path / "out", "--mask", folder) == 1
    said = capsys.readouterr().err
    (reason,) = (line for line in said.splitlines() if "scan.2024.01.05" in line)
    assert "as they hold PNG" in reason
    (reason,) = (line for line in said.splitlines() if "notes.txt" in line)
    assert "IIreadme" in reason
    assert ".hidden" not in said
    assert "b.png has no mask" in said
    assert "1 of 3 files filled, 3 skipped, 2 failed" in said  # c/a_mask.png is the mask of nothing
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["a.png"]


@pytest.mark.posix("names of descriptors")
@pytest.mark.parametrize("piped", ["mask", "image", "both"])
def test_pipes_are_read(tmp_path, piped):
    image, mask = write(tmp_path / "a.png"), write(tmp_path / "m.png", hole=np.s_[5:9, 5:9])
    given = [f"<(cat {path})" if piped in (kind, "both") else str(path) for kind, path in
             (("image", image), ("mask", mask))]  # fmt: skip
    line = f"{sys.executable} -m napari_inpaint.command.cli {given[0]} -o out.png --mask {given[1]} --detail smooth"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )
    assert "16 pixels filled" in done.stdout, done.stderr


@pytest.mark.posix("pipes have names there")
def test_a_pipe_is_one_mask_for_one_image(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    images = [write(tmp_path / name) for name in ("a.png", "b.png")]
    once = "is a pipe, which can be read once"
    for inputs, mask, message in ((images, tmp_path / "pipe", once), (images, "-", once), (["-"], "-", "is one file")):
        assert fill(*inputs, "-o", tmp_path / ("out" if len(inputs) > 1 else "o.png"), "--mask", mask) == 1
        assert message in capsys.readouterr().err


def test_names_that_begin_with_a_dash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("-dash.png"))
    write(Path("-mask.png"), hole=np.s_[5:9, 5:9])
    assert main(["-o", "out.png", "--box", "5", "5", "9", "9", "--detail", "smooth", "--", "-dash.png"]) == 0
    assert main(["--output=-out.png", "--mask=-mask.png", "--detail", "smooth", "--", "-dash.png"]) == 0
    assert Path("-out.png").read_bytes() == Path("out.png").read_bytes()


def test_names_of_synthetic_masks_keep_their_dots(tmp_path):
    inputs = [tmp_path / "scan.01", tmp_path / "scan.02", tmp_path / "a.b.png"]
    planned = plan_tasks(inputs, tmp_path / "out", None, tmp_path / "made-up", record=False)
    assert [task.synthetic.name for task in planned.tasks] == ["scan.01.png", "scan.02.png", "a.b.png"]
