"""The whole job: read `Inpainter.fill` from top to bottom."""

from __future__ import annotations

import functools
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_inpaint
from napari_inpaint.inference import seam as membrane
from napari_inpaint.inference.boxes import Box
from napari_inpaint.inference.holes import find_holes, resolve_channel_axis
from napari_inpaint.inference.plan import Window, label_holes, plan_windows
from napari_inpaint.inference.pullpush import resize
from napari_inpaint.inference.record import Record, WindowRecord, hash_mask
from napari_inpaint.inference.session import Session, find_model
from napari_inpaint.inference.tensors import (
    IntensityRange,
    channel_groups,
    check_dtype,
    find_range,
    from_rgb,
    from_tensor,
    shrink,
    to_rgb,
    to_tensor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_inpaint.inference.holes import ChannelAxis


class FillCancelledError(RuntimeError):
    """The fill was stopped by its ``cancel`` event; nothing was changed."""


class Inpainter:
    """Fills holes in images.

    Opens its model on first use, can be pickled, and can be used from several threads.

    Parameters
    ----------
    model : str or path, optional
        A bundled model's name, or the path of an ``.onnx`` file from ``inpaint-export``; the best bundled model when
        it is None.
    device : str
        ``auto`` (CUDA when it works, else the CPU), ``cpu``, ``cuda``, or the name of an ONNX Runtime provider.
    threads : int, optional
        Threads of the CPU provider; all cores when it is None.

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
        self.path = find_model(model)
        self._arguments = (model, device, threads)
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._record: Record | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def __repr__(self) -> str:
        model, device, threads = self._arguments
        return f"Inpainter(model={model!r}, device={device!r}, threads={threads!r})"

    @property
    def session(self) -> Session:
        """The loaded model; opened on first use."""
        with self._lock:
            if self._session is None:
                _, device, threads = self._arguments
                self._session = Session(self.path, device, threads)
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

        None before the first fill, and after one that failed. Threads that need their own records use their own
        inpainters.
        """
        return None if self._record is None else self._record.to_dict()

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
        cancel: threading.Event | None = None,
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
            When it is set, `FillCancelledError` is raised before the next window.

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
        """
        started = time.perf_counter()
        self._record = None
        source = np.asarray(image)
        check_dtype(source.dtype)
        if isinstance(grow, bool) or not hasattr(grow, "__index__") or grow < 0:
            raise ValueError(f"grow must be a whole number of pixels, 0 or more, not {grow!r}")
        mask = None if mask is None else np.asarray(mask)
        channel_axis = resolve_channel_axis(source.shape, None if mask is None else mask.shape, channel_axis)
        result = source.copy()
        originals, planes = (x[..., None] if channel_axis is None else np.moveaxis(x, channel_axis, -1)
                             for x in (source, result))  # fmt: skip
        holes = find_holes(planes, mask, boxes, grow, nan_is_hole)
        record = Record(napari_inpaint.__version__, seam=seam, grow=grow, nan_is_hole=nan_is_hole, shape=source.shape,
                        dtype=str(source.dtype), mask_sha256=hash_mask(holes))  # fmt: skip
        if not holes.any() or not source.size:
            self._record = record
            return result

        jobs = self._plan(holes, planes.shape, record)
        for note in record.notes:
            warnings.warn(note, stacklevel=2)
        total = sum(len(windows) for _, _, windows in jobs)
        done = 0
        for plane, labels, windows in jobs:
            for window in windows:
                if cancel is not None and cancel.is_set():
                    raise FillCancelledError("the fill was cancelled; nothing was changed")
                seconds, ranges = self._fill_window(planes[plane], originals[plane], labels, window, seam)
                record.network_seconds += seconds
                record.windows.append(WindowRecord(plane, window.crop, window.holes, window.factor, ranges))
                done += 1
                if on_progress is not None:
                    on_progress(done, total)

        session = self.session
        record.model, record.recipe, record.licence = session.spec.name, session.spec.recipe, session.spec.licence
        record.model_sha256, record.precision, record.provider = (
            session.sha256, session.spec.precision, session.provider)  # fmt: skip
        record.threads = self._arguments[2]
        record.filled_pixels = int(holes.sum()) * (int(np.prod(planes.shape[:-3])) if holes.ndim == 2 else 1)
        record.seconds = time.perf_counter() - started
        self._record = record
        return result

    def _plan(
        self, holes: NDArray[np.bool_], shape: tuple[int, ...], record: Record
    ) -> list[tuple[tuple[int, ...], NDArray[np.int32], tuple[Window, ...]]]:
        """Plan every plane: its index, its labelled holes, its windows. One plan serves planes with one mask."""
        spec = self.session.spec

        def plan(plane_holes: NDArray[np.bool_]) -> tuple[NDArray[np.int32], tuple[Window, ...]]:
            if plane_holes.all():
                raise ValueError("no pixel is known: the holes cover the whole image")
            labels = label_holes(plane_holes, spec)
            return labels, plan_windows(labels, spec)

        planes = list(np.ndindex(shape[:-3]))
        shared = plan(holes) if holes.ndim == 2 else None
        jobs = [(plane, *(shared or plan(holes[plane]))) for plane in planes if shared or holes[plane].any()]
        largest = max(window.hole_size for *_, windows in jobs for window in windows)
        if largest > spec.hole_max:
            record.notes.append(
                f"a hole is {largest} pixels wide, model {spec.name!r} was trained on holes of {spec.hole_min} to "
                f"{spec.hole_max}: it is filled at a lower resolution"
            )
        return jobs

    def _fill_window(
        self, plane: NDArray[Any], original: NDArray[Any], labels: NDArray[np.int32], window: Window, seam: bool
    ) -> tuple[float, tuple[IntensityRange, ...]]:
        """Fill the holes of one window in place; return the network's seconds and the intensity ranges.

        ``plane`` and ``original`` have shape (H, W, C); the original is the context, never another window's fill.
        """
        window_labels = labels[window.crop.slices]
        network_seconds, ranges = 0.0, []
        for group in channel_groups(plane.shape[-1]):
            pixels = original[window.crop.slices][..., group]
            known = (window_labels == 0) & np.isfinite(pixels).all(-1)
            intensity = find_range(pixels, known)
            tensor = to_tensor(pixels, ~known, intensity)
            small, small_hole = shrink(tensor, ~known, window.factor)
            started = time.perf_counter()
            completion = self.session.complete(to_rgb(small), small_hole[None, None].astype(np.float32))
            network_seconds += time.perf_counter() - started
            completion = from_rgb(completion, len(small))
            if window.factor > 1:
                completion = resize(completion, known.shape[0], known.shape[1], window.factor)
            for label, box in zip(window.labels, window.holes, strict=True):
                own, local = window_labels == label, box.shift(-window.crop.y0, -window.crop.x0)
                filled = completion[:, *local.slices]
                if seam:
                    filled = membrane.correct(completion, tensor, own, local, known)
                inside = own[local.slices]
                plane[box.slices][..., group][inside] = from_tensor(filled, plane.dtype, intensity)[inside]
            ranges.append(intensity)
        return network_seconds, tuple(ranges)


@functools.lru_cache(maxsize=1)
def default_inpainter() -> Inpainter:
    """Return the Inpainter that `fill` uses."""
    return Inpainter()


def fill(image: ArrayLike, mask: ArrayLike | None = None, boxes: Iterable[Iterable[int]] | None = None,
         **options: Any) -> NDArray[Any]:  # fmt: skip
    """Fill the holes of an image with the best bundled model; see `Inpainter.fill`."""
    return default_inpainter().fill(image, mask, boxes, **options)


__all__ = ["Box", "FillCancelledError", "Inpainter", "fill"]
