"""The proof at the end of every export: PyTorch and ONNX Runtime compute the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch

from inpaint_export.graph import CompletionGraph
from napari_inpaint.inference.contract import COMPLETION, COMPOSITE, IMAGE, MASK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inpaint_training.config import ExportableNetwork

TOLERANCE = 1e-4
"""Largest absolute difference of a float32 file, for values in [0, 1]."""

CASES = (
    (1, 256, 256, "box"),
    (1, 257, 300, "box"),
    (1, 1, 1, "all"),
    (1, 70, 500, "box"),
    (1, 2048, 1500, "box"),
    (3, 256, 256, "box"),
    (1, 256, 256, "none"),
    (1, 256, 256, "all"),
)
"""Batch, height, width and hole of every comparison."""


@dataclass(frozen=True, slots=True)
class Parity:
    """One comparison."""

    batch: int
    height: int
    width: int
    hole: str
    max_error: float
    """Largest absolute difference of completion and composite."""
    mean_error: float
    """Mean absolute difference of the completion."""
    known_equal: bool
    """Whether the composite's known pixels are the image's, bit for bit."""

    @property
    def passed(self) -> bool:
        """Whether the file may ship; a NaN fails."""
        return self.known_equal and self.max_error <= TOLERANCE


def compare(network: ExportableNetwork, model_file: Path) -> Iterator[Parity]:
    """Run every case in PyTorch and in ONNX Runtime on the CPU.

    Parameters
    ----------
    network
        In evaluation mode.
    model_file
        What was exported from it.
    """
    graph = CompletionGraph(network).eval()
    session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for batch, height, width, hole in CASES:
        image = rng.random((batch, 3, height, width), np.float32)
        mask = np.full((batch, 1, height, width), hole == "all", np.float32)
        if hole == "box":
            mask[..., height // 4 : height // 2 + 1, width // 3 : width * 2 // 3 + 1] = 1
        with torch.inference_mode():
            expected = [x.numpy() for x in graph(torch.from_numpy(image), torch.from_numpy(mask))]
        got = session.run([COMPLETION, COMPOSITE], {IMAGE: image, MASK: mask})
        errors = [np.abs(a - b) for a, b in zip(expected, got, strict=True)]
        known = np.broadcast_to(mask == 0, image.shape)
        yield Parity(
            batch, height, width, hole,
            max_error=float(np.max(errors)),
            mean_error=float(errors[0].mean()),
            known_equal=np.array_equal(got[1][known], image[known]),
        )  # fmt: skip


def table_row(parity: Parity) -> str:
    """Return a line of the parity table."""
    size = f"{parity.batch} x 3 x {parity.height} x {parity.width}"
    verdict = "pass" if parity.passed else "FAIL"
    return f"{size:21} {parity.hole:5} {parity.max_error:10.2e} {parity.mean_error:10.2e}  {verdict}"


TABLE_HEAD = f"{'torch vs ONNX Runtime':22}{'hole':5} {'max error':>10} {'mean error':>10}"
