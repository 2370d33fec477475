"""The proof at the end of every export: ONNX Runtime computes what PyTorch computes, at any size, for any hole."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from PIL import Image

from inpaint_export.graph.graph import ExportWrapper
from inpaint_export.precision.calibrate import to_feeds
from inpaint_training.data.masks import random_strokes
from inpaint_training.evaluation.cases import Case
from inpaint_training.evaluation.metrics import HALF_GREY
from inpaint_training.losses.measures import psnr
from napari_inpaint.inference.runtime.contract import BYTE_LAYOUT, COMPLETION, COMPOSITE, FILLED, IMAGE, LAYOUTS, MASK
from napari_inpaint.inference.runtime.providers import CPU, CUDA, choose_providers, make_options
from napari_inpaint.samples import THE_CREST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from inpaint_training.networks.generator import Generator
    from napari_inpaint.inference.runtime.contract import ModelSpec

SIZES = ((1, 1), (7, 300), (68, 68), (256, 256), (257, 511), (1024, 768), (2048, 2048))
"""Heights and widths of the pictures that are compared."""
QUICK = 1 << 18
"""Pixels of the largest pictures of a quick proof: larger ones take nine tenths of the time of a full one."""
HOLES = ("none", "all", "box", "strokes", "edges")
"""Holes: nothing, everything, a rectangle, brush strokes, the outermost pixels of every side."""
BATCHES = (("none", "all", "box"), ("box", "strokes", "edges"))
"""Holes of the pictures that are completed three at a time."""
LARGEST_BATCH = 1 << 20
"""Pixels of the largest pictures in a batch: three of 2048 x 2048 take 20 GB in a network of the full width."""
REPEATS = 5
"""Runs that the time of a window is the median of."""
LARGEST_LOSS = 0.2
"""Of hole PSNR, in dB: what eight bits may cost."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest absolute differences from PyTorch in float32, for values in [0, 1]."""

    max: float
    """Of any pixel."""
    mean: float
    """Of the holes' pixels, on average."""


TOLERANCES = {
    "fp32": Tolerance(1e-4, 1e-5),
    "fp16": Tolerance(2e-2, 2e-3),
    # Most differs where no pixel is known, so that nothing is right; what a fill loses is measured on photos.
    "int8": Tolerance(0.5, 6e-2),
}
"""By precision, on the CPU."""
CHOICE = Tolerance(0.5, 2e-2)
"""Of files with a second stage in which rounding decides which of two cells that look alike is copied: all but fp32 on
the CPU."""
CUDA_TOLERANCE = Tolerance(2e-3, 2e-4)
"""Of fp32 on CUDA, which sums in another order."""
BYTE = 1 / 255
"""What rounding to bytes adds to the largest difference."""


@dataclass(frozen=True, slots=True)
class Parity:
    """One comparison."""

    provider: str
    batch: int
    height: int
    width: int
    holes: str
    max_error: float
    """Largest absolute difference of all outputs."""
    mean_error: float
    """Mean absolute difference of the composites inside holes; 0 when there are none."""
    known_equal: bool
    """Whether the composite's known pixels are the image's, bit for bit."""
    tolerance: Tolerance

    @property
    def passed(self) -> bool:
        """Whether the file may ship; a NaN fails."""
        within = self.max_error <= self.tolerance.max and self.mean_error <= self.tolerance.mean
        return self.known_equal and within


