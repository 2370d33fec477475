"""What a run tells: a progress bar, JSON lines, TensorBoard, sample grids."""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from inpaint_training.losses.measures import composite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from inpaint_training.data.sampler import Batch

SAMPLES = 8
"""Rows of a sample grid."""


class RunLog:
    """Writes a run's log: ``log.jsonl``, TensorBoard events, and ``samples/`` with one grid per checkpoint.

    Parameters
    ----------
    run
        The folder.
    steps
        Of the whole run.
    enabled
        Only one of several processes writes.
    bar
        Whether to show a progress bar.

    Attributes
    ----------
    latest : dict
        The newest numbers, by name.
    """

    def __init__(self, run: Path, steps: int, first_step: int, enabled: bool = True, bar: bool = True) -> None:
        self.run, self.enabled, self.failed = run, enabled, False
        self.latest: dict[str, float] = {}
        self.bar = tqdm(total=steps, initial=first_step, desc="train", unit="step", disable=not (enabled and bar))
        self.parts: dict[str, list[Tensor]] = {}
        self.images, self.since = 0, time.monotonic()
        if enabled:
            (run / "samples").mkdir(parents=True, exist_ok=True)
            self.lines = (run / "log.jsonl").open("a", buffering=1, encoding="utf-8")
            self.board = SummaryWriter(run / "tensorboard")

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        if self.enabled:
            with self._written():
                self.board.close()
                self.lines.close()

    def add(self, parts: Mapping[str, Tensor], images: int) -> None:
        """Remember a step's numbers, which stay on the device, and move the progress bar."""
        for name, value in parts.items():
            self.parts.setdefault(name, []).append(value)
        self.images += images
        self.bar.update()

    def means(self) -> dict[str, float]:
        """Return the means of the numbers since the last call, and the speed in images per second."""
        means = {name: float(torch.stack(values).float().mean()) for name, values in self.parts.items()}
        now = time.monotonic()
        means["images_per_second"] = self.images / max(now - self.since, 1e-9)
        shown = next((name for name in ("l1_hole", "loss") if name in means), None)
        if shown:
            self.bar.set_postfix({shown: f"{means[shown]:.4f}", "img/s": f"{means['images_per_second']:.1f}"})
        self.restart()
        return means

    def restart(self) -> None:
        """Forget the numbers since the last call."""
        self.parts, self.images, self.since = {}, 0, time.monotonic()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave what happens within out of the speed."""
        begun = time.monotonic()
        yield
        self.since += time.monotonic() - begun

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line, and the same numbers to TensorBoard."""
        if not self.enabled:
            return
        self.latest = {**self.latest, **values}
        with self._written():
            finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
            self.lines.write(json.dumps({"step": step, **finite}) + "\n")
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def say(self, step: int, text: str) -> None:
        """Tell something to whoever watches, and write it down."""
        if not self.enabled:
            return
        self.bar.write(f"step {step}: {text}", file=sys.stderr)
        with self._written():
            self.lines.write(json.dumps({"step": step, "event": text}) + "\n")
            self.board.add_text("events", text, step)

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Let a full disk cost lines of the log, not the run."""
        try:
            yield
        except OSError as error:
            if not self.failed:
                self.bar.write(f"the log cannot be written: {error}; training goes on", file=sys.stderr)
            self.failed = True

    def write_samples(self, step: int, batch: Batch, completion: Tensor) -> None:
        """Write a grid, a row a photo: with the hole, completion, composite, original."""
        if not self.enabled:
            return
        with self._written():
            self._write_samples(step, batch, completion)

    def _write_samples(self, step: int, batch: Batch, completion: Tensor) -> None:
        image, mask, completion = (x[:SAMPLES].float().cpu() for x in (batch.image, batch.mask, completion))
        filled = composite(completion, image, mask > 0)
        rows = torch.cat([torch.where(mask > 0, 0.5, image), completion, filled, image], 3)  # N, 3, H, 4 W
        grid = torch.cat(list(rows), 1).clamp(0, 1).mul(255).round().byte()  # 3, N H, 4 W
        Image.fromarray(grid.permute(1, 2, 0).numpy()).save(self.run / "samples" / f"step-{step:07}.jpg", quality=90)
        self.board.add_image("samples", grid, step)
