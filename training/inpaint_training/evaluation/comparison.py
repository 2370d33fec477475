"""An evaluation: make the cases, fill them with everything that is evaluated, write the report."""

from __future__ import annotations

import functools
import sys
import warnings
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inpaint_training.data.masks import STROKE_AREA, STROKE_WIDTH
from inpaint_training.evaluation.baselines import METHODS, MissingPackageError, load_method
from inpaint_training.evaluation.cases import MARGIN, Protocol, iterate_cases
from inpaint_training.evaluation.evaluator import evaluate
from inpaint_training.evaluation.inpainter import CheckpointInpainter, choose_device
from inpaint_training.evaluation.metrics import MS_SSIM_SIDE
from inpaint_training.evaluation.report import write_report
from inpaint_training.losses.features import MINIMUM_SIDE, FeatureNetwork
from inpaint_training.progress import UNWATCHED
from napari_inpaint import Inpainter
from napari_inpaint.io.atomic import stage

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from inpaint_training.evaluation.baselines import Filler
    from inpaint_training.evaluation.cases import Case
    from inpaint_training.evaluation.evaluator import Results
    from inpaint_training.progress import Watch
    from napari_inpaint.inference.options import Detail

FEATURES: tuple[Literal["lite0", "lite2"], ...] = ("lite0", "lite2")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is compared, on what."""

    photos: Sequence[Any]
    """As for `iterate_cases`."""
    protocol: Protocol
    models: Sequence[str] = ()
    """Model files, bundled names, checkpoints or runs."""
    details: Sequence[Detail] = ("network",)
    methods: Sequence[str] | None = None
    """Classical ones; all that can run when it is None."""
    native: bool = False
    sheet: int = 8
    worst: int = 0
    device: str = "auto"
    out: Path | None = None
    """The folder of the report; None: none is written."""

    def check(self) -> None:
        """Raise `ValueError` for numbers that are out of range, and folders that cannot be written into."""
        for name in ("sheet", "worst"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} must be at least 0, not {getattr(self, name)}")
        if self.out is None:
            return
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"--out {self.out} is a file: name a folder")
        if self.out.is_dir() and any(self.out.iterdir()) and not (self.out / "table.json").is_file():
            raise ValueError(f"--out {self.out} holds other files: name a new folder, or that of an earlier report")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out."""

    results: Results
    text: str
    """The tables, in Markdown; empty without a report."""


def compare(wanted: Wanted, watch: Watch = UNWATCHED) -> Comparison:
    """Make the cases, fill them, write the tables; the report's files appear together, or not at all.

    Raises
    ------
    ValueError
        When something that is wanted does not exist or fit.
    CancelledError
        When the event of ``watch`` is set; nothing is written.
    """
    wanted.check()
    protocol = wanted.protocol
    fillers = load_methods(wanted.methods)
    methods = len(fillers)
    add_models(fillers, wanted.models, wanted.device, wanted.details)
    if not fillers:
        raise ValueError("nothing to compare: name a model or a method")
    first_row = list(fillers)[methods if wanted.models else 0]
    networks = load_features(protocol.crop, wanted.device)
    cases = list(iterate_cases(wanted.photos, protocol, wanted.native))
    named = " and ".join(each.name if isinstance(each, Path) else "arrays" for each in wanted.photos[:3])
    if not cases:
        raise ValueError(f"{named} has no photo of at least {protocol.crop} x {protocol.crop} pixels")
    if wanted.out is None:
        return Comparison(_evaluate(wanted, fillers, cases, networks, first_row, watch), "")
    facts = {"photos": named, "cases": len(cases), **describe_protocol(protocol)}
    title = f"{len(cases)} {protocol.describe()}"
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    with stage(wanted.out) as staged:
        staged.partial.mkdir()
        results = _evaluate(wanted, fillers, cases, networks, first_row, watch)
        text = write_report(staged.partial, facts, title, results)
        wanted.out.mkdir(exist_ok=True)  # that of an earlier report may hold more than reports
        for file in sorted(staged.partial.iterdir(), key=lambda file: file.name != "table.json"):
            file.replace(wanted.out / file.name)  # table.json first: it marks the folder as one of reports
    return Comparison(results, text)


