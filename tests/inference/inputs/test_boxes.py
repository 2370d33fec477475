import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.inputs.boxes import Box, to_box

coordinates = st.integers(-50, 50)
boxes = st.builds(lambda y, x, h, w: Box(y, x, y + h, x + w), coordinates, coordinates, st.integers(1, 40),
                  st.integers(1, 40))  # fmt: skip


def pixels(box):
    return set() if box is None else {(y, x) for y in range(box.y0, box.y1) for x in range(box.x0, box.x1)}


@given(boxes, st.integers(1, 30), st.integers(1, 30))
def test_clip_keeps_the_pixels_inside(box, height, width):
    assert pixels(box.clip(height, width)) == pixels(box) & pixels(Box(0, 0, height, width))


@given(boxes, boxes)
def test_union_holds_both_and_is_tight(a, b):
    union = a.union(b)
    assert pixels(a) | pixels(b) <= pixels(union)
    assert {union.y0, union.x0, union.y1, union.x1} <= {*a, *b}


def test_numpy_integers_become_ints():
    box = to_box(np.array([1, 2, 3, 4], np.uint16))
    assert box == (1, 2, 3, 4)
    assert all(type(value) is int for value in box)


@pytest.mark.parametrize("values", [(), (1, 2, 3), (1, 2, 3, 4, 5), (1.5, 2, 3, 4), ("a", 1, 2, 3), (3, 1, 3, 4),
                                    (1, 4, 3, 2)])  # fmt: skip
def test_bad_boxes_are_repeated_in_the_message(values):
    with pytest.raises(ValueError, match="box") as error:
        to_box(values)
    assert str(values) in str(error.value)
