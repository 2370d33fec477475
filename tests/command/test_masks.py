"""Masks are found by their names, whatever people call them; what is not found is named, never taken for another."""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_inpaint.command.cli import main
from napari_inpaint.command.masks import MaskFinder
from napari_inpaint.command.tasks import plan_tasks
from napari_inpaint.io.formats import FileError

HERE = Path()
NFC, NFD = (unicodedata.normalize(form, "Grün Å.png") for form in ("NFC", "NFD"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "masks").mkdir()
    return tmp_path / "masks"


def find(folder, image, masks, pattern=None, inside=HERE):
    for name in masks:
        (folder / inside / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside / name).touch()
    return MaskFinder(pattern).find(folder.parent / "images" / inside / image, folder, inside)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("photo.jpg", "photo.png"), ("photo.jpg", "photo.JPG"), ("photo.jpg", "photo.TiFF"), ("photo.jpg", "photo.npy"),
        ("photo.jpg", "photo.jpg.png"), ("photo.JPG", "photo.jpg.png"), ("photo.jpg", "photo_mask.png"),
        ("photo.jpg", "photo-mask.PNG"), ("photo.jpg", "photo_mask001.png"), ("photo.jpg", "photo.jpg_mask.png"),
        ("photo.jpg", "photo_Mask.png"), ("PHOTO.jpg", "photo.png"), ("a.b.c.png", "a.b.c.tif"),
        ("a.b.c.png", "a.b.c_mask.png"), ("scan.2024.01.05", "scan.2024.01.05.png"), ("[1]*.png", "[1]*_mask.png"),
        (NFC, NFD), (NFD, NFC), (NFC, NFD.replace(".png", "_mask.png")),
    ],
)  # fmt: skip
def test_a_mask_is_found(folder, image, mask):
    others = [
        "phot.png",
        "photos.png",
        "photo1_mask.png",
        "a.b.png",
        "a.b.d_mask.png",
        "scan.2024.01.06.png",
        ".photo.png",
    ]
    assert find(folder, image, [mask, *others]).mask == folder / mask
    (folder / mask).unlink()
    assert find(folder, image, others).mask is None


STEMS = st.text("ab1._-é", min_size=1, max_size=6).filter(lambda text: text[0] not in ".-" and text[-1] != ".")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sets(STEMS, min_size=1, max_size=6), st.sampled_from(["{}.tif", "{}_mask.png", "{}.png.png", "{}_mask07.JPG"])
)
def test_no_image_gets_the_mask_of_another(tmp_path_factory, stems, form):
    folder = tmp_path_factory.mktemp("masks")
    stems = {stem for stem in stems if "mask" not in stem}
    for stem in stems:
        (folder / form.format(stem)).touch()
    finder = MaskFinder()
    for stem in stems:
        found = finder.find(Path("images", f"{stem}.png"), folder, HERE)
        assert found.mask == folder / form.format(stem), found.problem


def test_the_letters_of_folders_count_as_little(folder):
    (folder / unicodedata.normalize("NFD", "Müller")).mkdir()
    (folder / unicodedata.normalize("NFD", "Müller") / "a.png").touch()
    inside = Path(unicodedata.normalize("NFC", "Müller"))
    found = MaskFinder().find(folder.parent / "images" / inside / "a.png", folder, inside)
    assert found.mask is not None and found.mask.is_file()


def test_of_names_that_differ_only_in_suffix_the_image_s_own_counts(folder):
    assert find(folder, "a.tif", ["a.png", "a.tif"]).mask == folder / "a.tif"
    assert find(folder, "a.png", []).mask == folder / "a.png"


@pytest.mark.parametrize("masks", [("a.jpg", "a.png"), ("a.tif", "a_mask.png"), ("a_mask1.png", "a_mask2.png")])
def test_several_masks_are_named(folder, masks):
    found = find(folder, "a.tif", masks)
    assert found.mask is None
    assert all(name in found.problem for name in masks)


def test_an_error_says_what_was_looked_for(folder):
    problem = find(folder, "a.jpg", ["a.psd", "b.png"]).problem
    for words in ("images/a.jpg has no mask in", "a.*", "a.jpg.*", "a_mask*", ".png", "a.psd is of no format"):
        assert words in problem
    assert "is no folder" in MaskFinder().find(Path("x/a.jpg"), folder, Path("monday")).problem
    assert "looked for a_hole*" in find(folder, "a.jpg", [], "{stem}_hole*").problem


@pytest.mark.parametrize("pattern", ["{stem}_hole*", "{stem}_ho[kl]e.png", "*{stem}_hole", "{stem}_HOLE*"])
def test_a_pattern_takes_the_place_of_all_rules(folder, pattern):
    found = find(
        folder, "a[1].jpg", ["a[1].png", "a1_hole.png", "a[1]_hole.png", "a[1]_hole.txt", "b_hole.png"], pattern
    )
    assert found.mask == folder / "a[1]_hole.png"
    for wrong in ("holes*", "{stem}/hole*"):
        with pytest.raises(FileError, match="--mask-pattern is the name of a mask"):
            MaskFinder(wrong)


def plan(inputs, mask, pattern=None):
    planned = plan_tasks(inputs, Path("nowhere/out"), mask, None, record=False, mask_pattern=pattern)
    return {task.input.name: task.mask and task.mask.name for task in planned.tasks}


def test_masks_beside_their_images_are_not_filled(folder):
    """In one folder, another suffix does not make a mask; a mark, or a second suffix, does."""
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
