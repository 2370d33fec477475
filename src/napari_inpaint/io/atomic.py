"""Files and folders that appear whole or not at all: the one place in the project that puts them where they belong."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, SoftFileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
"""What file systems without locks answer: some of FUSE, NFS and Lustre."""
AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""Of Linux: paths are as usual, and two names are exchanged."""
HIDDEN = ("lock", "softlock", "partial", "replaced")
"""What stands beside a file or folder while it is written."""
warnings.filterwarnings("ignore", message="flock not supported")  # filelock makes do without, and says so each time


@dataclass(frozen=True, slots=True)
class Staged:
    """A file or folder that is being written under a hidden name."""

    partial: Path
    """Where to write it. Nothing is there yet; close it before it appears, since Windows renames no open files."""
    target: Path
    """Where it will appear."""

    def write(self, data: bytes) -> None:
        """Write a file, and have the disk keep it: from then on a full disk does not stop it from appearing.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        with self.partial.open("xb") as file:  # never through a link that somebody puts there
            file.write(data)
        self.sync()

    def sync(self) -> None:
        """Have the disk keep what was written: a power cut must not leave a whole name on half a file."""
        for path in [self.partial] if self.partial.is_file() else self.partial.rglob("*"):
            if path.is_file():
                with path.open("r+b") as file:  # Windows flushes only what is open for writing
                    os.fsync(file.fileno())

    def appear(self) -> None:
        """Give it its name, and the permissions of a file that it replaces.

        Raises
        ------
        OSError
            For example when another program has the target open, on Windows; the target stays as it was.
        """
        if self.partial.is_file():
            if self.target.is_file() and os.name == "posix":  # Windows only knows read-only, which it does not replace
                self.partial.chmod(self.target.stat().st_mode & 0o7777)
            self.partial.replace(self.target)
            return
        replaced = hidden(self.target, "replaced")
        if self.target.exists():
            if not self.target.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "it is no folder")
            if _exchange(self.partial, self.target):
                return
            self.target.rename(replaced)  # two steps; `stage` takes this one back after a crash
        self.partial.rename(self.target)
        if replaced.exists():
            replaced.rename(self.partial)  # what has this name is garbage, however much of it is deleted


@contextlib.contextmanager
def stage(path: Path) -> Iterator[Staged]:
    """Claim a path for this process, and give what makes a file or folder appear there; else nothing is left behind.

    The hidden names are always the same, so that what a killed process left is used up by the next one.

    Parameters
    ----------
    path
        Where the file or folder is to appear; a link stays a link. Its parent folder must exist.

    Raises
    ------
    BlockingIOError
        When another process is writing it.
    OSError
        When the folder cannot be written, or the path is something else than a file or a folder, such as a device.
    """
    target = path.resolve()
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"{target.parent} is no folder")
    if target.exists() and not target.is_file() and not target.is_dir():
        raise OSError(errno.EINVAL, "it is neither a file nor a folder")
    if target.is_dir() and target.is_mount():
        raise OSError(errno.EBUSY, "it is a mount point, which cannot be replaced: name a folder inside it")
    partial, replaced = hidden(target, "partial"), hidden(target, "replaced")

    def clean() -> None:
        if replaced.exists():  # killed between the renames of `appear`
            if target.exists():  # after the new folder had its name
                _remove(partial)
                replaced.rename(partial)
            else:
                replaced.rename(target)
        _remove(partial)

    with locked(target):
        clean()
        try:
            yield Staged(partial, target)
        finally:
            with contextlib.suppress(OSError):  # what cannot be removed now is used up by the next one
                clean()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises
    ------
    OSError
        As `stage`, and when the disk is full; nothing is left behind, and an existing file stays as it was.
    """
    with stage(path) as staged:
        staged.write(data)
        staged.appear()


def tidy(path: Path) -> None:
    """Remove what a killed process left beside a file or folder that it had just finished."""
    target = path.resolve()
    if any(hidden(target, kind).exists() for kind in HIDDEN):
        with contextlib.suppress(OSError), stage(target):
            pass


def tidy_all(folder: Path) -> None:
    """Remove what killed processes left of anything in a folder."""
    for kind in HIDDEN:
        for path in folder.glob(f".*.{kind}"):
            tidy(folder / path.name.removeprefix(".").removesuffix(f".{kind}"))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes of ours from writing a path.

    Raises
    ------
    BlockingIOError
        When another process, or thread, has it.
    """
    lock: FileLock | SoftFileLock = FileLock(hidden(path, "lock"), timeout=0)
    try:
        try:
            lock.acquire()
        except OSError as error:
            if error.errno not in NO_LOCKS:  # a Timeout, too
                raise
            hidden(path, "lock").unlink(missing_ok=True)
            lock = SoftFileLock(hidden(path, "softlock"), timeout=0)
            lock.acquire()
    except Timeout:
        remedy = f"another process is writing it; if none is, delete {lock.lock_file}"
        raise BlockingIOError(errno.EAGAIN, remedy, str(path)) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows deletes no open file
            hidden(path, "lock").unlink()
        lock.release()


def hidden(path: Path, kind: str) -> Path:
    """Return the name of a file that stands for another one while that is written."""
    name = path.name if len(os.fsencode(path.name)) < 200 else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return path.with_name(f".{name}.{kind}")


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, where the system and the file system can; return whether they did."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    arguments = AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE
    return rename is not None and rename(*arguments) == 0


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
