"""A cancel ends whatever is under way."""

import concurrent.futures
import threading
import warnings

import numpy as np
import pytest

from napari_inpaint import FillCancelledError, Inpainter


def test_progress_and_cancel(inpainter, photo):
    boxes = [(0, 0, 40, 40), (400, 500, 440, 540), (0, 600, 40, 640), (200, 100, 210, 110)]
    seen = []
    inpainter.fill(photo, boxes=boxes, on_progress=lambda done, total: seen.append((done, total)))
    total = len(inpainter.plan(photo, boxes=boxes).windows) + len(boxes)  # a region is copied for every hole
    assert seen == [(done, total) for done in range(1, total + 1)]
    cancel = threading.Event()
    with pytest.raises(FillCancelledError, match="nothing was changed"):
        inpainter.fill(photo, boxes=boxes, on_progress=lambda *_: cancel.set(), cancel=cancel)
    assert inpainter.last_record is None
    with pytest.raises(FillCancelledError):
        inpainter.fill(photo, boxes=boxes[:1], cancel=cancel)

    def fail(*_):
        raise RuntimeError("a bug of the caller's")

    with pytest.raises(RuntimeError, match="a bug"):
        inpainter.fill(photo, boxes=boxes, on_progress=fail, cancel=threading.Event())
    np.testing.assert_array_equal(  # the same inpainter goes on
        inpainter.fill(photo, boxes=boxes, cancel=threading.Event()), inpainter.fill(photo, boxes=boxes)
    )


def test_a_cancel_ends_a_running_network_call(photo):
    inpainter, cancel, called = Inpainter("compact.fp32", "cpu", threads=1), threading.Event(), threading.Event()
    complete = inpainter.session.complete
    large = np.zeros((1, 3, 3000, 3000), np.float32)  # many seconds on any CPU

    class Slow:
        """The session, whose one call takes long."""

        def __getattr__(self, name):
            return getattr(session, name)

        def complete(self, image, mask, stop):
            called.set()
            return complete(large, np.ones_like(large[:, :1]), stop)

    session = inpainter.session
    inpainter._session = Slow()
    before = photo.tobytes()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        filling = pool.submit(inpainter.fill, photo, boxes=[(100, 100, 150, 150)], cancel=cancel)
        assert called.wait(30)
        cancel.set()
        with pytest.raises(FillCancelledError):
            filling.result(timeout=5)
    assert photo.tobytes() == before


def test_a_cancel_ends_the_correction_of_a_large_hole_too(inpainter):
    y, x = np.mgrid[:1500, :1500]
    cancel = threading.Event()
    image = np.random.default_rng(0).integers(0, 255, (1500, 1500), np.uint8)
    threading.Timer(0.3, cancel.set).start()
    with warnings.catch_warnings(), pytest.raises(FillCancelledError):
        warnings.simplefilter("ignore", UserWarning)
        inpainter.fill(image, (y - 750) ** 2 + (x - 750) ** 2 < 700**2, cancel=cancel)
