"""The whole job: read `Inpainter.fill` from top to bottom."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_inpaint
from napari_inpaint.inference.boxes import Box
from napari_inpaint.inference.crop import Crop
from napari_inpaint.inference.holes import hash_holes
from napari_inpaint.inference.job import read_job
from napari_inpaint.inference.loading import find_model, measure, open_session
from napari_inpaint.inference.plan import Plan, plan_windows
from napari_inpaint.inference.record import Record, WindowRecord
from napari_inpaint.inference.tensors import channel_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_inpaint.inference.job import Job
    from napari_inpaint.inference.plan import Window
    from napari_inpaint.inference.session import Event, Session
    from napari_inpaint.inference.tensors import ChannelAxis, IntensityRange


class FillCancelledError(RuntimeError):
    """The fill was stopped by its ``cancel`` event; nothing was changed."""


class Inpainter:
    """Fills holes in images.

    Opens its model on first use, can be pickled, and can be used from several threads. Inpainters of one model,
    device and number of threads share one open model.

    Parameters
    ----------
    model : str or path, optional
        A bundled model's name, in the precision that is fastest on the device; a name and a precision
        (``compact.fp32``); or the path of an ``.onnx`` file from ``inpaint-export``. The best bundled model when it is
        None.
    device : str
        ``auto`` (CUDA when it works, else the CPU), ``cpu``, ``cuda``, or the name of an ONNX Runtime provider.
    threads : int, optional
        Threads of the CPU provider; all cores when it is None. Give 1 to each of several processes that fill at once.

    Raises
    ------
    ValueError
        When there is no such model. What is inside the file is checked when it is opened.

    Examples
    --------
    >>> inpainter = Inpainter()
    >>> result = inpainter.fill(image, boxes=[(64, 64, 192, 192)])  # doctest: +SKIP
    """

    def __init__(self, model: str | Path | None = None, device: str = "auto", threads: int | None = None) -> None:
        find_model(model)
        self._arguments = (model, device, threads)
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._process = 0
        self._record: Record | None = None
        self._own = threading.local()
        self._speeds: dict[str, float] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def __repr__(self) -> str:
        model, device, threads = self._arguments
        return f"Inpainter(model={model!r}, device={device!r}, threads={threads!r})"

    @property
    def session(self) -> Session:
        """The loaded model; opened on first use."""
        with self._lock:
            if self._session is None or self._process != os.getpid():  # a fork cannot use its parent's
                self._session, self._process = open_session(*self._arguments), os.getpid()
            return self._session

    @property
    def provider(self) -> str:
        """The ONNX Runtime provider that really runs."""
        return self.session.provider

    @property
    def device(self) -> str:
        """What really runs: ``cpu``, ``cuda``, or another provider's name in lower case."""
        return self.provider.removesuffix("ExecutionProvider").lower()

    @property
    def last_record(self) -> dict[str, Any] | None:
        """Provenance of the last fill: model, provider, windows, intensity ranges.

        In a thread that has filled, its own last one; in others, the last one of all. None before the first fill, and
        after one that failed.
        """
        record: Record | None = getattr(self._own, "record", self._record)
        return None if record is None else record.to_dict()

    def warm_up(self) -> None:
        """Open the model and run it once, in the background, so that the first fill does not wait for it."""

        def run() -> None:
            with contextlib.suppress(ValueError, ImportError, RuntimeError):  # the fill will say it
                side = self.session.spec.window
                self.session.complete(np.zeros((1, 3, side, side), np.float32), np.ones((1, 1, side, side), np.float32))

        threading.Thread(target=run, name="inpaint-warm-up").start()

    def _measure(self) -> float:
        """Return the seconds that the network takes for a pixel on the provider that runs."""
        session = self.session
        if session.provider not in self._speeds:
            self._speeds[session.provider] = measure(session)
        return self._speeds[session.provider]

    def plan(
        self,
        image: ArrayLike,
        mask: ArrayLike | None = None,
        boxes: Iterable[Iterable[int]] | None = None,
        *,
        grow: int = 0,
        channel_axis: ChannelAxis = "auto",
        nan_is_hole: bool = False,
    ) -> Plan:
        """Say what `fill` would do: the windows, and about how many seconds of the network; ``print`` shows a table.

        Parameters and errors are those of `fill`.
        """
        return self._plan(read_job(image, mask, boxes, grow, channel_axis, nan_is_hole), estimate=True)

    def fill(
        self,
        image: ArrayLike,
        mask: ArrayLike | None = None,
        boxes: Iterable[Iterable[int]] | None = None,
        *,
        grow: int = 0,
        seam: bool = True,
        channel_axis: ChannelAxis = "auto",
        nan_is_hole: bool = False,
        on_progress: Callable[[int, int], object] | None = None,
        cancel: Event | None = None,
    ) -> NDArray[Any]:
        """Fill the holes of an image.

        Parameters
        ----------
        image : array of shape (..., H, W) or (..., H, W, C)
            Any real dtype. Leading axes are planes, each filled on its own.
        mask : array of shape (H, W) or (..., H, W), optional
            True or non-zero inside holes. Leading axes broadcast.
        boxes : sequence of (y0, x0, y1, x1), optional
            Half-open rectangles to fill in every plane, in pixels; instead of, or together with, the mask.
        grow : int
            Extend every hole by this many pixels in all directions, over edges that still show what is to go.
        seam : bool
            Correct the fill so that it meets the known pixels.
        channel_axis : int, "auto" or None
            The axis of the channels. "auto": a last axis of 3 or 4 is one when the mask fits the axes before it;
            without a mask, when the axis before it is longer than 4. None: there is none. Three channels are
            colours; the last of four is alpha and kept; others are filled one by one.
        nan_is_hole : bool
            Fill NaN and infinite pixels too.
        on_progress : callable, optional
            Called with the number of windows that are done, and of all windows.
        cancel : threading.Event, optional
            When it is set, a running network call ends, and `FillCancelledError` is raised.

        Returns
        -------
        array
            A copy of the image, same shape and dtype. Pixels outside the holes are bit-identical.

        Raises
        ------
        ValueError
            Unsupported dtype, a mask of another shape, a box that is not wholly inside the image, no known pixel.

        Warns
        -----
        UserWarning
            When a hole is larger than the network was trained on; it is filled at a lower resolution.
        RuntimeWarning
            When a GPU has too little memory, and the CPU goes on.
        """
        started = time.perf_counter()
        self._own.record = self._record = None
        job = read_job(image, mask, boxes, grow, channel_axis, nan_is_hole)
        record = Record(napari_inpaint.__version__, seam=seam, grow=grow, nan_is_hole=nan_is_hole,
                        shape=job.source.shape, dtype=str(job.source.dtype), filled_pixels=job.pixels,
                        mask_sha256=hash_holes(job.holes.items()))  # fmt: skip
        if job.holes:
            plan = self._plan(job)
            record.notes += plan.notes
            for note in plan.notes:
                warnings.warn(note, stacklevel=2)
        result = job.source.copy()
        if job.holes:
            try:
                self._fill_windows(job, plan, job.to_planes(result), record, on_progress, cancel)
            except RuntimeError as error:
                if cancel is None or not cancel.is_set():
                    raise
                raise FillCancelledError("the fill was cancelled; nothing was changed") from error
            session = self.session
            record.model, record.recipe, record.licence = session.spec.name, session.spec.recipe, session.spec.licence
            record.model_sha256, record.precision = session.sha256, session.spec.precision
            record.provider = next((window.provider for window in reversed(record.windows) if window.provider), "")
            record.threads = self._arguments[2]
        record.seconds = time.perf_counter() - started
        self._own.record = self._record = record
        return result

    def _plan(self, job: Job, estimate: bool = False) -> Plan:
        height, width, channels = job.shape[-3:]
        groups = len(channel_groups(channels))
        if not job.holes:
            return Plan((), groups, 0.0)
        spec = self.session.spec
        planned = {  # planes with the same holes share a plan
            id(holes): plan_windows(holes, height, width, spec) for holes in job.holes.values()
        }
        windows = tuple(
            dataclasses.replace(window, plane=plane)
            for plane, holes in job.holes.items()
            for window in planned[id(holes)]
        )
        pixels = groups * sum(window.network_pixels for window in windows)
        seconds = pixels * self._measure() if estimate and pixels else 0.0
        largest = max(hole.size for window in windows for hole in window.holes)
        notes = () if largest <= spec.hole_max else (
            f"a hole is {largest} pixels wide, model {spec.name!r} was trained on holes of {spec.hole_min} to "
            f"{spec.hole_max}: it is filled at a lower resolution",
        )  # fmt: skip
        return Plan(windows, groups, seconds, notes)

    def _fill_windows(
        self, job: Job, plan: Plan, result: NDArray[Any], record: Record,
        on_progress: Callable[[int, int], object] | None, cancel: Event | None,
    ) -> None:  # fmt: skip
        """Fill the windows of ``result``, (..., H, W, C), in place; they see the source, never another's fill."""
        source, session, groups = job.to_planes(job.source), self.session, channel_groups(result.shape[-1])
        ranges: list[IntensityRange] = []
        with session.stopping(cancel) as stop:
            for batch in _batches(plan.windows, groups, session):
                if cancel is not None and cancel.is_set():
                    raise FillCancelledError("the fill was cancelled; nothing was changed")
                crops = [Crop(source[window.plane][window.crop.slices][..., group], window) for window, group in batch]
                completions, provider = self._complete(crops, stop, record)
                for (window, group), crop, completion in zip(batch, crops, completions, strict=True):
                    crop.fill(completion, record.seam, result[window.plane][window.crop.slices][..., group])
                    ranges.append(crop.intensity)
                    if group == groups[-1]:
                        boxes = tuple(hole.box for hole in window.holes)
                        record.windows.append(
                            WindowRecord(window.plane, window.crop, boxes, window.factor, provider, tuple(ranges))
                        )
                        ranges.clear()
                        if on_progress is not None:
                            on_progress(len(record.windows), len(plan.windows))

    def _complete(self, crops: list[Crop], stop: Any, record: Record) -> tuple[NDArray[np.float32], str]:
        """Return the completions, (N, 3, h, w), and the provider that made them; none makes what is interpolated."""
        if crops[0].window.interpolated:
            return np.stack([crop.level() for crop in crops]), ""
        tensors = zip(*(crop.to_network() for crop in crops), strict=True)
        images, masks = (np.stack(each) for each in tensors)
        started = time.perf_counter()
        completions = self.session.complete(images, masks, stop)
        record.network_seconds += time.perf_counter() - started
        return completions, self.session.provider


def _batches(windows: Iterable[Window], groups: list[slice], session: Session) -> Iterator[list[tuple[Window, slice]]]:
    """Divide the work, every window once for each group of channels, into what one network call does."""
    alike = itertools.groupby(windows, lambda window: (window.interpolated, window.size))
    for (_, size), members in alike:
        work = itertools.product(members, groups)
        while batch := list(itertools.islice(work, session.batch_size(*size))):
            yield batch


@functools.lru_cache(maxsize=1)
def default_inpainter() -> Inpainter:
    """Return the Inpainter that `fill` uses."""
    return Inpainter()


def fill(image: ArrayLike, mask: ArrayLike | None = None, boxes: Iterable[Iterable[int]] | None = None,
         **options: Any) -> NDArray[Any]:  # fmt: skip
    """Fill the holes of an image with the best bundled model; see `Inpainter.fill`."""
    return default_inpainter().fill(image, mask, boxes, **options)


__all__ = ["Box", "FillCancelledError", "Inpainter", "fill"]
