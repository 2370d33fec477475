"""Records say what was done, in whichever thread."""

import concurrent.futures
import json
import threading

import numpy as np
import pytest

from napari_inpaint import Inpainter


def test_a_failed_fill_leaves_no_record(inpainter, photo):
    inpainter.fill(photo, boxes=[(100, 100, 140, 150)])
    with pytest.raises(ValueError, match="not wholly inside"):
        inpainter.fill(photo, boxes=[(100, 100, 140, 1500)])
    assert inpainter.last_record is None


def test_record_says_what_was_done(inpainter, photo):
    inpainter.fill(photo, boxes=[(100, 100, 140, 150)], grow=1)
    record = inpainter.last_record
    assert (record["model"], record["provider"], record["grow"]) == ("compact", "CPUExecutionProvider", 1)
    assert record["filled_pixels"] == 42 * 52
    assert record["windows"][0]["holes"] == ((99, 99, 141, 151),)
    assert len(record["model_sha256"]) == len(record["mask_sha256"]) == 64


def test_threads_have_their_own_records(inpainter, photo):
    boxes = [[(10 + n, 100, 50 + n, 150)] for n in range(4)]
    barrier = threading.Barrier(4)

    def job(n):
        inpainter.fill(photo, boxes=boxes[n])
        barrier.wait(30)
        return inpainter.last_record["windows"][0]["holes"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(job, range(4))) == [tuple(each) for each in boxes]


def test_a_record_is_readable_from_another_thread():
    inpainter = Inpainter("compact", "cpu")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(inpainter.fill, np.ones((50, 50)), boxes=[(5, 5, 9, 9)]).result()
    assert inpainter.last_record["filled_pixels"] == 16


def test_records_are_plain_whatever_the_options_are(inpainter, photo):
    inpainter.fill(photo, boxes=np.array([(100, 100, 140, 150)]), grow=np.uint8(2), seam=np.bool_(True))
    record = json.loads(json.dumps(inpainter.last_record))
    assert (record["grow"], record["seam"], record["windows"][0]["holes"]) == (2, True, [[98, 98, 142, 152]])
