"""The public functions of this package: what the commands do, for Python."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from inpaint_training.checkpoints.checkpoint import RECIPE, resolve_checkpoint
from inpaint_training.data import pack as packing
from inpaint_training.evaluation.cases import Protocol
from inpaint_training.progress import Watch
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer import fit as fitting
from inpaint_training.trainer.fabric import LaunchSettings
from napari_inpaint.errors import name_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from inpaint_training.evaluation.cases import MaskPolicy
    from inpaint_training.progress import ProgressReport
    from inpaint_training.recipes.recipe import Recipe
    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.options import Detail

    AnyPath = str | os.PathLike[str]
    OnProgress = Callable[[ProgressReport], object]


@dataclass(frozen=True, slots=True)
class PackResult:
    """A data set that was packed; `fit` and `evaluate` take it like its path."""

    dataset: Path
    images: int
    """In it: photos, and planes."""
    left_out: dict[str, str]
    """What could not be used, by name, and why."""
    notes: tuple[str, ...]
    """What you should know, for example how masks were understood."""

    def __fspath__(self) -> str:
        return str(self.dataset)


@dataclass(frozen=True, slots=True)
class FitResult:
    """A run; `evaluate` and `inpaint_export.export` take it like its path, which stands for its best checkpoint."""

    run: Path
    checkpoint: Path
    """The newest one."""
    best: Path
    """The one with the lowest error on held-out images; in adversarial training, where that does not tell, the newest.
    """
    finished: bool
    """Whether all steps were made; if not, go on with ``resume=True``."""
    metrics: dict[str, float]
    """Of the held-out images at the end: ``l1_hole``, ``psnr_hole`` in dB, ``texture``."""
    history: list[dict[str, Any]]
    """The lines of the log, in order."""

    def __fspath__(self) -> str:
        return str(self.run)


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """How well models and methods filled the same holes."""

    table: dict[str, dict[str, float]]
    """Mean scores by the name of the model or method."""
    cases: int
    """Crops that were filled."""
    report: Path | None
    """The folder with the tables and pictures; None when none was written."""


def pack(
    images: Any,
    dataset: AnyPath,
    *,
    native: bool = False,
    short_side: int = 768,
    keep_duplicates: bool = False,
    masks: AnyPath | None = None,
    mask_pattern: str | None = None,
    jobs: int | None = None,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> PackResult:
    """Pack images into a data set to train on.

    Parameters
    ----------
    images
        A file, a folder, a zarr store or a tar archive; an array (numpy, dask, zarr, ...), of which a last axis of 3 or
        4 holds channels, and others before the last two are a stack; or a list of these. Arrays keep their own scale.
    dataset
        The folder to write; new or empty.
    native
        Keep photos of 8 bits at their own scale too, and take them from 96 pixels on.
    short_side
        Other photos of 8 bits are scaled down to it, in pixels.
    keep_duplicates
        Keep images that repeat an earlier one.
    masks
        Of damage, not 0 there, which is not learnt from: one file for all images, or a folder.
    mask_pattern
        How masks are called, such as ``{stem}_mask*``.
    jobs
        Threads; by default one for each core.
    on_progress
        Called with a `ProgressReport` after each file, in the calling thread.
    cancel
        An event, such as ``threading.Event()``; when it is set, the work stops, and nothing is written.

    Raises
    ------
    ValueError
        When an input cannot be found, or no image can be used.
    CancelledError
        When ``cancel`` was set.

    Examples
    --------
    >>> from inpaint_training import pack
    >>> pack(["photos", stack, "more.tif"], "data/mine").left_out  # doctest: +SKIP
    """
    watch = _watch(on_progress, cancel)
    settings = packing.PackSettings(
        short_side, native, keep_duplicates, None if masks is None else Path(masks), mask_pattern, jobs
    )
    packed = packing.pack(_to_inputs(images), Path(dataset), settings, watch)
    return PackResult(Path(dataset), len(packed.entries), packed.left_out, tuple(packed.notes))


def fit(
    recipe: AnyPath | Recipe,
    dataset: AnyPath,
    run: AnyPath,
    *,
    overrides: Mapping[str, Any] | None = None,
    resume: bool = False,
    start_from: AnyPath | None = None,
    max_minutes: float | None = None,
    devices: int | str = 1,
    precision: str | None = None,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> FitResult:
    """Train a completion network.

    In a thread, signals stay as they are; in the main thread, the first Ctrl-C ends training with a checkpoint, and
    raises `KeyboardInterrupt`. While it runs, PyTorch's global random generators are used, and cuDNN chooses its
    algorithms by measuring; both are put back as they were at the end. Nothing else that other threads share changes.

    Parameters
    ----------
    recipe
        A bundled recipe's name, a YAML file, or a `Recipe`.
    dataset
        What `pack` returned, or its folder.
    run
        The folder for checkpoints, logs and samples; new or empty unless ``resume``.
    overrides
        Changes of the recipe, such as ``{"train.steps": 1000, "data.native": True}``.
    resume
        Go on from the newest checkpoint of the run.
    start_from
        Start with the weights of this checkpoint or run, or of a bundled model.
    max_minutes
        Time for this call. A new run gets as many steps as fit into it, unless ``overrides`` has ``train.steps``.
    devices
        How many GPUs of this computer; ``"auto"`` takes all.
    precision
        ``32-true`` or ``bf16-mixed``; the fast one by default.
    on_progress
        Called with a `ProgressReport` after each step, in the calling thread.
    cancel
        An event, such as ``threading.Event()``; when it is set, training ends with a checkpoint after the step.

    Raises
    ------
    ValueError
        When something cannot be used; the message says how to fix it.
    CancelledError
        When ``cancel`` was set before the first step; nothing is written.

    Examples
    --------
    >>> from inpaint_training import fit
    >>> fit("compact", "data/mine", "runs/mine", overrides={"data.native": True}).best  # doctest: +SKIP
    """
    watch = _watch(on_progress, cancel)
    overrides, folder = overrides or {}, Path(run)
    with restoring_torch():
        progress = fitting.fit(
            load_recipe(Path(recipe) if isinstance(recipe, os.PathLike) else recipe, overrides), Path(dataset), folder,
            resume=resume, start_from=None if start_from is None else Path(start_from), max_minutes=max_minutes,
            fix_steps="train.steps" not in overrides and "train" not in overrides,
            launch=LaunchSettings(devices, precision=precision), watch=watch,
        )  # fmt: skip
        newest = resolve_checkpoint(folder, "newest")
        steps = load_recipe(newest / RECIPE).train.steps
    values = asdict(progress)
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return FitResult(
        folder, newest, resolve_checkpoint(folder, "best"), progress.step >= steps,
        {name: values[name] for name in ("l1_hole", "psnr_hole", "texture")}, [json.loads(line) for line in lines],
    )  # fmt: skip


def evaluate(
    photos: Any,
    models: AnyPath | Sequence[AnyPath] = (),
    *,
    methods: Sequence[str] | None = None,
    details: Sequence[Detail] = ("network",),
    masks: MaskPolicy = "box",
    holes: tuple[int, int] = (88, 128),
    crop: int = 256,
    crops: int = 2,
    seed: int = 0,
    native: bool = False,
    report: AnyPath | None = None,
    sheet: int = 8,
    worst: int = 0,
    device: str = "auto",
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> EvaluationResult:
    """Compare models and classical methods on the same holes.

    Parameters
    ----------
    photos
        As the images of `pack`, or a packed data set; never those that were trained on.
    models
        ONNX files, bundled names, checkpoints, or what `fit` returned.
    methods
        Classical ones by name; all that can run when it is None, none when it is empty.
    details
        What of a model's fill is evaluated: ``network``, ``copied``, ``smooth``.
    masks
        One square hole (``box``), or thick brush ``strokes``.
    holes
        Smallest and largest side of square holes, in pixels.
    crop, crops
        Side of the crops, in pixels, and how many of every photo.
    seed
        Of crops and holes.
    native
        Do not scale photos of 8 bits.
    report
        A folder for tables and pictures; none are written without.
    sheet, worst
        How many crops are shown in the report, and how many of those that the first model fills worst.
    device
        For models and features: ``auto``, ``cpu``, ``cuda``.
    on_progress
        Called with a `ProgressReport` after each crop, in the calling thread.
    cancel
        An event, such as ``threading.Event()``; when it is set, the work stops, and nothing is written.

    Raises
    ------
    ValueError
        When a model, a method or a photo cannot be used.
    CancelledError
        When ``cancel`` was set.

    Examples
    --------
    >>> from inpaint_training import evaluate
    >>> evaluate("other-photos", ["mine.onnx", "runs/mine"], report="report").table  # doctest: +SKIP
    """
    watch = _watch(on_progress, cancel)
    try:
        from inpaint_training.evaluation.comparison import Wanted, compare  # more than `pack` and `fit` need
    except ImportError as error:
        raise ImportError(name_missing(error, "eval")) from error
    named = [models] if isinstance(models, str | os.PathLike) else models
    folder = None if report is None else Path(report)
    wanted = Wanted(
        _to_inputs(photos), Protocol(crop, crops, masks, holes, seed), [os.fspath(each) for each in named], details,
        methods, native, sheet if folder else 0, worst if folder else 0, device, folder,
    )  # fmt: skip
    with restoring_torch():
        comparison = compare(wanted, watch)
    return EvaluationResult(comparison.results.means(), len(comparison.results.cases), folder)


def _watch(on_progress: OnProgress | None, cancel: Event | None) -> Watch:
    watch = Watch(on_progress, cancel, bar=False)
    watch.check()
    return watch


def _to_inputs(images: Any) -> list[Any]:
    """Return paths and arrays of what a caller gave: one of them, or several."""
    several = images if isinstance(images, list | tuple) else [images]
    return [_to_input(each) for each in several]


def _to_input(image: Any) -> Any:
    """Return a path, or what has a shape, a dtype of numpy and can be indexed."""
    if isinstance(image, str | os.PathLike):
        return Path(image)
    if not hasattr(image, "shape") or not hasattr(image, "dtype"):
        raise ValueError(f"images are paths or arrays, or a list of these, not {type(image).__name__}")
    try:
        np.dtype(image.dtype)
    except TypeError:  # torch and others have dtypes of their own
        return np.asarray(image)
    return image


@contextlib.contextmanager
def restoring_torch() -> Iterator[None]:
    """Put what PyTorch shares among threads back as it was: random generators, and how cuDNN chooses algorithms."""
    benchmark = torch.backends.cudnn.benchmark
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            torch.backends.cudnn.benchmark = benchmark
