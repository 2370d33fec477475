"""What a run tells: a progress bar, JSON lines, TensorBoard, sample grids."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

SAMPLES = 8
"""Rows of a sample grid."""


class RunLog:
    """Writes a run's log: ``log.jsonl``, TensorBoard events, and ``samples/`` with one grid per checkpoint."""

    def __init__(self, run: Path, steps: int, first_step: int) -> None:
        self.run = run
        self.recent: deque[tuple[float, float]] = deque(maxlen=2)
        (run / "samples").mkdir(parents=True, exist_ok=True)
        self.lines = (run / "log.jsonl").open("a", buffering=1)
        self.board = SummaryWriter(run / "tensorboard")
        self.bar = tqdm(total=steps, initial=first_step, desc="train", unit="step")

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        self.lines.close()
        self.board.close()

    def advance(self, parts: Mapping[str, float]) -> None:
        """Move the progress bar by one step."""
        self.bar.set_postfix({"L1 hole": f"{parts['l1_hole']:.4f}", "img/s": f"{self.speed():.1f}"}, refresh=False)
        self.bar.update()

    def speed(self) -> float:
        """Return images per second between the last two log lines that counted images."""
        if len(self.recent) < 2:
            return float("nan")
        (t0, images0), (t1, images1) = self.recent
        return (images1 - images0) / max(t1 - t0, 1e-9)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Append a line, and the same numbers to TensorBoard."""
        values = dict(values)
        if "images" in values:
            self.recent.append((time.monotonic(), values["images"]))
            if len(self.recent) == 2:
                values["images_per_second"] = self.speed()
        self.lines.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def write_samples(self, step: int, image: Tensor, mask: Tensor, completion: Tensor) -> None:
        """Write a grid, a row a photo: with the hole, composite, original."""
        image, mask, completion = (x[:SAMPLES].cpu() for x in (image, mask, completion))
        composite = torch.where(mask > 0, completion, image)
        rows = torch.cat([torch.where(mask > 0, 0.5, image), composite, image], 3)  # N, 3, H, 3 W
        grid = torch.cat(list(rows), 1).clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)  # N H, 3 W, 3
        Image.fromarray(grid.numpy()).save(self.run / "samples" / f"step-{step:07}.jpg", quality=90)
