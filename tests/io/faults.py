"""Processes that are killed, and disks that fail, at one operation on the file system after another."""

import builtins
import contextlib
import errno
import io
import itertools
import os
import pkgutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from napari_inpaint.io import atomic

AUDITED = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink", "os.truncate",
           "os.utime", "os.scandir", "fcntl.flock"}  # fmt: skip
"""Operations that Python announces; the others are replaced by ones that do."""
TAKES_SPACE = {"create", "write", "os.sendfile", "os.mkdir", "os.fsync", "close"}
LOOKS = {"os.stat", "os.lstat", "os.scandir"}
"""Operations that change nothing: who is killed there could as well be killed at the next one."""
KINDS = ("killed", "full", "failed once", "failed for good")
"""At an operation, the process is killed, the disk is full from then on, or it fails, once or from then on."""
NOT_REACHED, DONE, REPORTED = 10, 11, 12
"""How a process ends: there were fewer operations; or the fault did not matter; or it ended with an error."""


@dataclass
class Fault:
    """Counts the operations inside of a folder, and strikes at one of them."""

    folder: Path
    kind: str
    at: int
    seen: int = 0

    def install(self):
        sys.addaudithook(self.hear)
        opened = io.open

        def open_counted(file, mode="r", *words, **options):
            if not ("b" in mode and set("wxa") & set(mode) and self.is_inside(file)):
                return opened(file, mode, *words, **options)
            return io.BufferedWriter(CountedFile(file, mode, fault=self))

        io.open = builtins.open = open_counted
        os.fsync = bool  # of a power cut nothing is tested here, and it takes long
        for name in ("fsync", "stat", "lstat"):
            setattr(os, name, self.count(f"os.{name}", getattr(os, name)))
        if hasattr(os, "sendfile"):
            send = os.sendfile

            def send_counted(out, source, offset, size):
                self.strike("os.sendfile", lambda: send(out, source, offset, os.fstat(source).st_size // 2 or 1))
                return send(out, source, offset, size)

            os.sendfile = send_counted
        atomic._exchange = self.count("exchange", atomic._exchange)

    def count(self, name, operation):
        def counted(*words, **options):
            if isinstance(words[0], int) or self.is_inside(words[0]):
                self.strike(name)
            return operation(*words, **options)

        return counted

    def hear(self, event, words):
        if event not in AUDITED:
            return
        by_descriptor = event in ("fcntl.flock", "os.scandir") and isinstance(words[0], int)
        below_descriptor = event in ("os.remove", "os.rmdir") and words[1] != -1  # as rmtree does
        if by_descriptor or below_descriptor or self.is_inside(words[0]):
            self.strike("create" if event == "open" and words[2] & os.O_CREAT else event)

    def is_inside(self, path):
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(os.fspath(self.folder))

    def strike(self, name, half=lambda: None):
        """Fail, where it is time to, after half of the operation."""
        if (self.kind == "full" and name not in TAKES_SPACE) or (self.kind == "killed" and name in LOOKS):
            return
        strikes = self.seen == self.at or (self.seen > self.at and self.kind in ("full", "failed for good"))
        self.seen += 1
        if not strikes:
            return
        half()
        if self.kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.ENOSPC if self.kind == "full" else errno.EIO
        raise OSError(number, os.strerror(number))


class CountedFile(io.FileIO):
    def __init__(self, file, mode, fault):
        self.fault = fault
        super().__init__(file, mode)

    def write(self, data):
        self.fault.strike("write", lambda: super(CountedFile, self).write(memoryview(data)[: len(data) // 2]))
        return super().write(data)

    def close(self):
        try:
            if not self.closed:
                self.fault.strike("close")
        finally:
            super().close()


def run_with(fault, job):
    """Do a job that writes into the folder of a fault, and end this process with what came of it."""
    fault.install()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stderr(nowhere),
        contextlib.redirect_stdout(nowhere),
    ):
        try:
            failed = bool(job(fault.folder))
        except OSError:
            failed = True
    reached = fault.seen > fault.at
    os._exit((REPORTED if failed else DONE) if reached else 1 if failed else NOT_REACHED)


def main(job, prepare, root, *kinds):
    """Do a job at all faults, each time in a copy of this process, and print how these ended."""
    for kind in kinds:
        for at in itertools.count():
            fault = Fault(Path(root, f"{kind}-{at}"), kind, at)
            fault.folder.mkdir()
            prepare(fault.folder)
            process = os.fork()
            if not process:
                run_with(fault, job)
            ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            if ended == NOT_REACHED:
                break
            sys.stdout.write(f"{ended} {fault.folder}\n")


def run_at_each_operation(job, prepare, root, kinds=KINDS):
    """Do a job again and again, each time with a fault at the next operation.

    Yields
    ------
    kind, folder, ended
        Of the fault; the folder as it was left; and how the process ended: killed, DONE or REPORTED.
    """
    names = [f"{each.__module__}:{each.__name__}" for each in (job, prepare)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.io.faults", *names, root, *kinds], cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 5 * len(kinds)  # or operations are not counted any more
    for line in lines:
        ended, folder = line.split(" ", 1)
        kind = Path(folder).name.rpartition("-")[0]
        assert int(ended) in ((-signal.SIGKILL,) if kind == "killed" else (DONE, REPORTED)), line
        yield kind, Path(folder), int(ended)


if __name__ == "__main__":
    main(*map(pkgutil.resolve_name, sys.argv[1:3]), *sys.argv[3:])
