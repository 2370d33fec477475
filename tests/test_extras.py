"""What needs an extra that is not installed says so in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
OPTIONAL = (
    "torch", "lightning_fabric", "pydantic", "yaml", "safetensors", "tensorboard", "onnx", "onnx_ir", "onnxscript",
    "cv2", "skimage", "patchmatch_cython", "torchmetrics", "dask", "distributed", "zarr", "napari",
)  # fmt: skip
"""Import names of everything that only extras bring."""
COMMANDS = {
    "inpaint-fill": "napari_inpaint.command.cli",
    "inpaint-train": "inpaint_training.cli",
    "inpaint-eval": "inpaint_training.evaluation.cli",
    "inpaint-export": "inpaint_export.cli",
}
NEEDY = {
    "inpaint-train recipes": "train",
    "inpaint-train pack photos data": "train",
    "inpaint-train fit --recipe compact --data data --out run": "train",
    "inpaint-train blend a b --share 0.5": "train",
    "inpaint-train widen a b --width 1": "train",
    "inpaint-train join a b c": "train",
    "inpaint-eval --photos photos --out report": "eval",
    "inpaint-export run model.onnx": "export",
}


def run_without_extras(words, folder):
    command, *arguments = words.split()
    code = f"import sys; sys.modules |= dict.fromkeys({OPTIONAL}); from {COMMANDS[command]} import main; "
    code += f"sys.argv[0] = {command!r}; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def check_help(words, done):
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout or "napari-inpaint 0" in done.stdout


def check_needy(words, done):
    assert done.returncode == 1
    line = rf'{words.split()[0]}: \w+ is missing or too old: pip install "napari-inpaint\[{NEEDY[words]}\]"\n'
    assert re.fullmatch(line, done.stderr), done.stderr


@pytest.mark.parametrize("words", [f"{command} {option}" for command in COMMANDS for option in ("--help", "--version")])
def test_help_needs_no_extra(tmp_path, words):
    check_help(words, run_without_extras(words, tmp_path))


@pytest.mark.parametrize("words", NEEDY)
def test_a_missing_extra_is_named(tmp_path, words):
    check_needy(words, run_without_extras(words, tmp_path))
    assert not [*tmp_path.iterdir()]


def test_zarr_files_name_theirs(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").touch()
    done = run_without_extras("inpaint-fill a.zarr -o b.zarr --box 0 0 9 9", tmp_path)
    assert (done.returncode, done.stderr) == (
        1, 'inpaint-fill: a.zarr: zarr files need zarr: pip install "napari-inpaint[big]"\n'
    )  # fmt: skip


@pytest.mark.slow
def test_an_environment_with_only_the_base(tmp_path_factory):
    """The same in a fresh environment, where the demo's fill works and the named extra is found without an index."""
    folder = tmp_path_factory.mktemp("base")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    scripts = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    install = [scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, REPOSITORY], check=True)

    def run(words):
        words = [word.replace("PYTHON", str(scripts / "python")) for word in words.split()]
        environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)

    for command in COMMANDS:
        for option in ("--help", "--version"):
            check_help(command, run(f"{command} {option}"))
    for words in NEEDY:
        check_needy(words, run(words))
    done = run(f"PYTHON {REPOSITORY / 'examples' / 'demo.py'}")
    assert done.returncode == 0, done.stderr
    assert (folder / "demo.png").is_file()
    subprocess.run([*install, "napari-inpaint[train]", "-c", REPOSITORY / "constraints.txt"], check=True)
    done = run("inpaint-train recipes")
    assert done.returncode == 0, done.stderr
    assert "compact" in done.stdout
