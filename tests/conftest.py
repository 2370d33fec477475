import contextlib
import errno
import os
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

from napari_inpaint import Inpainter
from napari_inpaint.samples import THE_CREST

hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("posix") if sys.platform == "win32" else ():
            item.add_marker(pytest.mark.skip(reason=f"not on Windows: {mark.args[0]}"))


@pytest.fixture(scope="session")
def photo():
    """A real photo: uint8, (512, 640, 3)."""
    image = np.asarray(Image.open(THE_CREST.path))
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def inpainter():
    return Inpainter("compact", device="cpu")


@pytest.fixture(autouse=True, scope="session")
def small_default_model():
    """Who names no model gets the small one here: the best one takes ten times as long."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("napari_inpaint.inference.runtime.loading.DEFAULT", "compact")
        yield


def open_files():
    names = set()
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that listed them
            names.add(str(each.readlink()))
    return names


@pytest.fixture
def windows(monkeypatch):
    """As there: nothing is renamed while it is open, or onto what exists; only what is open for writing is flushed."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are listed in /proc, which this system does not have")
    rename, replace, sync = Path.rename, Path.replace, os.fsync

    def refuse(path):
        if any(name == str(path) or name.startswith(f"{path}/") for name in open_files()):
            raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used")

    def checked(move):
        def moved(self, target):
            refuse(self.resolve())
            refuse(Path(target).resolve())
            if Path(target).is_dir() or (move is rename and Path(target).exists()):
                raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists")
            return move(self, target)

        return moved

    def checked_sync(descriptor):
        import fcntl

        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        sync(descriptor)

    monkeypatch.setattr(Path, "rename", checked(rename))
    monkeypatch.setattr(Path, "replace", checked(replace))
    monkeypatch.setattr(os, "fsync", checked_sync)
    monkeypatch.setattr("napari_inpaint.io.atomic._exchange", lambda _one, _other: False)
