"""Files and folders appear whole or not at all, on every system."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from napari_inpaint.io.atomic import locked, stage, tidy, tidy_all, write_atomically
from tests.io.faults import DONE, run_at_each_operation


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_folder(path, **files):
    with stage(path) as staged:
        staged.partial.mkdir()
        for name, text in files.items():
            (staged.partial / name).write_text(text)
        staged.sync()
        staged.appear()


def test_a_file_and_a_folder_appear_and_replace(tmp_path):
    for text in ("old", "new"):
        write_atomically(tmp_path / "a.png", text.encode())
        write_folder(tmp_path / "folder", **{text: text})
    assert contents(tmp_path) == {"a.png": b"new", "folder/new": b"new"}


def test_what_a_killed_process_left_is_used_up(tmp_path):
    (tmp_path / ".a.png.partial").write_bytes(b"a very long beginning of something")
    (tmp_path / ".a.png.lock").touch()
    write_atomically(tmp_path / "a.png", b"whole")
    (tmp_path / ".b.partial").mkdir()
    (tmp_path / ".b.partial" / "half").touch()
    write_folder(tmp_path / "b", whole="whole")
    assert contents(tmp_path) == {"a.png": b"whole", "b/whole": b"whole"}


def test_a_folder_whose_replacement_was_killed_halfway_comes_back(tmp_path):
    (tmp_path / ".b.replaced").mkdir()
    (tmp_path / ".b.replaced" / "precious").write_text("precious")
    with pytest.raises(ZeroDivisionError), stage(tmp_path / "b") as staged:
        staged.partial.mkdir()
        raise ZeroDivisionError
    assert contents(tmp_path) == {"b/precious": b"precious"}


def test_what_was_left_beside_something_finished_is_removed(tmp_path):
    write_atomically(tmp_path / "a.png", b"whole")
    write_folder(tmp_path / "b", whole="whole")
    for name in (".a.png.lock", ".b.lock"):
        (tmp_path / name).touch()
    (tmp_path / ".b.replaced").mkdir()
    for name in ("a.png", "b"):
        with locked(tmp_path / name):
            tidy(tmp_path / name)  # another process is writing it: it stays
        tidy(tmp_path / name)
    assert contents(tmp_path) == {"a.png": b"whole", "b/whole": b"whole"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b"]


def test_no_folder_is_made(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        write_atomically(tmp_path / "no" / "a.png", b"")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("killed", ["before the old folder was deleted", "while it was"])
def test_a_folder_that_was_replaced_is_garbage(tmp_path, killed):
    write_folder(tmp_path / "b", new="new")
    left = tmp_path / (".b.replaced" if killed.startswith("before") else ".b.partial")
    left.mkdir()
    (left / "old").write_text("old")
    write_folder(tmp_path / "b", newer="newer")
    assert contents(tmp_path) == {"b/newer": b"newer"}


def test_half_of_a_deleted_folder_never_comes_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "b", old="old", older="older")

    def killed(path, *_, **__):
        next(Path(path).iterdir()).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("shutil.rmtree", killed)
        write_folder(tmp_path / "b", new="new")
    shutil.rmtree(tmp_path / "b")
    with pytest.raises(ZeroDivisionError), stage(tmp_path / "b"):
        raise ZeroDivisionError
    assert contents(tmp_path) == {}


def test_a_folder_does_not_replace_a_file(tmp_path):
    write_atomically(tmp_path / "b", b"precious")
    with pytest.raises(NotADirectoryError):
        write_folder(tmp_path / "b", new="new")
    assert contents(tmp_path) == {"b": b"precious"}


def test_all_that_was_left_in_a_folder_is_removed(tmp_path):
    write_folder(tmp_path / "step-1", old="old")
    for name in (".step-2.partial", ".step-1.replaced"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
    (tmp_path / ".step-3.lock").touch()
    (tmp_path / ".hidden").touch()
    tidy_all(tmp_path)
    assert contents(tmp_path) == {"step-1/old": b"old", ".hidden": b""}


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_new_files_have_the_users_permissions(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a.png", b"")
    finally:
        os.umask(before)
    if os.name == "posix":
        assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o666 & ~umask


def test_the_lock_of_a_computer_that_died_is_named(tmp_path, monkeypatch):
    without_fcntl(monkeypatch)
    (tmp_path / ".a.png.lock").write_text("1\nanother-computer\n")
    with pytest.raises(BlockingIOError, match=r"if none is, delete .*\.a\.png\.lock"):
        write_atomically(tmp_path / "a.png", b"")


@pytest.mark.parametrize("name", ["a.png", "b"])
def test_a_failure_leaves_what_was_there(tmp_path, name):
    write_atomically(tmp_path / "a.png", b"old")
    write_folder(tmp_path / "b", old="old")
    with pytest.raises(ZeroDivisionError), stage(tmp_path / name) as staged:
        staged.partial.write_bytes(b"half")
        raise ZeroDivisionError
    assert contents(tmp_path) == {"a.png": b"old", "b/old": b"old"}


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a.png", b"old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        write_atomically(tmp_path / "a.png", b"new")
    assert contents(tmp_path) == {"a.png": b"old"}


@pytest.mark.posix("links need rights there")
def test_links_and_permissions_stay(tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "real.png").chmod(0o640)
    (tmp_path / "link.png").symlink_to("real.png")
    write_atomically(tmp_path / "link.png", b"new")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes() == b"new"
    assert (tmp_path / "real.png").stat().st_mode & 0o777 == 0o640


@pytest.mark.posix("links need rights there")
def test_a_link_in_place_of_the_partial_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".a.png.partial").symlink_to(tmp_path / "precious")
    write_atomically(tmp_path / "a.png", b"new")
    assert contents(tmp_path) == {"precious": b"precious", "a.png": b"new"}


@pytest.mark.posix("it has no named pipes")
def test_devices_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        write_atomically(tmp_path / "a.png", b"new")
    assert (tmp_path / "a.png").is_fifo()


def test_names_too_long_for_a_hidden_name(tmp_path):
    name = "ä" * 124 + ".npy"  # 252 of 255 bytes
    write_atomically(tmp_path / name, b"x")
    assert contents(tmp_path) == {name: b"x"}


def test_decomposed_names_stay_as_they_are(tmp_path):
    """As macOS gives them: the letter and its mark apart."""
    name = "Mu\u0308nchen.tif"
    write_atomically(tmp_path / name, b"x")
    assert contents(tmp_path) == {name: b"x"}


def without_flock(monkeypatch):
    """A file system without locks, such as Lustre mounted without them."""

    def flock(_descriptor, _operation):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)


def without_fcntl(monkeypatch):
    """What FileLock is on a system that has no locks at all."""
    monkeypatch.setattr("napari_inpaint.io.atomic.FileLock", filelock.SoftFileLock)


def refuse_locks(monkeypatch):
    """What filelock itself does not foresee: NFS whose lock daemon does not run."""

    def flock(_descriptor, _operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)


WITHOUT_LOCKS = [without_fcntl, *(pytest.param(each, marks=pytest.mark.posix("it locks without flock"))
                                  for each in (without_flock, refuse_locks))]  # fmt: skip


@pytest.mark.parametrize("spoil", [lambda _: None, *WITHOUT_LOCKS])
def test_two_writers_of_one_path_exclude_each_other(tmp_path, monkeypatch, spoil):
    spoil(monkeypatch)
    with locked(tmp_path / "a.png"):
        with pytest.raises(BlockingIOError, match="another process is writing it"):
            write_atomically(tmp_path / "a.png", b"other")
        write_atomically(tmp_path / "b.png", b"other")
    write_atomically(tmp_path / "a.png", b"mine")
    assert contents(tmp_path) == {"a.png": b"mine", "b.png": b"other"}


def test_processes_exclude_each_other(tmp_path):
    code = "import sys; from pathlib import Path; from napari_inpaint.io.atomic import write_atomically; "
    code += "write_atomically(Path(sys.argv[1]), b'')"
    with locked(tmp_path / "a.png"):
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "a.png"], capture_output=True, text=True, check=False
        )
    assert "BlockingIOError" in done.stderr
    assert not (tmp_path / "a.png").exists()


def test_many_threads_that_write_one_file_leave_one_of_theirs(tmp_path):
    errors = []

    def write(text):
        for _ in range(50):
            try:
                write_atomically(tmp_path / "a.png", text)
            except BlockingIOError:
                continue
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=write, args=(bytes([letter]) * 1000,)) for letter in b"abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    [(name, data)] = contents(tmp_path).items()
    assert (name, len(set(data)), len(data)) == ("a.png", 1, 1000)


def test_nothing_is_renamed_while_it_is_open(tmp_path, windows):
    for text in ("old", "new"):
        write_atomically(tmp_path / "a.png", text.encode())
        write_folder(tmp_path / "folder", **{text: text})
    assert contents(tmp_path) == {"a.png": b"new", "folder/new": b"new"}


def test_a_target_that_another_program_has_open_stays(tmp_path, windows):
    write_atomically(tmp_path / "a.png", b"old")
    write_folder(tmp_path / "folder", old="old")
    with (tmp_path / "a.png").open("rb"), pytest.raises(PermissionError, match="being used"):
        write_atomically(tmp_path / "a.png", b"new")
    with (tmp_path / "folder" / "old").open("rb"), pytest.raises(PermissionError, match="being used"):
        write_folder(tmp_path / "folder", new="new")
    assert contents(tmp_path) == {"a.png": b"old", "folder/old": b"old"}


OLD, NEW = {"one": b"old" * 999, "deep/two": b"old" * 99}, {"one": b"new" * 9999, "deep/three": b"new"}


def write_new_file(folder):
    write_atomically(folder / "file", NEW["one"])


def write_new_folder(folder):
    with stage(folder / "folder") as staged:
        for name, data in NEW.items():
            (staged.partial / name).parent.mkdir(parents=True, exist_ok=True)
            (staged.partial / name).write_bytes(data)
        staged.sync()
        staged.appear()


def write_new_folder_in_two_steps(folder):
    """As on systems that cannot exchange two names."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("napari_inpaint.io.atomic._exchange", lambda _one, _other: False)
        write_new_folder(folder)


