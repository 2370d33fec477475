"""What README and documentation say is true: their code, the examples, and the scripts that make their pictures run."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

import inpaint_export.cli
import inpaint_training.cli
import inpaint_training.evaluation.cli
import napari_inpaint.command.cli
from inpaint_training.recipes.library import load_recipe
from napari_inpaint.samples import dated_photo

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")), "training/README.md",
         "export/README.md"]  # fmt: skip
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
RUN = {"sh", "python"}
SHOWN = {"text", "yaml", "js", "cpp"}
"""Output; recipes; clients that tests/export/test_clients.py runs."""
LONG = ("docs/training.md", "docs/export.md")
"""They train and export models, if only little."""
QUICK = ("inpaint-train", "inpaint-export")
"""Commands that take hours or minutes; they do little here."""


def read_blocks(page):
    return [match.groupdict() for match in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))]


def run_program(command, folder, stdin=None):
    """Run a program with our commands on its path; return what it prints, of both streams."""
    path = os.pathsep.join([str(folder / ".quick"), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=folder, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def run_page(page, folder):
    (folder / ".quick").mkdir()
    for name in QUICK:
        script = folder / ".quick" / name
        script.write_text(f"#!{sys.executable}\n" + (ROOT / "tests" / "quick_command.py").read_text(encoding="utf-8"))
        script.chmod(0o755)
    blocks = [
        (block["language"], block["code"])
        for block in read_blocks(page)
        if block["language"] in RUN and not block["reason"]
    ]
    return run_program([sys.executable, ROOT / "tests" / "run_page.py"], folder, json.dumps(blocks))


@pytest.fixture
def folder(tmp_path):
    """What a reader brings along: a clone's weights, and photos to train with and others to judge on."""
    if not (ROOT / "weights").is_dir():
        pytest.skip("the source distribution has no weights")
    if sys.platform == "win32":  # links need rights there
        shutil.copytree(ROOT / "weights", tmp_path / "weights")
    else:
        (tmp_path / "weights").symlink_to(ROOT / "weights")
    photo, _ = dated_photo()
    for name, parts in {"my-photos": ((0, 0), (100, 60), (40, 160), (140, 200)), "other-photos": ((150, 250),)}.items():
        (tmp_path / name).mkdir()
        for number, (y, x) in enumerate(parts):
            part = np.roll(photo, number, -1)[y : y + 360, x : x + 380]
            Image.fromarray(part).save(tmp_path / name / f"{number}.jpg", quality=95)
    (tmp_path / "my-micrographs").mkdir()
    (tmp_path / "my-masks").mkdir()
    for number in range(3):
        part = np.roll(photo[:300, :300].mean(2), 90 * number, 0)
        Image.fromarray((part * 41 + 900).astype(np.uint16)).save(tmp_path / "my-micrographs" / f"{number}.png")
    mask = np.zeros((300, 300), np.uint8)
    mask[40:50, 60:140] = 255
    Image.fromarray(mask).save(tmp_path / "my-masks" / "1_mask.png")
    return tmp_path


def test_every_block_has_a_language_that_says_if_it_runs():
    assert len(PAGES) > 10
    for page in PAGES:
        for block in read_blocks(page):
            assert block["language"] in RUN | SHOWN, (page, block)
            assert block["reason"] is None or block["language"] in RUN, (page, block)
            if block["language"] == "sh":
                assert " #" not in block["code"], "the shell of macOS takes remarks for words"


@pytest.mark.posix("pages are scripts of a shell")
@pytest.mark.parametrize("page", [
    pytest.param(page, marks=pytest.mark.slow if page in LONG else ())
    for page in PAGES if any(block["language"] in RUN for block in read_blocks(page))
])  # fmt: skip
def test_a_page_runs(page, folder):
    CHECKS.get(page, lambda *_: None)(run_page(page, folder), folder)


COMMANDS = {
    "inpaint-fill": napari_inpaint.command.cli,
    "inpaint-train": inpaint_training.cli,
    "inpaint-eval": inpaint_training.evaluation.cli,
    "inpaint-export": inpaint_export.cli,
}


