"""The whole job: read `Inpainter.fill` from top to bottom."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import warnings
from typing import TYPE_CHECKING, Any, Literal

from napari_inpaint.inference.cancelling import check_callbacks
from napari_inpaint.inference.filling import run
from napari_inpaint.inference.inputs.arrays import is_lazy
from napari_inpaint.inference.inputs.given import receive
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.inputs.planes import check_out
from napari_inpaint.inference.lazy import fill_lazily, require_dask
from napari_inpaint.inference.options import Detail, FillOptions, Sources, Values, to_whole
from napari_inpaint.inference.runtime.loading import find_model, measure, open_session, warm_up
from napari_inpaint.inference.runtime.providers import refuse_fork
from napari_inpaint.inference.self_check import SelfCheck, check
from napari_inpaint.inference.windows.labels import plan_labels
from napari_inpaint.inference.windows.plan import Plan, SmoothLimits, plan_job
from napari_inpaint.inference.windows.writing import write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.copying.provenance import CopyRecord
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.inputs.masks import Boxes, Masks
    from napari_inpaint.inference.inputs.values import ChannelAxis
    from napari_inpaint.inference.record import Record
    from napari_inpaint.inference.runtime.session import Session
    from napari_inpaint.inference.windows.patches import Patch

MOST_THREADS = 1024


class Inpainter:
    """Fills holes in images.

    Opens its model on first use, can be pickled, and can be used from several threads. Inpainters of one model,
    device and number of threads share one open model.

    Parameters
    ----------
    model : str or path, optional
        A bundled model's name, in the precision that is fastest on the device; a name and a precision
        (``compact.fp32``); or the path of an ``.onnx`` file from ``inpaint-export``. None: the best bundled model.
    device : str
        ``auto`` (CUDA when it works, else the CPU), ``cpu``, ``cuda``, or the name of an ONNX Runtime provider.
    threads : int, optional
        Threads of the CPU provider; all cores when it is None. Give 1 to each of several processes that fill at once.

    Raises
    ------
    ValueError
        When there is no such model, or the number of threads is none. The device, and what is inside the file, are
        checked when it is opened, on first use.

    Examples
    --------
    >>> inpainter = Inpainter()
    >>> result = inpainter.fill(image, boxes=[(64, 64, 192, 192)])  # doctest: +SKIP
    """

    def __init__(self, model: str | Path | None = None, device: str = "auto", threads: int | None = None) -> None:
        find_model(model)
        if not isinstance(device, str):
            raise ValueError(f"device must be auto, cpu, cuda or an ONNX Runtime provider's name, not {device!r}")
        if threads is not None:
            threads = to_whole(threads, "threads", 1, MOST_THREADS)
        self._arguments = (model, device, threads)
        self._session: Session | None = None
        self._record: Record | None = None
        self._own = threading.local()
        self._speeds: dict[str, float] = {}  # seconds for a pixel, by provider

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def __repr__(self) -> str:
        model, device, threads = self._arguments
        return f"Inpainter(model={model!r}, device={device!r}, threads={threads!r})"

    @property
    def session(self) -> Session:
        """The loaded model; opened on first use."""
        refuse_fork()
        if self._session is None:
            self._session = open_session(*self._arguments)
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
        """Provenance of the last fill: model, provider, windows, intensity curves.

        In a thread that has filled, its own last one; in others, the last one of all that ended well. None before the
        first fill; in a thread, after one that failed.
        """
        record: Record | None = getattr(self._own, "record", self._record)
        return None if record is None else record.to_dict()

    def warm_up(self) -> threading.Thread:
        """Open the model in the thread that is returned, so that the first fill does not wait; on a GPU run it once."""
        thread = threading.Thread(target=self._open, name="inpaint-warm-up")
        thread.start()
        return thread

    def _open(self) -> None:
        with contextlib.suppress(ValueError, ImportError, RuntimeError):  # the fill will say it
            warm_up(self.session)

    def plan(self, image: ArrayLike, mask: Masks | None = None, boxes: Boxes | None = None, **options: Any) -> Plan:
        """Say what `fill` would do: the windows, and about how many seconds of the network; ``print`` shows a table.

        Parameters and errors are those of `fill`, which also refuses holes around which all is NaN. The first estimate
        runs the network on a few windows, to measure it.
        """
        given = receive(image, mask, FillOptions(**options))
        return self._plan(read_job(given.array, given.mask, boxes, given.options), given.options, estimate=True)

    def run(
        self, job: Job, options: FillOptions, on_progress: Callable[[int, int], object] | None = None,
        cancel: Event | None = None, recorded: Sequence[CopyRecord] | None = None,
    ) -> tuple[list[Patch], Record]:  # fmt: skip
        """Fill the holes of a job, and write nothing: what `fill`, the command and the plugin build on.

        The job is from `napari_inpaint.inference.inputs.job.read_job`, with the same options. Returns what changes, for
        `napari_inpaint.inference.windows.patches`, and the record, with the notes that `fill` gives as warnings. With
        the ``copies`` of an earlier record nothing is searched.
        """
        plan = self._plan(job, options)
        needs_network = job.holes and options.needs_network
        return run(job, plan, options, self.session if needs_network else None, on_progress, cancel, recorded)

    def fill(
        self, image: ArrayLike, mask: Masks | None = None, boxes: Boxes | None = None, *, grow: int = 0,
        seam: bool = True, channel_axis: ChannelAxis = "auto", nan_is_hole: bool = False, detail: Detail = "copied",
        nodata: float | None = None, alpha: bool = False, sources: Sources = "plane", stack_axis: int | None = None,
        values: Values = "intensity", mosaic: tuple[int, int] | None = None, wrap: Literal["x"] | None = None,
        on_progress: Callable[[int, int], object] | None = None, cancel: Event | None = None, out: Any = None,
    ) -> Any:  # fmt: skip
        """Fill the holes of an image.

        Parameters
        ----------
        image : array of shape (..., H, W) or (..., H, W, C)
            Any real dtype. Leading axes are planes, each filled on its own. Of numpy, xarray, torch, JAX or what numpy
            can read; or lazy (`numpy.memmap`, dask, zarr, h5py, tensorstore): only windows are read. A list of such
            arrays, of one shape (..., H, W) and any dtypes, is one image: its channels, which are never colours.
        mask : array of shape (H, W) or (..., H, W), optional
            True or non-zero inside holes, or above 0.5 where floats are from 0 to 1; of the same kinds. Leading axes
            broadcast; where an xarray image has their names too, by these. Or a mapping from planes, tuples of indices
            in the leading axes, to masks of shape (H, W): other planes have none.
        boxes : sequence of (y0, x0, y1, x1), optional
            Half-open rectangles to fill in every plane, in pixels; instead of, or together with, the mask. Or a mapping
            from planes to such sequences.
        grow : int
            Extend every hole by this many pixels in all directions, over edges that still show what is to go.
        seam : bool
            Correct the fill so that it meets the known pixels.
        channel_axis : int, "auto" or None
            The axis of the channels. "auto": a dimension that is called c, channel(s), band(s) or rgb; else a last axis
            of 3 or 4, when the mask fits the axes before it; without a mask, when the axis before it is longer than 4.
            None: there is none. Three channels are colours, also beside a fourth; others are filled one by one.
        nan_is_hole : bool
            Fill NaN and infinite pixels too.
        detail : {"copied", "network", "smooth"}
            Copies of known pixels, chosen by what the network completes; that completion as it is; or the smoothest
            surface in every hole, without a network. It also takes the completion's place in holes that are narrower
            than those that the network was trained on. It stays where there is no detail to copy.
        nodata : number, optional
            A value that stands for none: such pixels are not known, and are filled only inside holes. So it is with
            NaN, and with what is masked in a `numpy.ma.MaskedArray`, whose mask is kept outside of holes.
        alpha : bool
            Whether the last channel is transparency, which is kept. Colours of transparent pixels are not known; where
            they are filled, they become opaque.
        sources : {"plane", "stack"}
            Where copies come from: the plane itself; or first the same place in the planes before and after it along
            ``stack_axis``, where these show the same.
        stack_axis : int, optional
            The axis of time or depth of a stack; none of rows, columns or channels.
        values : {"intensity", "labels", "phase"}
            What numbers mean: intensities; labels, of which holes get those around them; or a phase, an angle in
            radians, whose cosine and sine are filled.
        mosaic : tuple of int, optional
            Rows and columns of the cells of a colour filter array, (2, 2) for Bayer's: each place of a cell is a
            channel.
        wrap : "x", optional
            A 360° panorama: windows go on across its left and right edges.
        on_progress : callable, optional
            Called with the number of steps that are done, and of all: windows and regions.
        cancel : threading.Event, optional
            When it is set, a running network call ends.
        out : writable array, optional
            Receives the whole image, chunk by chunk, with the fills: numpy, zarr, h5py, tensorstore, torch on the CPU,
            of the image's shape and dtype. The image itself is filled in place, when all windows are done: only they
            are read, and only chunks with holes are written; when that fails, what was written is taken back.

        Returns
        -------
        array
            A copy of the image, same shape and dtype, of the same library where that has arrays; ``out`` where that is
            given. Pixels outside the holes are bit-identical. For a lazy image without ``out`` a dask array: planes are
            filled when they are computed, without record, progress or cancel; a `numpy.memmap`, which stays as it is,
            is filled at once, and shown with its fills; so are the arrays of a list, which come back as a list.

        Raises
        ------
        ValueError
            Unsupported dtype or array, a mask of another shape, a box that is not wholly inside the image, no known
            pixel; a model or a device that cannot be used.
        ImportError
            When ONNX Runtime is not, or only half, installed; with the command that fixes it.
        RuntimeError
            When the device fails, the model is damaged, or the process was forked after ONNX Runtime was loaded.
        FillCancelledError
            When ``cancel`` is set.

        Warns
        -----
        UserWarning
            When a hole is larger than the network was trained on; it is completed at a lower resolution. When the image
            looks like one that ``values``, ``mosaic`` or ``wrap`` are for.
        RuntimeWarning
            When a GPU has too little memory, and the CPU goes on.
        """
        self._own.record = None
        check_callbacks(on_progress, cancel)
        options = FillOptions(grow, seam, channel_axis, nan_is_hole, detail, nodata, alpha, sources,
                              stack_axis, values, mosaic, wrap)  # fmt: skip
        given = receive(image, mask, options, out)
        if out is not None:
            check_out(given.target, given.array)
        elif is_lazy(given.array):
            return given.back(fill_lazily(self, given.array, given.mask, boxes, given.options))
        elif given.needs_dask:
            require_dask()
        job = read_job(given.array, given.mask, boxes, given.options, cancel)
        patches, record = self.run(job, given.options, on_progress, cancel)
        for note in record.notes:
            warnings.warn(note, stacklevel=2)
        filled = write(patches, job.source, given.array, given.target, cancel)
        self._own.record = self._record = record
        return given.back(filled) if out is None else out

    def self_check(
        self, image: ArrayLike, mask: Masks | None = None, boxes: Boxes | None = None, *, places: int = 8,
        cancel: Event | None = None, **options: Any,
    ) -> SelfCheck:  # fmt: skip
        """Say what `fill` is worth on this very image.

        Known pixels beside the holes, of the same size and shape, are hidden, filled as the holes would be, and
        compared with what was there; so are the other kinds of ``detail``, pull-push, and Telea's method where OpenCV
        is installed, on the same places. `last_record` stays. Parameters that are not listed, and errors, are those of
        `fill`.

        Parameters
        ----------
        places
            How many places are hidden at most, of the largest holes first.
        cancel : threading.Event, optional
            When it is set, a running network call ends.

        Returns
        -------
        SelfCheck
            Scores of every method, place by place and in the mean; ``print`` shows a table.

        Warns
        -----
        UserWarning
            When a classical method comes closer than the fill, a hole is larger than the network was trained on, or
            nothing can be hidden.
        """
        given = receive(image, mask, FillOptions(**options))
        chosen = given.options
        job = read_job(given.array, given.mask, boxes, chosen, cancel)
        most = to_whole(places, "places", 1, 10_000)
        notes = self._plan(job, chosen).notes
        name = chosen.detail if chosen.detail == "smooth" else f"{self.session.spec.name}, {chosen.detail}"
        report = check(job, self.run, chosen, name, most, notes, cancel)
        for note in report.notes:
            warnings.warn(note, stacklevel=2)
        return report

    def _plan(self, job: Job, options: FillOptions, estimate: bool = False) -> Plan:
        if not job.holes:
            return Plan((), len(job.source.groups), 0.0)
        if options.values == "labels":
            return plan_labels(job)
        if options.detail == "smooth":
            return plan_job(job, SmoothLimits())
        session = self.session
        plan = plan_job(job, session.spec)
        if not estimate or not plan.pixels:
            return plan
        if session.provider not in self._speeds:
            self._speeds[session.provider] = measure(session)
        return dataclasses.replace(plan, seconds=plan.pixels * self._speeds[session.provider])
