"""Copies from the planes beside."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_inpaint.inference.copying.canvas import find_same_place, lay_out
from napari_inpaint.inference.copying.provenance import read_copies
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.inference.replay import read_holes, read_options
from napari_inpaint.inference.windows.patches import to_copy

SHAPE = (120, 140)
HOLE = np.zeros(SHAPE, bool)
HOLE[50:74, 60:90] = True


def make_scene(seed=0, sigma=3):
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    smooth = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return (smooth / smooth.std() / 8 + 0.5).astype(np.float32)


def beside(plane, *others, unknown=None):
    nothing = np.zeros(SHAPE, bool)
    return lay_out([each[None] for each in (plane, *others)], [HOLE, *(unknown or [nothing] * len(others))],
                   [each[..., None] for each in (plane, *others)], [0, -1, 1][: 1 + len(others)])  # fmt: skip


@given(st.integers(-8, 8), st.integers(-8, 8), st.sampled_from([-0.3, -0.1, 0.0, 0.03, 0.2]))
def test_a_moved_and_brighter_plane_is_recognised(down, right, brighter):
    scene = make_scene()
    canvas = beside(scene, np.roll(scene, (down, right), (0, 1)) + np.float32(brighter))
    found, offsets, levels = find_same_place(canvas, HOLE, HOLE, 24)
    assert levels == {-1: (pytest.approx(-brighter, abs=1e-5),)}
    assert find_same_place(canvas, HOLE, HOLE, 24, leveled=False)[0].any() == (abs(brighter) < 0.12)
    np.testing.assert_array_equal(found, HOLE)
    assert (offsets[0] == down).all()
    assert (offsets[1] == SHAPE[1] + 1 + right).all()


def test_a_plane_that_shows_something_else_is_not_copied():
    found, offsets, levels = find_same_place(beside(make_scene(0), make_scene(1)), HOLE, HOLE, 24)
    assert not found.any()
    assert not levels
    assert offsets.shape == (2, 0)


def test_where_there_is_only_noise_the_own_plane_is_as_good():
    assert not find_same_place(beside(make_scene(0, 0.01), make_scene(1, 0.01)), HOLE, HOLE, 24)[0].any()


def test_the_plane_that_differs_less_comes_first_and_the_other_shows_the_rest():
    scene, rng = make_scene(), np.random.default_rng(5)
    noisy = (scene + rng.normal(0, 0.03, SHAPE)).astype(np.float32)
    part = np.zeros(SHAPE, bool)
    part[:60] = True  # of the better one is not known
    found, offsets, _ = find_same_place(beside(scene, noisy, scene, unknown=[~HOLE & False, part]), HOLE, HOLE, 24)
    assert found.sum() == HOLE.sum()
    numbers = np.zeros(SHAPE, int)
    numbers[found] = offsets[1] // (SHAPE[1] + 1)
    assert (numbers[50:61, 60:90] == 1).all()  # joints look at neighbours: one row more
    assert (numbers[61:74, 60:90] == 2).all()


@pytest.fixture(scope="module")
def movie():
    """Four frames of a scene that moves and fades, and a hole in each."""
    rng, scene = np.random.default_rng(0), 8000 * make_scene() + 4000
    stack = np.stack(
        [np.roll(scene, (t, -2 * t), (0, 1)) * (1 + 0.05 * t) + rng.normal(0, 20, SHAPE) for t in range(4)]
    )
    mask = np.zeros(stack.shape, bool)
    for frame, (y, x) in enumerate([(30, 30), (30, 80), (70, 30), (70, 80)]):
        mask[frame, y : y + 30, x : x + 30] = True
    return stack.astype(np.uint16), mask


def test_frames_of_a_scene_that_moves_are_filled_from_their_neighbours(inpainter, movie):
    stack, mask = movie
    errors = {}
    for sources, axis in (("plane", None), ("stack", 0)):
        filled = inpainter.fill(stack, mask, sources=sources, stack_axis=axis)
        np.testing.assert_array_equal(filled[~mask], stack[~mask])
        errors[sources] = np.sqrt(np.square(filled.astype(float) - stack)[mask].mean())
    assert errors["stack"] < 80  # of noise of 20 in both, and a change of 5 % between frames
    assert errors["plane"] > 300
    assert all(copy["steps"] for copy in inpainter.last_record["copies"])


def test_the_brightness_of_a_neighbour_is_not_copied(inpainter):
    scene = make_scene()
    stack = np.stack([scene + 0.3, scene, scene - 0.25]).astype(np.float32)
    boxes = {(1,): [(40, 50, 70, 80)]}
    filled = inpainter.fill(stack, boxes=boxes, sources="stack", stack_axis=0)
    assert inpainter.last_record["copies"][0]["steps"]
    np.testing.assert_allclose(filled, stack, atol=0.01)
    unchanged = inpainter.fill(stack, boxes=boxes, sources="stack", stack_axis=0, seam=False)
    assert not inpainter.last_record["copies"][0]["steps"]  # other bits would have to be changed
    assert np.isin(unchanged[1, 40:70, 50:80], stack[1]).all()


@pytest.mark.parametrize("box", [(0, 0, 30, 30), (90, 110, 120, 140), (0, 40, 20, 80), (50, 0, 70, 140)])
def test_up_to_the_edges_of_the_image(inpainter, box):
    stack = np.stack([make_scene() + n / 100 for n in range(3)])
    filled = inpainter.fill(stack, boxes={(1,): [box]}, sources="stack", stack_axis=0)
    record = json.loads(json.dumps(inpainter.last_record))
    np.testing.assert_allclose(filled, stack, atol=0.005)
    options = read_options(record, None)
    job = read_job(stack, read_holes(record, stack.shape), None, options)
    patches, _ = inpainter.run(job, options, recorded=read_copies(record))
    np.testing.assert_array_equal(to_copy(job.source, patches), filled)


def test_without_the_seam_pixels_are_those_of_a_neighbour(inpainter, movie):
    stack, mask = movie
    stack = np.stack([np.roll(stack[0], (t, -2 * t), (0, 1)) for t in range(4)])
    filled = inpainter.fill(stack, mask, seam=False, sources="stack", stack_axis=0)
    np.testing.assert_array_equal(filled[0, 30:60, 30:60], stack[1, 31:61, 28:58])


@pytest.mark.parametrize("chunks", [(1, -1, -1), (2, 50, 60)])
def test_lazily_it_is_the_same_and_one_neighbour_each_way_is_read(inpainter, movie, chunks):
    da = pytest.importorskip("dask.array")
    stack, mask = movie
    expected = inpainter.fill(stack, mask, sources="stack", stack_axis=0)
    read = set()

    def remember(block, block_info=None):
        read.update(range(*block_info[0]["array-location"][0]))
        return block

    lazy = da.from_array(stack, chunks=chunks).map_blocks(remember, dtype=stack.dtype, meta=np.empty((0, 0, 0), "u2"))
    filled = inpainter.fill(lazy, mask, sources="stack", stack_axis=0)
    np.testing.assert_array_equal(filled[0].compute(), expected[0])
    if chunks[0] == 1:
        assert read == {0, 1}
    np.testing.assert_array_equal(filled.compute(), expected)
    boxes = {(frame,): [(y, x, y + 30, x + 30)] for frame, (y, x) in enumerate([(30, 30), (30, 80), (70, 30)])}
    mapped = {(3,): mask[3]}
    filled = inpainter.fill(lazy, mapped, boxes=boxes, sources="stack", stack_axis=0)
    np.testing.assert_array_equal(filled.compute(), expected)


def test_channels_are_no_neighbours_and_follow_one_field(inpainter, movie):
    stack, mask = movie
    both = np.stack([stack, stack[::-1] // 2], 1)  # T, C, H, W
    filled = inpainter.fill(both, mask, channel_axis=1, sources="stack", stack_axis=0, seam=False)
    copies = inpainter.last_record["copies"]
    assert len(copies) == 4
    expected = inpainter.fill(
        np.moveaxis(both, 1, -1), mask, channel_axis=-1, sources="stack", stack_axis=-4, seam=False
    )
    np.testing.assert_array_equal(filled, np.moveaxis(expected, -1, 1))


def test_a_record_is_repeated_bit_for_bit(inpainter, movie):
    stack, mask = movie
    expected = inpainter.fill(stack, mask, sources="stack", stack_axis=-3)
    record = json.loads(json.dumps(inpainter.last_record))
    options = read_options(record, None)
    job = read_job(stack, read_holes(record, stack.shape), None, options)
    patches, again = inpainter.run(job, options, recorded=read_copies(record))
    np.testing.assert_array_equal(to_copy(job.source, patches), expected)
    assert again.result_sha256 == record["result_sha256"]


@pytest.fixture(scope="module")
def still():
    """Three frames of a scene that does not move."""
    rng, scene = np.random.default_rng(0), 8000 * make_scene() + 4000
    return np.stack([scene + rng.normal(0, 20, SHAPE) for _ in range(3)]).astype(np.uint16)


def test_a_hole_through_all_frames_of_a_still_scene_is_filled_from_its_own_plane(inpainter, still):
    stack = still
    boxes = [(40, 40, 70, 70)]
    filled = inpainter.fill(stack, boxes=boxes, sources="stack", stack_axis=0)
    np.testing.assert_array_equal(filled, inpainter.fill(stack, boxes=boxes))


def test_the_self_check_hides_in_neighbours_what_is_hidden_there(inpainter, movie, still):
    stack, mask = movie
    report = inpainter.self_check(stack, mask, places=2, sources="stack", stack_axis=0)
    assert report.scores["fill"].psnr > report.scores["network"].psnr + 6
    through = inpainter.self_check(still, boxes=[(40, 40, 70, 70)], places=2, sources="stack", stack_axis=0)
    plain = inpainter.self_check(still, boxes=[(40, 40, 70, 70)], places=2)
    assert through.scores["fill"] == plain.scores["fill"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": "stack"}, "go together"),
        ({"stack_axis": 0}, "go together"),
        ({"sources": "volume", "stack_axis": 0}, "sources must be plane or stack"),
        ({"sources": "stack", "stack_axis": 1}, r"stack_axis=1 is not an axis of planes in .*: choose 0"),
        ({"sources": "stack", "stack_axis": 0.5}, "stack_axis must be a whole number"),
        ({"sources": "stack", "stack_axis": 0, "detail": "network"}, "leave out detail='network'"),
    ],
)
def test_what_makes_no_sense_is_refused(inpainter, movie, options, message):
    stack, mask = movie
    with pytest.raises(ValueError, match=message):
        inpainter.fill(stack, mask, **options)
    with pytest.raises(ValueError, match="there is no axis of planes"):
        FillOptions(sources="stack", stack_axis=0)
        inpainter.fill(stack[0], mask[0], sources="stack", stack_axis=0)
