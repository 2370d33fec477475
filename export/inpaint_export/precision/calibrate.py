"""What the layers' values are like on photos."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
import onnxruntime

from inpaint_training.data.masks import Holes, render_masks
from inpaint_training.evaluation.cases import Protocol, iterate_cases
from napari_inpaint.inference.runtime.contract import IMAGE, MASK
from napari_inpaint.inference.runtime.providers import CPU, make_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inpaint_training.evaluation.cases import Case
    from inpaint_training.recipes.recipe import Phase

CROPS = 256
"""Crops that are used at most, half of them to calibrate."""
FEW_PHOTOS = 20
"""Fewer do not show what the values of a network can be: two cost ``compact`` 0.15 dB more than 128."""
LEAST_CONTRAST = 2.0
"""Standard deviation, in grey levels of 8 bits, of crops that are used: black ones teach nothing."""
PIXELS = 24
"""Pixels that are looked at inside every hole, and as many anywhere."""


@dataclass(frozen=True, slots=True)
class Samples:
    """A value of the graph on photos."""

    inside: NDArray[np.float32]
    """Array of shape (C, n): at random pixels of the holes."""
    anywhere: NDArray[np.float32]
    """Array of shape (C, n): at random pixels of the crops."""
    low: NDArray[np.float32]
    """Array of shape (C,): the least of all."""
    high: NDArray[np.float32]
    """Array of shape (C,): the largest of all."""


def to_feeds(case: Case) -> dict[str, NDArray[np.float32]]:
    """Return a crop and its hole as inputs of a model of layout ``nchw-float``."""
    image = np.ascontiguousarray(case.image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return {IMAGE: image, MASK: case.mask[None, None].astype(np.float32)}


def sample(model: ir.Model, values: Sequence[ir.Value], cases: Iterable[Case]) -> list[Samples]:
    """Run a model on crops and look at values of its graph, (1, C, H, W) each.

    Returns
    -------
    list
        In the order of the values.
    """
    names = [value.name or "" for value in values]
    outputs = list(model.graph.outputs)
    model.graph.outputs.extend(dict.fromkeys(value for value in values if value not in outputs))
    try:
        proto = ir.to_proto(model)
    finally:
        model.graph.outputs[:] = outputs
    session = onnxruntime.InferenceSession(proto.SerializeToString(), make_options(onnxruntime), providers=[CPU])
    rng = np.random.default_rng(0)
    parts: dict[str, list[Samples]] = {name: [] for name in names}
    for case in cases:
        height, width = case.mask.shape
        ys, xs = np.nonzero(case.mask)
        chosen = rng.integers(0, len(ys), PIXELS)
        # as shares of the crop: the layers' maps are smaller than it
        inside = (ys[chosen] + 0.5) / height, (xs[chosen] + 0.5) / width
        anywhere = rng.random(PIXELS), rng.random(PIXELS)
        for name, array in zip(parts, session.run(list(parts), to_feeds(case)), strict=True):
            picked = [array[0, :, (y * array.shape[2]).astype(int), (x * array.shape[3]).astype(int)].T
                      for y, x in (inside, anywhere)]  # fmt: skip
            parts[name].append(Samples(picked[0], picked[1], array.min((0, 2, 3)), array.max((0, 2, 3))))
    return [
        Samples(
            np.concatenate([part.inside for part in parts[name]], 1),
            np.concatenate([part.anywhere for part in parts[name]], 1),
            np.min([part.low for part in parts[name]], 0),
            np.max([part.high for part in parts[name]], 0),
        )
        for name in names
    ]


@dataclass(frozen=True, slots=True)
class AsTrained(Protocol):
    """Crops with holes that a training phase hides."""

    policy: Holes = field(kw_only=True)

    def random_mask(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw a hole: bool array of shape (crop, crop)."""
        return render_masks([self.policy.draw(self.crop, rng)], self.crop)[0, 0].numpy() > 0


def read_cases(photos: Path, phase: Phase) -> tuple[list[Case], list[Case]]:
    """Return crops with holes as in training: some to calibrate with, others to measure the loss on.

    Parameters
    ----------
    photos
        A folder, a tar archive or a packed data set. At most `CROPS` crops are made of its first photos; every other
        photo is for measuring.
    phase
        The last phase of training, which decides the crops' size and the holes.

    Raises
    ------
    ValueError
        When there are less than two photos that are large enough and not empty.
    """
    protocol = AsTrained(phase.crop, crops=2, policy=phase.holes)
    by_photo: dict[str, list[Case]] = {}
    cases = (case for case in iterate_cases(photos, protocol) if case.image.std() >= LEAST_CONTRAST)
    for case in islice(cases, CROPS):
        by_photo.setdefault(case.photo, []).append(case)
    if len(by_photo) < 2:
        raise ValueError(
            f"{photos}: too few photos of at least {phase.crop} x {phase.crop} pixels that show something: calibrating "
            "takes at least 2, and better 100"
        )
    if len(by_photo) < FEW_PHOTOS:
        sys.stderr.write(f"inpaint-export: {photos} has only {len(by_photo)} photos: 100 would calibrate better\n")
    groups = list(by_photo.values())
    return [case for group in groups[::2] for case in group], [case for group in groups[1::2] for case in group]
