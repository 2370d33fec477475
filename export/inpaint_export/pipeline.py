"""The whole job: read `export` from top to bottom."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import onnxruntime

from inpaint_export.bioimageio import check_licence, make_package
from inpaint_export.graph.convert import choose_opset, to_file, to_onnx
from inpaint_export.graph.layout import to_bytes
from inpaint_export.precision.calibrate import read_cases
from inpaint_export.precision.half import to_half
from inpaint_export.precision.quantize import to_int8
from inpaint_export.targets import write_files
from inpaint_export.verify import (
    LARGEST_LOSS,
    TABLE_HEAD,
    compare,
    hole_psnr,
    open_sessions,
    short_name,
    table_row,
    time_window,
)
from inpaint_training.checkpoints.checkpoint import read_checkpoint
from inpaint_training.checkpoints.describe import describe
from napari_inpaint.inference.runtime.contract import BYTE_LAYOUT
from napari_inpaint.inference.runtime.providers import CPU, make_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnx_ir as ir

    from inpaint_export.targets import ExportSettings
    from inpaint_training.evaluation.cases import Case
    from inpaint_training.networks.generator import Generator
    from napari_inpaint.inference.runtime.contract import ModelSpec


class RefusedError(ValueError):
    """A file that failed its proof, and is not written."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    spec: ModelSpec
    """What the file says about itself."""
    size: int
    """Of the model file, in bytes."""
    milliseconds: dict[str, float]
    """For a window, by what runs it."""


def export(settings: ExportSettings, say: Callable[[str], object] = sys.stdout.write) -> Exported:
    """Export, check and compare; the files appear only when everything passed.

    Parameters
    ----------
    settings
        What is exported.
    say
        Is told line by line what is proved.

    Raises
    ------
    RefusedError
        When the file does not compute what PyTorch computes, or eight bits cost too much.
    """
    started = time.monotonic()
    opset = choose_opset(settings.opset, settings.precision)
    checkpoint = read_checkpoint(settings.checkpoint)
    network = checkpoint.network
    if network.fixed_side is not None:
        raise ValueError(
            f"{checkpoint.folder} holds a {checkpoint.recipe.network.kind}, which completes {network.fixed_side} x "
            f"{network.fixed_side} pixels only: a model file must take images of any size, so it cannot be exported"
        )
    spec = replace(describe(checkpoint), precision=settings.precision)
    if settings.bioimageio:
        check_licence(spec)
    phase = checkpoint.recipe.active_phases[-1]
    cases = read_cases(settings.calibrate, phase) if settings.calibrate else None

    model = to_onnx(network, opset)
    if spec.precision == "fp16":
        to_half(model)
    elif cases:
        quantize(model, *cases, spec, say)
    if settings.layout == BYTE_LAYOUT:
        to_bytes(model)
    spec = spec.with_layout(settings.layout)
    data = to_file(model, spec).SerializeToString()
    sessions = open_sessions(data)
    prove(network, sessions, spec, say, settings.proof == "quick")
    files = {settings.model: data}
    if settings.bioimageio:
        files[settings.bioimageio] = make_package(data, spec, sessions[CPU])
    speeds = {short_name(provider): time_window(session, spec) for provider, session in sessions.items()}
    write_files(files, settings.overwrite)
    timed = ", ".join(f"{ms:.0f} ms per {spec.window} px window on {name}" for name, ms in speeds.items())
    say(
        f"{', '.join(map(str, files))}: {spec.name}, {spec.parameters:,} parameters, {spec.precision}, {spec.layout}, "
        f"opset {opset}, {len(data) / 1e6:.1f} MB, {timed}; from {checkpoint.folder}, "
        f"in {time.monotonic() - started:.0f} s\n"
    )
    return Exported(spec, len(data), speeds)


def prove(
    network: Generator, sessions: dict[str, Any], spec: ModelSpec, say: Callable[[str], object], quick: bool = False
) -> None:
    """Tell the table of differences between PyTorch and ONNX Runtime; a quick one is of small pictures.

    Raises
    ------
    RefusedError
        When one is too large.
    """
    say(TABLE_HEAD + "\n")
    passed = True
    for parity in compare(network, sessions, spec, quick):
        passed &= parity.passed
        say(table_row(parity) + "\n")
    if not passed:
        raise RefusedError("ONNX Runtime does not compute what PyTorch computes; nothing written")


def quantize(
    model: ir.Model, calibrating: Sequence[Case], measuring: Sequence[Case], spec: ModelSpec,
    say: Callable[[str], object],
) -> None:  # fmt: skip
    """Quantise a model in place, and tell what that costs and gains.

    Raises
    ------
    RefusedError
        When it costs more than `LARGEST_LOSS`.
    """
    before, float_ms = _measure(model, measuring, spec)
    to_int8(model, calibrating)
    after, int8_ms = _measure(model, measuring, spec)
    say(
        f"int8: calibrated on {len(calibrating)} crops; hole PSNR of {len(measuring)} other crops {after:.2f} dB, "
        f"{before:.2f} in float: a loss of {before - after:.2f}, {LARGEST_LOSS} is allowed\n"
        f"int8: {int8_ms:.0f} ms per {spec.window} px window on this CPU, {float_ms:.0f} in float: "
        f"{'int8' if int8_ms < float_ms else 'float'} is faster here\n"
    )
    if not before - after <= LARGEST_LOSS:  # a NaN is refused too
        raise RefusedError(
            "eight bits cost too much: use more photos, like those that the network was trained on, or "
            "--precision fp16; nothing written"
        )


def _measure(model: ir.Model, cases: Sequence[Case], spec: ModelSpec) -> tuple[float, float]:
    """Return the hole PSNR in dB of a model of layout ``nchw-float``, and its milliseconds per window."""
    data = to_file(model, spec).SerializeToString()
    session = onnxruntime.InferenceSession(data, make_options(onnxruntime), providers=[CPU])
    return hole_psnr(session, cases, spec), time_window(session, spec)
