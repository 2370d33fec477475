"""Polygons, strokes and labels, in pixels."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image, Shapes

from napari_inpaint.plugin.layers import geometry

RECTANGLE = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], float)


def draw(outlines, shape=(60, 60)):
    mask = np.zeros(shape, bool)
    for outline in outlines:
        geometry.rasterise(outline, mask)
    return mask


def test_the_documented_edges():
    mask = draw([np.array([(10, 10), (10, 20), (20, 20), (20, 10)], float)])
    assert np.argwhere(mask).min() == 10
    assert np.argwhere(mask).max() == 20
    assert draw([np.array([(9.5, 9.5), (9.5, 19.5), (19.5, 19.5), (19.5, 9.5)])]).sum() == 100


def test_what_lies_outside_is_left_out():
    assert not draw([RECTANGLE * 9 + 100]).any()
    assert not draw([RECTANGLE * 0.5 + 0.2]).any()  # between the centres
    mask = draw([RECTANGLE * 30 - 10])
    assert mask.sum() == 21**2
    assert geometry.reaches_beyond(RECTANGLE * 30 - 10, 60, 60)
    assert not geometry.reaches_beyond(RECTANGLE * 60 - 0.5, 60, 60)


OFF_CENTRE = st.integers(-40, 280).map(lambda quarters: quarters / 4 + 0.1)


@given(st.lists(st.tuples(OFF_CENTRE, OFF_CENTRE), min_size=3, max_size=7))
def test_polygons_follow_the_even_odd_rule(points):
    outline = np.array(points)
    mask = draw([outline])
    edges = list(itertools.pairwise([*points, points[0]]))
    for y, x in [(0, 0), (30, 30), (17, 42), (59, 59), (5, 33)]:
        crossings = sum(
            (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax) for (ay, ax), (by, bx) in edges
        )
        on_edge = any(
            abs((by - ay) * (x - ax) - (bx - ax) * (y - ay)) < 1e-9
            and min(ay, by) <= y <= max(ay, by) and min(ax, bx) <= x <= max(ax, bx)
            for (ay, ax), (by, bx) in edges
        )  # fmt: skip
        if not on_edge and not geometry.is_upright(outline):  # on an edge rounding decides
            assert mask[y, x] == crossings % 2


def test_rotated_rectangles_and_ellipses():
    y, x = np.mgrid[:60, :60]
    diamond = np.array([(10, 30), (30, 50), (50, 30), (30, 10)], float)
    distance = np.abs(y - 30) + np.abs(x - 30)
    mask = draw(geometry.to_outlines(diamond, "rectangle", 1, (0, 1)))
    assert mask[distance < 20].all()
    assert not mask[distance > 20].any()
    corners = np.array([(10, 20), (10, 40), (50, 40), (50, 20)], float)
    radius = np.hypot((y - 30) / 20, (x - 30) / 10)
    mask = draw(geometry.to_outlines(corners, "ellipse", 1, (0, 1)))
    assert mask[radius < 0.97].all()
    assert not mask[radius > 1.03].any()


@pytest.mark.parametrize("kind", ["path", "line"])
def test_a_stroke_covers_all_that_is_near_its_line(kind):
    knots = np.array([(10, 10), (10, 40), (45, 50)][: 2 if kind == "line" else 3], float)
    mask = draw(geometry.to_outlines(knots, kind, 6, (0, 1)))
    grid = np.moveaxis(np.mgrid[:60, :60], 0, -1).astype(float)
    distance = np.full((60, 60), np.inf)
    for start, end in itertools.pairwise(knots):
        along = np.clip((grid - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
        distance = np.minimum(distance, np.linalg.norm(grid - (start + along[..., None] * (end - start)), axis=-1))
    assert mask[distance < 2.95].all()
    assert not mask[distance > 3.01].any()


def test_a_stroke_in_a_stack_stays_in_its_slice():
    knots = np.array([(7, 10, 10), (7, 10, 30)], float)
    for outline in geometry.to_outlines(knots, "path", 4, (1, 2)):
        assert (outline[:, 0] == 7).all()


@pytest.mark.parametrize(
    ("options", "units", "expected"),
    [
        ({"scale": (0.5, 2)}, None, (5, 40)),
        ({"scale": (0.5, 2), "translate": (1, -1)}, None, (6, 39)),
        ({"scale": (0.5, 2), "units": ("um", "um")}, ("nm", "nm"), (5000, 40000)),
        ({"scale": (0.5, 2), "units": ("um", "mm")}, ("um", "um"), (5, 40000)),
        ({"affine": [[0, 2, 5], [3, 0, -7], [0, 0, 1]]}, None, (45, 23)),
    ],
)
def test_the_matrix_of_a_layer(options, units, expected):
    import pint

    units = None if units is None else tuple(map(pint.get_application_registry().Unit, units))
    matrix = geometry.to_world_matrix(Image(np.zeros((9, 9)), **options), units)
    np.testing.assert_allclose(geometry.apply(matrix, np.array([10.0, 20.0])), expected)


def test_the_matrix_agrees_with_napari():
    shapes = Shapes(ndim=3, scale=(2, 3, 4), rotate=30, shear=[0.1, 0.2, 0.3], translate=(5, 6, 7))
    matrix = geometry.to_world_matrix(shapes, None)
    point = np.array([1.5, -2, 8])
    np.testing.assert_allclose(geometry.apply(matrix, point), shapes.data_to_world(point))


@given(st.integers(0, 3), st.booleans(), st.floats(0.3, 3), st.floats(-9, 9), st.floats(-9, 9))
def test_labels_are_looked_up_at_the_nearest_pixel(turns, oblique, scale, dy, dx):
    labels = np.random.default_rng(0).integers(0, 5, (3, 12, 17), np.uint8)
    angle = np.pi / 2 * turns + (0.3 if oblique else 0)
    down = np.array([0, np.cos(angle), np.sin(angle)]) * scale
    right = np.array([0, -np.sin(angle), np.cos(angle)]) * scale
    start = np.array([1, dy, dx])
    found = geometry.resample(labels, lambda label: label == 3, start, down, right, (14, 11))
    for row, column in itertools.product(range(14), range(11)):
        place = (start + row * down + column * right).round(geometry.DIGITS)
        index = tuple(np.rint(place).astype(int))
        inside = all(0 <= i < n for i, n in zip(index, labels.shape, strict=True))
        if np.abs(place % 1 - 0.5).min() > 1e-3:  # on an edge either neighbour will do
            assert found[row, column] == (inside and labels[index] == 3)


@pytest.mark.parametrize("angle", [0, 0.3])
def test_labels_of_64_bits_are_told_apart(angle):
    labels = np.full((9, 9), 2**62, np.int64)
    labels[:, 5:] += 1
    steps = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    here = geometry.resample(labels, lambda label: label == 2**62, np.array([1.0, 1.0]), *steps, (5, 7))
    there = geometry.resample(labels, lambda label: label == 2**62 + 1, np.array([1.0, 1.0]), *steps, (5, 7))
    assert here.any() and there.any() and not (here & there).any()


def test_a_plane_beside_the_labels_has_none():
    labels = np.ones((3, 5, 5), bool)
    steps = np.array([0, 1.0, 0]), np.array([0, 0, 1.0])
    assert not geometry.resample(labels, np.asarray, np.array([3.0, 0, 0]), *steps, (5, 5)).any()
    assert geometry.resample(labels, np.asarray, np.array([2.0, 0, 0]), *steps, (5, 5)).all()
