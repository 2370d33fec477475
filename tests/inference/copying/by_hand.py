"""Records that no fill made."""

import json
from dataclasses import asdict

import numpy as np

from napari_inpaint.inference.copying.provenance import CopyRecord
from napari_inpaint.inference.copying.regions import plan_regions
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import find_holes
from napari_inpaint.inference.inputs.job import Job
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.record import SCHEMA, pack
from napari_inpaint.inference.replay import describe_holes


def made_by_hand(mask, steps=None, seed=0):
    """A record of a mask, (planes, H, W), whose offsets are at random; and what they are, plane by plane."""
    rng, (_, height, width) = np.random.default_rng(seed), mask.shape
    holes = {(n,): find_holes(height, width, each, [], 0) for n, each in enumerate(mask) if each.any()}
    offsets = np.zeros((*mask.shape, 3), np.int32)
    for n, y, x in np.argwhere(mask):
        offsets[n, y, x] = (
            rng.integers(-9, 9) if steps else 0,
            rng.integers(-y, height - y),
            rng.integers(-x, width - x),
        )
    copies = []
    for region in plan_regions(Job(Planes(np.broadcast_to(False, mask.shape), None), holes)):
        hole = np.zeros((height, width), bool)
        for each in region.holes:
            each.paint(hole, Box(0, 0, height, width))
        moves = offsets[region.plane][hole].T
        copy = asdict(CopyRecord(region.plane, region.crop, tuple(each.box for each in region.holes), 0.0,
                                 pack(moves[1:].astype("<i4").tobytes()), "", "", (), 0.0, ()))  # fmt: skip
        copies.append(copy | ({"steps": pack(moves[0].astype("i1").tobytes())} if steps else {}))
    return json.loads(json.dumps({"schema": SCHEMA, "holes": describe_holes(holes), "copies": copies})), offsets
