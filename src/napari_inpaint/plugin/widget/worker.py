"""Fills and checks, off the GUI thread; arrays in, arrays out."""

from __future__ import annotations

import atexit
import contextlib
import functools
import threading
import time
import warnings
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QThreadPool, Signal  # type: ignore[attr-defined]
from superqt.utils import WorkerBase, create_worker

from napari_inpaint.inference.cancelling import FillCancelledError
from napari_inpaint.inference.inputs.panel import Panel
from napari_inpaint.inference.options import LABELS, MOSAIC, PHASE, WRAP, FillOptions
from napari_inpaint.inference.windows.writing import to_channel
from napari_inpaint.plugin.layers.results import to_data, to_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from superqt.utils import FunctionWorker

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inpainter import Inpainter
    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.inference.windows.patches import Patch
    from napari_inpaint.plugin.layers.job import Job

CANCELLED = "Cancelled; nothing was changed."
WHERE = {"CPUExecutionProvider": "on the CPU", "CUDAExecutionProvider": "on CUDA"}
"""What ran, in words."""
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
    """What a fill made of one layer."""

    job: Job
    patches: tuple[Patch, ...]
    record: dict[str, Any]
    """As the layer keeps it."""
    data: Any
    """Of the layer; None when its array is to be changed in place."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a fill made of all layers that were filled together."""

    results: tuple[Result | None, ...]
    """In the order of the jobs; None where there was nothing to fill."""
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
    jobs: Sequence[Job], settings: Settings, in_place: Sequence[bool], cancel: Event,
    on_progress: Callable[[int, int], object] | None = None,
) -> Outcome | str:  # fmt: skip
    """Fill the holes of jobs, channels of one image together; return a sentence when the user must change something.

    Parameters
    ----------
    jobs
        One for every layer.
    settings
    in_place
        Whether the layer's own array is to be changed, and needs no data.
    cancel, on_progress
        As `Inpainter.fill`.

    Raises
    ------
    ImportError, RuntimeError, MemoryError, OSError
        When the runtime, the device or the data fail.
    """
    results: dict[int, Result] = {}
    sentences: list[str] = []
    try:
        groups, notes = to_groups(jobs, settings.options)
        for number, group in enumerate(groups):
            step = None if on_progress is None else functools.partial(_count, on_progress, number, len(groups))
            filled = _fill_group(group, settings, cancel, step)
            names = ", ".join(repr(job.name) for job in group)
            if filled is None:
                notes.append(f"no pixel of {names} is a hole")
                continue
            patches, record, sentence = filled
            sentences.append(f"{names}: {sentence}" if len(jobs) > 1 else sentence)
            given = [note for job in group for note in job.notes]
            notes += [note for note in dict.fromkeys([*given, *record["notes"]]) if note not in notes]
            for channel, job in enumerate(group):
                own, kept = list(patches), to_record(job, record)
                if len(group) > 1:
                    own = list(to_channel(patches, channel, np.dtype(job.data.dtype)))
                    kept = to_record(job, record, [each.name for each in group])
                index = jobs.index(job)
                data = None if in_place[index] else to_data(job, own, cancel, record["values"] != "intensity")
                results[index] = Result(job, tuple(own), kept, data)
    except FillCancelledError:
        return CANCELLED
    except ValueError as error:
        return to_sentence(error)
    if not results:
        return "No pixel of the image is a hole: nothing was filled."
    return Outcome(tuple(map(results.get, range(len(jobs)))), tuple(map(to_sentence, [*sentences, *notes])))


def _count(on_progress: Callable[[int, int], object], number: int, groups: int, done: int, steps: int) -> None:
    """Count the steps of a group among those of all, which are taken to be as many."""
    on_progress(number * steps + done, groups * steps)


def to_groups(jobs: Sequence[Job], options: FillOptions) -> tuple[list[list[Job]], list[str]]:
    """Divide jobs into those whose layers are channels of one image, and say why others are filled on their own."""
    groups: dict[object, list[Job]] = {}
    is_plain = options.values == "intensity" and options.mosaic is None and options.wrap is None
    for job in jobs:
        groups.setdefault(job.place if is_plain and job.place is not None else id(job), []).append(job)
    divided: list[list[Job]] = []
    reason = "they have other shapes or places, colours, labels, or holes of their own"
    if not is_plain:
        reason = "only intensities are filled so"
    for group in groups.values():
        try:
            if len(group) > 1:
                Panel([job.image for job in group])
            divided.append(group)
        except ValueError as error:
            reason = str(error)
            divided += [[job] for job in group]
    notes = [f"filled in {len(divided)} steps, not as channels of one image: {reason}"] if len(divided) > 1 else []
    return divided, notes


def _fill_group(
    group: Sequence[Job], settings: Settings, cancel: Event, on_progress: Callable[[int, int], object] | None
) -> tuple[list[Patch], dict[str, Any], str] | None:
    """Fill layers as the channels of one image; return patches, record and a sentence, if there are holes."""
    from napari_inpaint.inference.inputs.job import read_job

    inpainter, first = make_inpainter(settings), group[0]
    image, options = first.image, first.complete(settings.options)
    if len(group) > 1:
        image = Panel([job.image for job in group])
        options = replace(options, channel_axis=image.ndim - 1, alpha=False)
    holes = read_job(image, first.masks, first.boxes, options, cancel)
    patches, made = inpainter.run(holes, options, on_progress, cancel)
    if not made.filled_pixels:
        return None
    record = made.to_dict()
    problem = inpainter.session.cuda_problem if record["provider"] else ""
    ran = WHERE.get(record["provider"], f"by {record['provider']}") + (f" ({problem})" if problem else "")
    copied = any(copy["offsets"] for copy in record["copies"])
    how = ran if record["provider"] else "by copies, without the network" if copied else "smoothly, without the network"
    how = "with labels of their rims, without the network" if options.values == "labels" else how
    pixels = f"{record['filled_pixels']:,} pixel{'s' if record['filled_pixels'] > 1 else ''}"
    return patches, record, f"{pixels} filled in {record['seconds']:.2f} s {how}"


def run_check(jobs: Sequence[Job], settings: Settings, cancel: Event) -> SelfCheck | str:
    """Hide known pixels beside the holes of jobs, fill and compare them; or return a sentence that says why not.

    It is done for the first layer, and those that are filled with it as channels of one image.
    """
    group = to_groups(jobs, settings.options)[0][0]
    options = group[0].complete(settings.options)
    image = group[0].image
    if len(group) > 1:
        image, options = [job.image for job in group], replace(options, channel_axis="auto", alpha=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the report has them too
            report = make_inpainter(settings).self_check(
                image, group[0].masks, group[0].boxes, cancel=cancel, **asdict(options)
            )
    except FillCancelledError:
        return CANCELLED
    except ValueError as error:
        return to_sentence(error)
    if len(group) == len(jobs):
        return report
    names = ", ".join(repr(job.name) for job in group)
    return replace(report, notes=(*report.notes, f"only {names} was checked: the others are filled on their own"))


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
