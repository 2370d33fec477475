"""What inpaint-fill says in environments that several wheels of ONNX Runtime have spoilt, and that its remedy works."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the environment is made for Linux"),
]


class Environment:
    def __init__(self, folder):
        venv.create(folder, with_pip=True)
        self.folder = folder

    def run(self, *command):
        """Run a command of the environment; return its exit status and all that it prints."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command, env=os.environ | {"PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def install(self, *packages):
        status, said = self.run("pip", "install", "--quiet", "--disable-pip-version-check", *packages)
        assert status == 0, said


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    environment = Environment(tmp_path_factory.mktemp("environment"))
    environment.install("numpy", "scipy", "pillow", "tifffile", "imagecodecs", "tqdm", "platformdirs", "filelock")
    environment.install("--no-deps", str(REPOSITORY))
    return environment


def test_wheels_that_overwrite_each_other_are_found_and_mended(environment, tmp_path):
    status, said = environment.run("inpaint-fill", "--check-devices")
    assert status == 1
    assert "installed: none of the usual wheels" in said
    assert "ONNX Runtime cannot be imported" in said

    environment.install("onnxruntime-gpu", "onnxruntime")
    status, said = environment.run("inpaint-fill", "--check-devices")
    assert status == 1
    assert re.search(r"installed: onnxruntime \S+, onnxruntime-gpu \S+\n.*only one may stay", said)

    environment.run("pip", "uninstall", "-y", "onnxruntime")  # takes files with it that the other needs
    image = REPOSITORY / "src" / "napari_inpaint" / "samples" / "the_crest.jpg"
    fill = ["inpaint-fill", str(image), "-o", str(tmp_path / "out.jpg"), "--box", "100", "100", "200", "200"]
    for command in (["inpaint-fill", "--check-devices"], fill):
        status, said = environment.run(*command)
        assert status == 1
        assert "Traceback" not in said
        assert re.search(r"ONNX Runtime (is only half installed|cannot be imported).*; fix it with: pip", said)

    fix = re.search(r"fix it with: (pip .*)", said)[1]
    status, said = environment.run("sh", "-c", fix)
    assert status == 0, said
    status, said = environment.run("inpaint-fill", "--check-devices")
    assert status == 0, said
    assert "cpu: works" in said
    assert environment.run(*fill)[0] == 0