def make_case(height: int, width: int, hole: str) -> Case:
    """Return a picture of any size with one of `HOLES`."""
    with Image.open(THE_CREST.path) as photo:
        image = np.asarray(photo.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
    mask = np.full((height, width), hole == "all")
    if hole == "box":
        mask[height // 4 : height // 2 + 1, width // 3 : width * 2 // 3 + 1] = True
    elif hole == "edges":
        mask[[0, -1]] = mask[:, [0, -1]] = True
    elif hole == "strokes":
        mask = random_strokes(height, width, np.random.default_rng(0))
    return Case(f"{height} x {width} {hole}", image, mask)


def open_sessions(model: bytes) -> dict[str, Any]:
    """Return a session on the CPU, and one on CUDA where that works, by provider."""
    options = make_options(onnxruntime)
    sessions = {CPU: onnxruntime.InferenceSession(model, options, providers=[CPU])}
    if choose_providers("auto", onnxruntime)[0][0] == CUDA:
        exact = (CUDA, {"use_tf32": 0})
        session = onnxruntime.InferenceSession(model, options, providers=[exact, CPU])
        sessions[session.get_providers()[0]] = session
    return sessions


def compare(network: Generator, sessions: dict[str, Any], spec: ModelSpec, quick: bool = False) -> Iterator[Parity]:
    """Run every picture in PyTorch and in ONNX Runtime: each hole alone, and three holes at a time.

    Parameters
    ----------
    network
        In evaluation mode.
    sessions
        Of what was exported from it, by provider.
    spec
        What the file says about itself.
    quick
        Leave out large pictures.
    """
    wrapper = ExportWrapper(network).eval()
    for height, width in (size for size in SIZES if not quick or size[0] * size[1] <= QUICK):
        cases = {hole: make_case(height, width, hole) for hole in HOLES}
        expected = {}
        for hole, case in cases.items():
            feeds = [torch.from_numpy(x) for x in to_feeds(case).values()]
            with torch.inference_mode():
                expected[hole] = [x.numpy() for x in wrapper(*feeds)]
        batches = BATCHES if spec.layout != BYTE_LAYOUT and height * width <= LARGEST_BATCH else ()
        for group in (*((hole,) for hole in cases), *batches):
            wanted = [np.concatenate(arrays) for arrays in zip(*(expected[hole] for hole in group), strict=True)]
            for provider, session in sessions.items():
                yield _compare(session, provider, [cases[hole] for hole in group], "+".join(group), wanted, spec)


def _compare(
    session: Any, provider: str, cases: Sequence[Case], holes: str, wanted: list[NDArray[np.float32]], spec: ModelSpec
) -> Parity:
    got = run(session, cases, spec)
    if spec.layout == BYTE_LAYOUT:
        got, wanted = got[1:], wanted[1:]
    inside = np.stack([case.mask for case in cases])[:, None]  # N, 1, H, W
    errors = [np.abs(a - b) for a, b in zip(got, wanted, strict=True)]
    feeds = np.concatenate([to_feeds(case)[IMAGE] for case in cases])
    case = cases[0]
    return Parity(
        provider, len(cases), case.mask.shape[0], case.mask.shape[1], holes,
        max_error=float(max(error.max() for error in errors)),
        mean_error=float(errors[-1].mean(1, keepdims=True)[inside].mean()) if inside.any() else 0.0,
        known_equal=bool(np.where(inside, True, got[-1] == feeds).all()),
        tolerance=tolerance(spec, provider),
    )  # fmt: skip


def tolerance(spec: ModelSpec, provider: str) -> Tolerance:
    """Return what a file may differ by.

    Where two cells look alike, rounding decides which of them a second stage copies: other detail, as good as before.
    """
    known = CUDA_TOLERANCE if spec.precision == "fp32" and provider == CUDA else TOLERANCES[spec.precision]
    if spec.has_attention and known is not TOLERANCES["fp32"]:
        known = CHOICE
    return Tolerance(known.max + BYTE, known.mean + BYTE) if spec.layout == BYTE_LAYOUT else known


def run(session: Any, cases: Sequence[Case], spec: ModelSpec) -> list[NDArray[np.float32]]:
    """Run a file of any layout.

    Returns
    -------
    list
        Completions and composites, float arrays of shape (N, 3, H, W) in [0, 1]. A file of layout ``nhwc-uint8`` takes
        one picture and has no completion: it is the composite.
    """
    if spec.layout == BYTE_LAYOUT:
        (case,) = cases
        filled = session.run([FILLED], {IMAGE: case.image, MASK: case.mask.astype(np.uint8)})[0]
        return [to_feeds(Case(case.name, filled, case.mask))[IMAGE]] * 2
    feeds = [to_feeds(case) for case in cases]
    names = LAYOUTS[spec.layout].inputs
    outputs: list[NDArray[np.float32]] = session.run(
        [COMPLETION, COMPOSITE], {name: np.concatenate([feed[name] for feed in feeds]) for name in names}
    )
    return outputs


def time_window(session: Any, spec: ModelSpec) -> float:
    """Return what one window of the trained size takes, in milliseconds: the median of some runs."""
    case = make_case(spec.window, spec.window, "box")
    times = []
    for _ in range(REPEATS + 1):  # the first one warms up
        started = time.perf_counter()
        run(session, [case], spec)
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times[1:]))


def hole_psnr(session: Any, cases: Sequence[Case], spec: ModelSpec) -> float:
    """Return the mean PSNR over the holes of crops, in dB."""
    scores = []
    for case in cases:
        feeds = to_feeds(case)
        filled, image, mask = (torch.from_numpy(x) for x in (run(session, [case], spec)[1], feeds[IMAGE], feeds[MASK]))
        scores.append(float(psnr(filled.double(), image.double(), mask, HALF_GREY)))
    return float(np.mean(scores))


def short_name(provider: str) -> str:
    """Return ``CPU`` for ``CPUExecutionProvider``."""
    return provider.removesuffix("ExecutionProvider")


def table_row(parity: Parity) -> str:
    """Return a line of the parity table."""
    size = f"{parity.batch} x 3 x {parity.height} x {parity.width}"
    verdict = "pass" if parity.passed else "FAIL"
    where = f"{size:19} {parity.holes:18} {short_name(parity.provider):5}"
    return f"{where} {parity.max_error:10.2e} {parity.mean_error:10.2e}  {verdict}"


TABLE_HEAD = f"{'torch vs ONNX':19} {'holes':18} {'on':5} {'max error':>10} {'mean error':>10}"
