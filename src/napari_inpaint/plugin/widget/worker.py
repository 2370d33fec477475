"""Fills and checks, off the GUI thread; arrays in, arrays out."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import warnings
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QThreadPool, Signal  # type: ignore[attr-defined]
from superqt.utils import WorkerBase, create_worker

from napari_inpaint.inference.cancelling import FillCancelledError
from napari_inpaint.inference.inputs.kinds import LABELS, MOSAIC, PHASE, WRAP
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.plugin.layers.results import to_data, to_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from superqt.utils import FunctionWorker

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inpainter import Inpainter
    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.inference.windows.patches import Patch
    from napari_inpaint.plugin.layers.job import Job

CANCELLED = "Cancelled; nothing was changed."
REMEDY = {
    "fill NaN too (nan_is_hole=True, --nan)": "choose the image's NaN pixels as holes",
    **dict.fromkeys((LABELS, PHASE, MOSAIC, WRAP), "choose what the image is"),
}
"""Words of the engine for those who write programs, and what they mean here."""


@dataclass(frozen=True, slots=True)
class Settings:
    """With what, and how, holes are filled."""

    model: str
    device: str
    options: FillOptions = field(default_factory=FillOptions)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a fill made."""

    job: Job
    patches: tuple[Patch, ...]
    record: dict[str, Any]
    """As the new layer keeps it."""
    data: Any
    """Of the new layer; None when the image is to be changed in place."""
    sentences: tuple[str, ...]
    """What to tell the user."""


def make_inpainter(settings: Settings) -> Inpainter:
    """Return what fills; opened models are shared. The engine is imported here, off the GUI's thread."""
    from napari_inpaint.inference.inpainter import Inpainter

    return Inpainter(settings.model, settings.device)


def make_room() -> None:
    """Let go of opened models that nobody uses."""
    from napari_inpaint.inference.runtime.loading import forget_sessions

    forget_sessions()


def run_fill(
    job: Job, settings: Settings, in_place: bool, cancel: Event, on_progress: Callable[[int, int], object] | None = None
) -> Result | str:
    """Fill the holes of a job; return a sentence when the user must change something.

    Raises
    ------
    ImportError, RuntimeError, MemoryError, OSError
        When the runtime, the device or the data fail.
    """
    from napari_inpaint.inference.inputs.job import read_job

    try:
        inpainter, options = make_inpainter(settings), job.complete(settings.options)
        holes = read_job(job.image, job.masks, job.boxes, options, cancel)
        patches, made = inpainter.run(holes, options, on_progress, cancel)
        if not made.filled_pixels:
            return "No pixel of the image is a hole: nothing was filled."
        record = to_record(job, made.to_dict())
        data = None if in_place else to_data(job, patches, cancel, options.values != "intensity")
        problem = inpainter.session.cuda_problem if record["provider"] else ""
    except FillCancelledError:
        return CANCELLED
    except ValueError as error:
        return to_sentence(error)
    ran = f"by {record['provider']}" + (f" ({problem})" if problem else "")
    copied = any(copy["offsets"] for copy in record["copies"])
    how = ran if record["provider"] else "by copies, without the network" if copied else "smoothly, without the network"
    how = "with labels of their rims, without the network" if options.values == "labels" else how
    pixels = f"{record['filled_pixels']:,} pixel{'s' if record['filled_pixels'] > 1 else ''}"
    sentences = (f"{pixels} filled in {record['seconds']:.2f} s {how}", *job.notes, *record["notes"])
    return Result(job, tuple(patches), record, data, tuple(map(to_sentence, sentences)))


def run_check(job: Job, settings: Settings, cancel: Event) -> SelfCheck | str:
    """Hide known pixels beside the holes of a job, fill and compare them; or return a sentence that says why not."""
    options = job.complete(settings.options)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the report has them too
            return make_inpainter(settings).self_check(
                job.image, job.masks, job.boxes, cancel=cancel, **asdict(options)
            )
    except FillCancelledError:
        return CANCELLED
    except ValueError as error:
        return to_sentence(error)


def to_sentence(error: object) -> str:
    """Return what an error says, as a sentence."""
    text = str(error) or ("not enough memory" if isinstance(error, MemoryError) else type(error).__name__)
    for words, meaning in REMEDY.items():
        text = text.replace(words, meaning)
    return text[:1].upper() + text[1:].rstrip(".") + "."


def warm_up(settings: Settings) -> tuple[Settings, str]:
    """Open the model before the first fill; return the settings, and a sentence about what it runs on."""
    try:
        inpainter = make_inpainter(settings)
        session = inpainter.session
        inpainter.warm_up().join()
    except (ValueError, ImportError, RuntimeError) as error:
        return settings, to_sentence(error)
    problem = f"; no CUDA: {session.cuda_problem}" if session.cuda_problem else ""
    return settings, f"{session.provider}, {session.spec.precision}{problem}"


class Running(QObject):
    """Work in another thread; its signals arrive in the GUI's. It is the event that stops the work.

    Parameters
    ----------
    function
        Takes ``arguments``, the event as ``cancel``, and, when it ``counts``, ``on_progress``.
    """

    progressed = Signal(int, int)
    """Steps that are done, and of all: windows, and regions that are copied."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, counts: bool = False) -> None:
        super().__init__()
        self._stopped = threading.Event()
        self.started = time.monotonic()
        options: dict[str, Any] = {"on_progress": self.progressed.emit} if counts else {}
        self.worker: FunctionWorker[Any] = create_worker(
            function, *arguments, cancel=self, **options, _start_thread=False, _ignore_errors=True,
        )  # fmt: skip

    def stop(self) -> None:
        """Let the work end as soon as it can."""
        self._stopped.set()

    def is_set(self) -> bool:
        """Return whether the work is to end: the user cancelled, or napari closes."""
        return self._stopped.is_set() or self.worker.abort_requested


@atexit.register
def stop_workers() -> None:
    """Ask all workers to stop, and wait for them: a thread that outlives Qt ends the process with a crash."""
    for worker in [*WorkerBase._worker_set]:
        with contextlib.suppress(RuntimeError):  # Qt has deleted it
            worker.quit()
    pool = QThreadPool.globalInstance()
    if pool is not None:
        pool.waitForDone()