def write_nothing(folder):
    pass


def write_old(folder):
    (folder / "file").write_bytes(OLD["one"])
    for name, data in OLD.items():
        (folder / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "folder" / name).write_bytes(data)


def read_target(folder, job):
    """Return what a job has written; None when nothing is there."""
    target = folder / ("file" if "file" in job.__name__ else "folder")
    return {"one": target.read_bytes()} if target.is_file() else contents(target) if target.is_dir() else None


@pytest.mark.posix("nothing is killed by a signal there")
@pytest.mark.parametrize("prepare", [write_nothing, write_old])
@pytest.mark.parametrize("job", [write_new_file, write_new_folder, write_new_folder_in_two_steps])
def test_there_is_the_old_or_the_new_whole_whichever_operation_fails(tmp_path, monkeypatch, job, prepare):
    monkeypatch.setattr(os, "fsync", bool)
    old, new = (({"one": each["one"]} if "file" in job.__name__ else each) for each in (OLD, NEW))
    before = old if prepare is write_old else None
    for kind, folder, ended in run_at_each_operation(job, prepare, tmp_path):
        left = read_target(folder, job)
        if left is None and before and "two_steps" in job.__name__ and kind != "failed once":
            left = contents(folder / ".folder.replaced")
        assert left in (before, new)
        assert left == new or ended != DONE
        assert kind != "full" or not hidden_names(folder)
        job(folder)
        assert read_target(folder, job) == new
        assert not hidden_names(folder)


def hidden_names(folder):
    return [path.name for path in folder.iterdir() if path.name[0] == "."]
