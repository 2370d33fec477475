"""What is built from the repository holds what it should, and nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
PACKAGES = ("src/napari_inpaint", "training/inpaint_training", "export/inpaint_export")


def list_tracked(*folders):
    command = ["git", "-C", str(REPOSITORY), "ls-files", *folders]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel, and the source distribution that it is built from."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_the_wheel_holds_the_packages_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == {path.partition("/")[2] for path in list_tracked(*PACKAGES)}


def test_the_source_distribution_holds_all_but_the_weights(built):
    with tarfile.open(built[1]) as archive:
        found = {member.name.partition("/")[2] for member in archive if member.isfile()}
    wanted = {path for path in list_tracked() if not path.startswith(("weights/", ".ci/"))}
    assert wanted <= found
    assert found - wanted <= {"PKG-INFO"}
