"""Offsets in records, there and back, and what damaged ones are."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.copying.canvas import lay_out
from napari_inpaint.inference.copying.offsets import Copies
from napari_inpaint.inference.copying.provenance import CopyRecord, read_copies, read_texts, to_texts
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.record import pack
from napari_inpaint.inference.windows.intensity import IntensityCurve

HOLE = np.zeros((40, 50), bool)
HOLE[10:20, 12:24] = True


def make_canvas(*steps):
    shape = HOLE.shape
    count = 1 + len(steps)
    return lay_out([np.zeros((1, *shape))] * count, [HOLE, *[np.zeros(shape, bool)] * len(steps)],
                   [np.zeros((*shape, 1))] * count, (0, *steps))  # fmt: skip


CANVAS = make_canvas()


def record_of(offsets, shares=None, canvas=CANVAS):
    texts = to_texts(Copies(offsets, shares), HOLE, canvas)
    return CopyRecord(
        (2,), Box(5, 6, 45, 56), (Box(15, 18, 25, 30),), 1.08, *texts, (), 0.01, (IntensityCurve(0, 255),)
    )


@given(st.integers(1, 8), st.integers(1, 20), st.integers(0, 99), st.booleans())
def test_a_record_holds_what_was_copied(down, right, seed, shared):
    offsets = np.zeros((2, HOLE.sum()), np.int32)
    offsets[0], offsets[1] = 10 + down, right
    shares = np.random.default_rng(seed).integers(0, 256, HOLE.sum(), np.uint8) if shared else None
    plain = json.loads(json.dumps({"copies": [asdict(record_of(offsets, shares))]}))
    (record,) = read_copies(plain)
    assert record.steps == ""
    copies = read_texts(record, HOLE, CANVAS)
    np.testing.assert_array_equal(copies.offsets, offsets)
    if shared:
        np.testing.assert_array_equal(copies.shares, shares)
    else:
        assert copies.shares is None


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=120, max_size=120))
def test_a_record_says_which_planes_were_copied_from(chosen):
    canvas, steps = make_canvas(-1, 1), np.array(chosen, np.int8)
    inside = np.where(steps == 0, 14, 2)  # beside the hole, or at about the same place
    offsets = canvas.unfold(np.stack([np.zeros_like(inside), inside]).astype(np.int32), steps)
    record = record_of(offsets, canvas=canvas)
    assert bool(record.steps) == steps.any()
    np.testing.assert_array_equal(read_texts(record, HOLE, canvas).offsets, offsets)
    if (steps == 1).any():  # an image without that plane
        with pytest.raises(ValueError, match="copies pixels that are not known"):
            read_texts(record, HOLE, make_canvas(-1))


def test_nothing_copied_nothing_read():
    assert read_texts(replace(record_of(np.zeros((2, HOLE.sum()), np.int32)), offsets=""), HOLE, CANVAS) is None
    assert read_copies({}) is None


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        (np.zeros((2, HOLE.sum()), np.int32), "copies pixels that are not known"),
        (np.full((2, HOLE.sum()), 2**31 - 1, np.int32), "copies pixels that are not known"),
        (np.full((2, HOLE.sum()), 20, np.int32), "copies pixels that are not known"),  # its neighbours are beyond
        (np.zeros((2, 7), np.int32), "has 56 bytes for 240 pixels"),
        (np.zeros((2, 10**6), np.int32), "has 961 bytes for 240 pixels"),
    ],
)
def test_damaged_offsets_are_refused(offsets, message):
    with pytest.raises(ValueError, match=f"damaged, or of another image.*{message}"):
        record = record_of(np.zeros((2, HOLE.sum()), np.int32))
        read_texts(replace(record, offsets=pack(offsets.tobytes())), HOLE, CANVAS)


@pytest.mark.parametrize("text", ["no base64!", "bm8gemxpYg==", "AAAA"])
def test_damaged_texts_are_refused(text):
    with pytest.raises(ValueError, match="damaged"):
        read_texts(replace(record_of(np.zeros((2, HOLE.sum()), np.int32)), offsets=text), HOLE, CANVAS)


def test_damaged_records_are_refused():
    plain = asdict(record_of(np.zeros((2, HOLE.sum()), np.int32)))
    for name in plain:
        with pytest.raises(ValueError, match="damaged"):
            read_copies({"copies": [{key: value for key, value in plain.items() if key != name}]})
