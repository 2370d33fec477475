import csv
import json
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import inpaint_training.data.pack
from inpaint_training.cli import main
from inpaint_training.data.dataset import INDEX, PhotoDataset
from inpaint_training.data.pack import AHEAD, REPORT, PackSettings, decode_ahead, pack, summarise
from inpaint_training.progress import CancelledError, Watch


def report(folder):
    with (folder / REPORT).open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pack_says_what_it_left_out_and_why(tmp_path, photos):
    left_out = pack([photos], tmp_path / "data").left_out
    left_out = {Path(name).relative_to(photos).as_posix(): reason for name, reason in left_out.items()}
    assert left_out.keys() - {"a.jpg", "again.jpg"} == {"sub/small.jpg", "sub/broken.jpg"}
    assert len(left_out) == 3
    assert "640 x 340" in left_out["sub/small.jpg"]
    assert "not readable" in left_out["sub/broken.jpg"]
    assert any(reason.startswith("repeats") for reason in left_out.values())
    assert len(PhotoDataset(tmp_path / "data")) == 3
    assert len(pack([photos], tmp_path / "all", PackSettings(keep_duplicates=True)).left_out) == 2


def test_the_report_repeats_what_pack_returns(tmp_path, photos, windows):
    left_out = pack([photos], tmp_path / "data").left_out
    assert report(tmp_path / "data") == [("name", "reason"), *left_out.items()]
    assert json.loads((tmp_path / "data" / INDEX).read_text(encoding="utf-8"))["left_out"] == left_out


def test_the_report_is_there_when_nothing_was_left_out(tmp_path, photos):
    assert pack([photos / "b.jpg"], tmp_path / "data").left_out == {}
    assert report(tmp_path / "data") == [("name", "reason")]


def test_the_report_takes_any_name(tmp_path, photos):
    name = 'a, "b"\n\udcff.jpg'
    with tarfile.open(tmp_path / "odd.tar", "w") as archive:
        archive.add(photos / "b.jpg", "b.jpg")
        archive.add(photos / "sub" / "small.jpg", name)
    pack([tmp_path / "odd.tar"], tmp_path / "data")
    [_, (named, _)] = report(tmp_path / "data")
    assert named.endswith('a, "b"\n\\udcff.jpg')


@pytest.mark.parametrize("jobs", [2, 3, 8])
def test_the_result_is_the_same_with_any_number_of_threads(tmp_path, photos, jobs):
    one = pack([photos], tmp_path / "one", PackSettings(jobs=1))
    assert one == pack([photos], tmp_path / "many", PackSettings(jobs=jobs))
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_shards_are_started_when_one_is_full(tmp_path, photos, monkeypatch):
    pack([photos], tmp_path / "one")
    monkeypatch.setattr(inpaint_training.data.pack, "SHARD_BYTES", 1000)
    pack([photos], tmp_path / "many")
    assert {path.name for path in (tmp_path / "many").glob("*.bin")} == {f"photos-00{i}.bin" for i in range(3)}
    one, many = PhotoDataset(tmp_path / "one"), PhotoDataset(tmp_path / "many")
    for i in range(3):
        np.testing.assert_array_equal(one.photo(i), many.photo(i))


@pytest.mark.parametrize("jobs", [1, 3])
def test_few_photos_are_in_flight_and_come_in_order(jobs):
    read, running, most = [], set(), 0

    def photos():
        for i in range(100):
            read.append(i)
            yield str(i), bytes([i])

    def decode(data):
        nonlocal most
        running.add(data)
        most = max(most, len(running))
        time.sleep(0.005 if data[0] % 10 == 0 else 0)  # some are slow
        running.remove(data)
        return data

    for i, (name, result) in enumerate(decode_ahead(decode, photos(), jobs)):
        assert (name, result.result()) == (str(i), bytes([i]))
        assert len(read) - i <= AHEAD * jobs
    assert i == 99
    assert most <= jobs