def read_commands(page):
    """Yield the words of every call of our commands on a page, also of those that are not run."""
    for block in read_blocks(page):
        if block["language"] == "sh":
            for line in block["code"].replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] in COMMANDS:
                    yield words


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_understood(page):
    for command, *words in read_commands(page):
        words = itertools.takewhile(lambda word: word not in ("|", "||", "&&", ">", ">>", "2>>"), words)
        arguments, overrides = COMMANDS[command].build_parser().parse_known_args([*words])
        if getattr(arguments, "command", "") == "fit" and not arguments.recipe.endswith(".yaml"):
            load_recipe(arguments.recipe, overrides)
        else:
            assert not overrides, (command, overrides)


def check_trust(said, folder):
    assert "8 known places beside 2 holes" in said
    row = re.compile(r"^(fill \(landscape, copied\)|network|smooth|pull-push|telea) {3}", re.MULTILINE)
    assert row.findall((ROOT / "docs/trust.md").read_text(encoding="utf-8")) == row.findall(said)[:5]


def check_reproduce(said, folder):
    assert "the same, bit for bit" in said
    assert np.asarray(Image.open(folder / "made-up.png")).sum() == 4800


def check_folders(said, folder):
    assert "2 of 2 files filled" in said
    assert sorted(path.name for path in (folder / "filled" / "monday").glob("*.png")) == ["a.png", "b.png"]
    assert len((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert Image.open(folder / "one.png").size == (640, 512)


def check_cluster(said, folder):
    before, after = zarr.open(str(folder / "lapse.zarr")), zarr.open(str(folder / "filled.zarr"))
    changed = np.nonzero((before[:] != after[:]).any((0, 1)))
    assert [(axis.min(), axis.max() + 1) for axis in changed] == [(100, 140), (100, 180)]
    slide, clean = (zarr.open(str(folder / name))[:] for name in ("slide.zarr", "clean.zarr"))
    np.testing.assert_array_equal(slide[600:3000], clean[600:3000])


def check_pipelines(said, folder):
    assert "1 of 4 steps\nstopped: nothing was changed" in said
    printed = re.search(
        r"```text\n(2 windows, 2 holes): .*?\n(.*?)```",
        (ROOT / "docs/pipelines.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert printed[1] in said
    assert printed[2] in said
    photo, filled = (np.asarray(Image.open(folder / name).convert("RGB")) for name in ("photo.png", "filled.png"))
    changed = np.nonzero((photo != filled).any(-1))
    assert [(axis.min(), axis.max() + 1) for axis in changed] == [(120, 200), (80, 160)]


def check_readme(said, folder):
    photo, filled = (np.asarray(Image.open(folder / name)) for name in ("photo.png", "filled.png"))
    assert (photo != filled).any(-1).sum() > 1000


CHECKS = {
    "README.md": check_readme,
    "docs/trust.md": check_trust,
    "docs/reproduce.md": check_reproduce,
    "docs/folders.md": check_folders,
    "docs/cluster.md": check_cluster,
    "docs/pipelines.md": check_pipelines,
}


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_runs(example, folder):
    run_program([sys.executable, example], folder)
    if example.name == "demo.py":
        before, after = np.split(np.asarray(Image.open(folder / "demo.png")), 2, axis=1)
        _, box = dated_photo()
        assert (before[box.slices] != after[box.slices]).any(-1).mean() > 0.5


PICTURES = {
    "make_attention.py": ("weights/landscape-refined", "other-photos", "attention.jpg", "--count", "1"),
    "make_pictures.py": ("pictures",),
}


def test_every_script_that_makes_a_picture_is_known():
    assert {path.name for path in (ROOT / "docs").glob("*.py")} == PICTURES.keys()


SLOW = {"make_pictures.py"}  # a viewer, and fills of all sample images: a minute


@pytest.mark.parametrize("script", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in PICTURES])
def test_a_script_makes_its_pictures(script, folder):
    run_program([sys.executable, ROOT / "docs" / script, *PICTURES[script]], folder)
    made = [*folder.glob("*.jpg"), *folder.glob("pictures/*")]
    assert made
    for path in made:
        assert np.asarray(Image.open(path)).std() > 20, "it is not blank"


def test_the_site_has_no_broken_links(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    run_program(command, ROOT)
    assert (tmp_path / "site" / "index.html").is_file()
