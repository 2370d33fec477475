"""The proof fails when it should."""

from dataclasses import replace

import numpy as np
import pytest

import inpaint_export.verify as verify
from inpaint_export.verify import BATCHES, CHOICE, HOLES, SIZES, TOLERANCES, Parity, compare, make_case, tolerance
from napari_inpaint.inference.runtime.contract import BYTE_LAYOUT
from napari_inpaint.inference.runtime.providers import CPU, CUDA

GOOD = Parity(CPU, 1, 8, 8, "box", 1e-6, 1e-7, True, TOLERANCES["fp32"])


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"max_error": 2e-4}, False),
        ({"mean_error": 2e-5}, False),
        ({"max_error": float("nan")}, False),
        ({"mean_error": float("nan")}, False),
        ({"known_equal": False}, False),
    ],
)
def test_what_passes(change, passes):
    assert replace(GOOD, **change).passed is passes


def test_every_size_meets_every_hole_alone_and_among_three():
    assert {(1, 1), (7, 300), (68, 68), (256, 256), (257, 511), (1024, 768), (2048, 2048)} == set(SIZES)
    assert set(HOLES) == {hole for batch in BATCHES for hole in batch}
    assert {len(batch) for batch in BATCHES} == {3}


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("size", [(1, 1), (7, 30), (64, 64)])
def test_cases(hole, size):
    case = make_case(*size, hole)
    assert case.image.shape == (*size, 3)
    assert case.mask.shape == size
    assert case.mask.any() == (hole != "none" and (hole != "strokes" or size != (1, 1)))
    if hole == "edges":
        assert case.mask[0].all() and case.mask[-1].all() and case.mask[:, 0].all() and case.mask[:, -1].all()
    if size == (64, 64):
        assert case.mask.all() == (hole == "all")


def test_tolerances():
    spec = describe_tiny()
    assert tolerance(spec, CPU) == TOLERANCES["fp32"]
    assert tolerance(spec, CUDA).max == 2e-3
    assert tolerance(spec.with_layout(BYTE_LAYOUT), CPU).max == pytest.approx(1e-4 + 1 / 255)
    two_stages = replace(spec, stages="coarse,refine")
    assert tolerance(two_stages, CPU) == TOLERANCES["fp32"]
    assert tolerance(two_stages, CUDA) == tolerance(replace(two_stages, precision="fp16"), CPU) == CHOICE


def describe_tiny():
    from napari_inpaint.inference.runtime.contract import ModelSpec

    return ModelSpec("tiny", "compact", 256, 24, 144, 4, 68, 1, "", "")


class Wrong:
    """A session whose composites are wrong in one place."""

    def __init__(self, session, place):
        self.session, self.place = session, place

    def run(self, names, feeds):
        completion, composite = self.session.run(names, feeds)
        hole = np.broadcast_to(feeds["mask"] > 0, composite.shape)
        wanted = hole if self.place == "hole" else ~hole
        if wanted.any():
            composite[tuple(np.argwhere(wanted)[0])] += 1e-3
        return completion, composite


@pytest.mark.parametrize("place", ["hole", "known"])
def test_one_wrong_pixel_fails(tiny, tiny_network, open_model, monkeypatch, place):
    monkeypatch.setattr(verify, "SIZES", ((9, 12),))
    session = open_model(tiny)
    rows = list(compare(tiny_network, {CPU: session}, describe_tiny()))
    assert len(rows) == 7
    assert all(row.passed for row in rows)
    for row in compare(tiny_network, {CPU: Wrong(session, place)}, describe_tiny()):
        untouched = row.holes == ("none" if place == "hole" else "all")
        assert row.passed == untouched


def test_a_quick_proof_leaves_out_large_pictures(tiny, tiny_network, open_model, monkeypatch):
    monkeypatch.setattr(verify, "SIZES", ((9, 12), (1024, 768)))
    rows = compare(tiny_network, {CPU: open_model(tiny)}, describe_tiny(), quick=True)
    assert {(row.height, row.width) for row in rows} == {(9, 12)}
    assert {(256, 256), (257, 511)} <= {size for size in SIZES if size[0] * size[1] <= verify.QUICK}