def _evaluate(
    wanted: Wanted, fillers: dict[str, Filler], cases: Sequence[Case], networks: Sequence[FeatureNetwork],
    first_row: str, watch: Watch,
) -> Results:  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one warning per case that a hole is larger than trained
        worst = first_row, wanted.worst
        return evaluate(fillers, cases, networks, wanted.sheet, wanted.protocol.seed, worst, watch)


def run(arguments: argparse.Namespace) -> int:
    """Compare what the command names, and print the tables."""
    protocol = Protocol(arguments.crop, arguments.crops, arguments.masks, tuple(arguments.holes), arguments.seed)
    comparison = compare(Wanted(
        [arguments.photos], protocol, arguments.model, arguments.detail or ["network"], arguments.method,
        arguments.native, arguments.sheet, arguments.worst, arguments.device, arguments.out,
    ))  # fmt: skip
    results = comparison.results
    pictures = ", contact-sheet.png" * bool(results.sheet) + ", worst.png" * bool(results.worst)
    sys.stdout.write(f"{comparison.text}\n{arguments.out}: table.md, table.csv, table.json{pictures}\n")
    return 0


def load_methods(names: Sequence[str] | None) -> dict[str, Filler]:
    """Return the named methods, or all that can run; those that cannot are left out with a line on stderr."""
    if names is not None:
        return {name: load_method(name) for name in names}
    fillers = {}
    for name in METHODS:
        try:
            fillers[name] = load_method(name)
        except MissingPackageError as error:
            sys.stderr.write(f"inpaint-eval: left out, {error}\n")
    return fillers


def add_models(
    fillers: dict[str, Filler], models: Sequence[str], device: str, details: Sequence[Detail] = ("network",)
) -> None:
    """Open every model and add it as a row, named as its file or folder, or by its path where that name is taken.

    Every ``detail`` of `Inpainter.fill` is a row of its own, and named with it unless it is the network's alone.

    Raises
    ------
    ValueError
        When there is no such model, or it is named twice.
    """
    for model in models:
        path = Path(model)
        inpainter = CheckpointInpainter(path, device) if path.is_dir() else Inpainter(model, device)
        _ = inpainter.session  # refuses now what is no model
        name = path.resolve().name if path.is_dir() else path.name.removesuffix(".onnx")
        taken = {row.partition(",")[0] for row in fillers}
        name = path.as_posix() if name in taken else name
        if name in taken:
            raise ValueError(f"--model {model}: there is a row named {name!r} already")
        for detail in dict.fromkeys(details):
            row = name if list(details) == ["network"] else f"{name}, {detail}"
            fillers[row] = functools.partial(inpainter.fill, detail=detail)


def load_features(crop: int, device: str) -> list[FeatureNetwork]:
    """Return the feature networks; what is missing is said in a line on stderr."""
    if find_spec("torchmetrics") is None and crop >= MS_SSIM_SIDE:
        sys.stderr.write('inpaint-eval: no MS-SSIM, torchmetrics is missing: pip install "napari-inpaint[eval]"\n')
    if crop < MINIMUM_SIDE:
        return []
    where = choose_device("auto" if device in ("auto", "cuda") else "cpu")  # it may be an ONNX Runtime provider
    try:
        return [FeatureNetwork(name).to(where) for name in FEATURES]
    except ValueError as error:
        sys.stderr.write(f"inpaint-eval: no feature distances and KID, {error}\n")
        return []


def describe_protocol(protocol: Protocol) -> dict[str, object]:
    """Return what decided the cases, for table.json."""
    facts = asdict(protocol) | {"short_side": protocol.short_side}
    holes = facts.pop("holes")
    if protocol.masks == "box":
        return facts | {"holes": list(holes), "margin": MARGIN}
    return facts | {"stroke_area": list(STROKE_AREA), "stroke_width": list(STROKE_WIDTH)}