def test_closing_cancels_what_has_not_begun():
    begun, gate = [], threading.Event()

    def decode(data):
        begun.append(data)
        gate.wait(10)

    results = decode_ahead(decode, ((str(i), bytes([i])) for i in range(100)), jobs=1)
    next(results)
    threading.Timer(0.05, gate.set).start()
    results.close()
    assert len(begun) <= 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pack")]


def test_a_full_folder_is_not_touched(tmp_path, photos):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ValueError, match="not empty"):
        pack([photos], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_usable_leaves_nothing_behind(tmp_path, photos):
    with pytest.raises(ValueError, match="no such file"):
        pack([photos / "nonsense"], tmp_path / "data")
    with pytest.raises(ValueError, match="neither a folder"):
        pack([photos / "notes.txt"], tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_reasons_are_kept_when_all_is_refused(tmp_path, photos, capsys):
    assert main(["pack", str(photos / "sub"), str(tmp_path / "data")]) == 1
    [kept] = tmp_path.iterdir()
    assert kept.name == "data.left-out.csv"
    said = capsys.readouterr().err
    assert "no usable photo in" in said
    assert "1 too small" in said
    assert "1 not readable" in said
    assert str(kept) in said
    with kept.open(newline="", encoding="utf-8") as file:
        rows = dict(csv.reader(file))
    assert rows[(photos / "sub" / "small.jpg").as_posix()].startswith("too small: it has only 640 x 340 pixels")
    assert "--native" in rows[(photos / "sub" / "small.jpg").as_posix()]


def test_micrographs_are_packed_and_trained_on(tmp_path, micrograph):
    """Sixteen bits, at their own scale; a stack is as many images as it has planes, all held out or none."""
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(micrograph(number)).save(tmp_path / "in" / f"{number}.png")
    tifffile.imwrite(
        tmp_path / "in" / "stack.tif", np.stack([micrograph(9)] * 2 + [micrograph(8)]), photometric="minisblack"
    )
    assert main(["pack", str(tmp_path / "in"), str(tmp_path / "data")]) == 0
    dataset = PhotoDataset(tmp_path / "data")
    assert [Path(entry.name).name for entry in dataset.entries] == ["0.png", "1.png", "2.png", *(
        f"stack.tif[{plane}]" for plane in range(3))]  # fmt: skip
    np.testing.assert_array_equal(dataset.photo(1)[..., 0], micrograph(1))
    np.testing.assert_array_equal(dataset.photo(3), dataset.photo(4))  # planes of one file are not compared
    assert len(set(dataset.files)) == 4
    assert all(entry.native and entry.dtype == "uint16" and entry.channels == 1 for entry in dataset.entries)


def test_planes_that_repeat_another_file_are_left_out(tmp_path, micrograph):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([micrograph(0), micrograph(1)]))
    tifffile.imwrite(tmp_path / "b.tif", np.stack([micrograph(2), micrograph(1)]))
    packed = pack([tmp_path], tmp_path / "data")
    a, b = ((tmp_path / name).as_posix() for name in ("a.tif", "b.tif"))
    assert packed.left_out == {f"{b}[1]": f"repeats {a}[1]"}


def test_small_photos_are_taken_at_their_own_scale_with_native(tmp_path, photo):
    Image.fromarray(photo[:100, :120]).save(tmp_path / "small.png")
    Image.fromarray(photo).save(tmp_path / "large.png")
    Image.fromarray(photo[:90, :120]).save(tmp_path / "tiny.png")
    packed = pack([tmp_path], tmp_path / "data", PackSettings(short_side=400, native=True))
    assert {entry.shape for entry in packed.entries} == {(100, 120, 3), (*photo.shape[:2], 3)}
    [reason] = packed.left_out.values()
    assert "120 x 90 pixels, the least is 96" in reason


def test_what_nothing_can_be_learnt_from_is_left_out(tmp_path):
    holes = np.random.default_rng(0).random((120, 120)).astype(np.float32)
    holes[:80] = np.nan
    packed = pack([np.full((100, 100), 7), holes, np.arange(10000.0).reshape(100, 100)], tmp_path / "data")
    assert [entry.name for entry in packed.entries] == ["array 2"]
    assert packed.left_out["array 0"].startswith("constant: ")
    assert "mostly empty: 67 %" in packed.left_out["array 1"]


def test_damage_counts_as_no_value(tmp_path, micrograph, photo):
    """In images at their own scale and in photos that are scaled; the masks themselves are not packed."""
    (tmp_path / "in" / "masks").mkdir(parents=True)
    damage = np.zeros((512, 640), np.uint8)
    damage[100:140, 200:280] = 255
    Image.fromarray(photo).save(tmp_path / "in" / "photo.png")
    Image.fromarray(micrograph(0)).save(tmp_path / "in" / "m.png")
    Image.fromarray(micrograph(1)).save(tmp_path / "in" / "whole.png")
    Image.fromarray(damage).save(tmp_path / "in" / "masks" / "photo_mask.png")
    Image.fromarray(damage[60:160, 180:300]).save(tmp_path / "in" / "masks" / "orphan.png")
    Image.fromarray(np.pad(damage[95:105, 195:205], ((0, 118), (0, 150)))).save(tmp_path / "in" / "masks" / "m.png")
    assert main(["pack", str(tmp_path / "in"), str(tmp_path / "data"), "--short-side", "384", "--masks",
                 str(tmp_path / "in" / "masks")]) == 0  # fmt: skip
    dataset = PhotoDataset(tmp_path / "data")
    names = [Path(entry.name).name for entry in dataset.entries]
    assert names == ["m.png", "photo.png", "whole.png"]
    np.testing.assert_array_equal(dataset.valid(0) == 0, np.pad(damage[95:105, 195:205], ((0, 118), (0, 150))) > 0)
    hidden = dataset.valid(1) == 0
    assert hidden[75:105, 150:210].all()
    assert 0.9 < hidden.sum() / (30 * 60) < 1.6  # what Lanczos mixes with it too
    assert dataset.valid(2) is None


def test_a_data_set_tells_what_it_is_told_and_can_be_stopped(tmp_path, photos):
    told, stop = [], threading.Event()
    pack([photos], tmp_path / "data", watch=Watch(told.append, stop, bar=False))
    assert [report.step for report in told] == list(range(1, 7))
    stop.set()
    with pytest.raises(CancelledError, match="nothing was written"):
        pack([photos], tmp_path / "other", watch=Watch(cancel=stop, bar=False))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(("options", "words"), [({"jobs": 0}, "--jobs"), ({"short_side": 349}, "--short-side")])
def test_numbers_out_of_range_are_refused(tmp_path, photos, options, words):
    with pytest.raises(ValueError, match=words):
        pack([photos], tmp_path / "data", PackSettings(**options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("error", "words"), [(MemoryError, "not enough memory"), (OSError("disk full"), "disk full")])
def test_an_error_in_a_thread_is_a_sentence_and_leaves_nothing(tmp_path, photos, monkeypatch, capsys, error, words):
    def fail(*_):
        raise error

    monkeypatch.setattr(inpaint_training.data.pack, "read_pictures", fail)
    assert main(["pack", str(photos), str(tmp_path / "data"), "--jobs", "2"]) == 1
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pack")]


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT for one process")
def test_ctrl_c_leaves_nothing_behind(tmp_path, photos):
    (tmp_path / "in").mkdir()
    for i in range(1000):  # seconds of work
        (tmp_path / "in" / f"{i}.jpg").hardlink_to(photos / "a.jpg")
    (tmp_path / "out").mkdir()
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # where the parent ignores it
        "from inpaint_training.cli import main; sys.exit(main())"
    )
    arguments = ["pack", str(tmp_path / "in"), str(tmp_path / "out" / "data"), "--keep-duplicates"]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "out").glob(".data.partial/photos-000.bin")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "stopped" in messages
    assert "Traceback" not in messages
    assert list((tmp_path / "out").iterdir()) == []


def test_the_summary_counts_the_reasons():
    assert summarise({}) == ""
    assert summarise({"a": "repeats b", "c": "repeats d", "e": "not readable: x"}) == "2 repeated, 1 not readable"
