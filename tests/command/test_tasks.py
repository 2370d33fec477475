from pathlib import Path

import pytest

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
