import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import Hole, find_holes
from napari_inpaint.inference.runtime.contract import ModelSpec
from napari_inpaint.inference.windows.plan import STANDARD_SIDES, divide, plan_windows

SPEC = ModelSpec(
    name="m", recipe="r", window=64, hole_min=8, hole_max=32, size_multiple=4, minimum_side=68, parameters=10,
    data="photos", licence="CC0-1.0",
)  # fmt: skip
SIDES = {round(side * SPEC.window) for side in STANDARD_SIDES}


def plan(shape, *boxes):
    return plan_windows(find_holes(*shape, None, [Box(*box) for box in boxes], 0), *shape, SPEC)


def test_no_hole_no_window():
    assert plan((50, 50)) == ()


def test_one_hole_is_in_the_middle_of_a_standard_window():
    (window,) = plan((300, 300), (100, 120, 110, 140))
    assert window.crop == Box(73, 98, 137, 162)
    assert [hole.box for hole in window.holes] == [Box(100, 120, 110, 140)]
    assert (window.factor, window.size, window.interpolated, window.others) == (1, (64, 64), False, ())


def test_windows_at_the_edge_move_inside():
    (window,) = plan((300, 300), (0, 285, 15, 300))
    assert window.crop == Box(0, 236, 64, 300)


def test_a_small_image_is_its_own_window():
    (window,) = plan((20, 500), (5, 5, 14, 19))
    assert window.crop == Box(0, 0, 20, 64)


def test_near_holes_share_a_window_when_that_is_no_dearer():
    assert len(plan((300, 300), (10, 10, 25, 25), (20, 30, 35, 45))) == 1
    assert len(plan((300, 300), (10, 10, 25, 25), (200, 30, 215, 45))) == 2
    (wide,) = plan((300, 300), (100, 50, 115, 65), (100, 145, 115, 160))  # 64 x 128 instead of twice 64 x 64
    assert wide.size == (64, 128)
    diagonal = plan((300, 300), (50, 50, 65, 65), (150, 150, 165, 165))  # 128 x 128 would cost twice as much
    assert len(diagonal) == 2


def test_holes_of_other_windows_are_unknown():
    first, second = plan((300, 300), (100, 100, 130, 130), (100, 150, 180, 230))
    assert first.factor != second.factor
    assert [hole.box for hole in first.others] == [hole.box for hole in second.holes]
    shared = first.paint(first.others)
    assert shared.any()
    assert not (shared & first.paint(first.holes)).any()


def test_a_hole_larger_than_trained_is_scaled_down():
    (window,) = plan((1000, 1000), (300, 300, 400, 390))
    assert window.holes[0].size == 90
    assert window.factor == 3
    assert window.size == (64, 64)
    assert window.crop.height == 192


def test_holes_narrower_than_trained_are_interpolated():
    narrow, trained = plan((1000, 1000), (100, 300, 900, 307)), plan((1000, 1000), (100, 300, 900, 308))
    assert {window.interpolated for window in narrow} == {True}
    assert {window.interpolated for window in trained} == {False}
    assert {window.factor for window in (*narrow, *trained)} == {1}
    assert sum(window.network_pixels for window in narrow) == 0


def test_thousands_of_defects_need_no_network_and_few_windows():
    mask = np.random.default_rng(0).random((1000, 1000)) < 0.005
    windows = plan_windows(find_holes(1000, 1000, mask, [], 0), 1000, 1000, SPEC)
    assert sum(len(window.holes) for window in windows) > 4000
    assert len(windows) <= 16**2
    assert all(window.interpolated for window in windows)


@pytest.mark.parametrize("thickness", [2, 12])
def test_long_holes_are_divided_so_that_windows_stay_bounded(thickness):
    mask = np.zeros((1000, 1000), bool)
    mask[10 : 10 + thickness] = mask[:, 10 : 10 + thickness] = True
    covered = np.zeros_like(mask)
    for window in plan_windows(find_holes(1000, 1000, mask, [], 0), 1000, 1000, SPEC):
        assert max(window.size) <= 2 * SPEC.window
        for hole in window.holes:
            hole.paint(covered, Box(0, 0, 1000, 1000))
    np.testing.assert_array_equal(covered, mask)


def test_a_wide_band_is_divided_at_its_scale():
    windows = plan((200, 3000), (50, 0, 130, 3000))
    assert len(windows) > 3
    assert {window.factor for window in windows} == {3}
    assert max(max(window.size) for window in windows) <= 2 * SPEC.window


def test_windows_grow_until_they_see_a_known_pixel():
    mask = np.ones((300, 3000), bool)
    mask[7, 0] = False
    for window in plan_windows(find_holes(300, 3000, mask, [], 0), 300, 3000, SPEC):
        assert not window.paint((*window.holes, *window.others)).all()
        assert window.crop.x0 == 0
        assert max(window.size) <= 4 * SPEC.window
    with pytest.raises(ValueError, match="no pixel is known"):
        plan((300, 3000), (0, 0, 300, 3000))


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1), st.floats(0.01, 0.9), st.integers(1, 20))
def test_every_hole_is_filled_exactly_once_from_a_window_that_holds_it(height, width, seed, density, coarse):
    rng = np.random.default_rng(seed)
    mask = (rng.random((height // coarse + 1, width // coarse + 1)) < density).repeat(coarse, 0).repeat(coarse, 1)
    mask = mask[:height, :width]
    mask[rng.integers(height), rng.integers(width)] = False
    windows = plan_windows(find_holes(height, width, mask, [], 0), height, width, SPEC)
    filled = np.zeros((height, width), int)
    for window in windows:
        crop = window.crop
        assert crop.clip(height, width) == crop
        own, others = window.paint(window.holes), window.paint(window.others)
        filled[crop.slices] += own
        np.testing.assert_array_equal(own | others, mask[crop.slices])
        assert all(hole.box.union(crop) == crop for hole in window.holes)
        if not window.interpolated and window.factor == 1:
            assert {*window.size} <= {*SIDES, height, width}
    np.testing.assert_array_equal(filled, mask)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(3, 20), st.integers(0, 2**32 - 1))
def test_pieces_of_a_divided_hole_are_the_hole(height, width, side, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    mask[0, 0] = mask[-1, -1] = True
    box = Box(7, 9, 7 + height, 9 + width)
    canvas = np.zeros((height, width), int)
    for piece in divide(Hole(box, mask), side):
        assert max(piece.box.height, piece.box.width) <= side
        part = np.zeros((height, width), bool)
        piece.paint(part, box)
        canvas += part
    np.testing.assert_array_equal(canvas, mask)


def test_a_plan_says_what_fill_does_and_changes_nothing(inpainter, photo):
    boxes = [(100, 100, 180, 190), (100, 210, 150, 260), (20, 20, 22, 220), (300, 300, 512, 640)]
    plan = inpainter.plan(photo, boxes=boxes)
    with pytest.warns(UserWarning, match="lower resolution"):
        inpainter.fill(photo, boxes=boxes)
    record = inpainter.last_record
    assert [window["crop"] for window in record["windows"]] == [window.crop for window in plan.windows]
    assert [bool(window["provider"]) for window in record["windows"]] == [not w.interpolated for w in plan.windows]
    assert plan.notes == tuple(record["notes"])
    assert plan.network_calls == 2
    assert 0.2 * record["network_seconds"] < plan.seconds < 5 * record["network_seconds"]
    text = str(plan)
    assert text.startswith("3 windows, 4 holes: 2 for the network, about ")
    assert "scaled down by 2" in text
    assert text.count("\n") == 4
    assert inpainter.plan(photo, np.zeros(photo.shape[:2])).windows == ()


def test_a_plan_counts_planes_and_channels(inpainter):
    plan = inpainter.plan(np.zeros((4, 90, 90, 5)), boxes=[(10, 10, 50, 50)], channel_axis=-1)
    assert ([window.plane for window in plan.windows], plan.network_calls) == ([(0,), (1,), (2,), (3,)], 20)


def test_planes_with_one_mask_share_a_plan(inpainter, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "napari_inpaint.inference.windows.plan.plan_windows", lambda *arguments: calls.append(arguments) or ()
    )
    inpainter.plan(np.zeros((50, 90, 90), np.uint8), np.eye(90))
    assert len(calls) == 1


def test_every_fill_at_a_lower_resolution_is_noted(inpainter, photo):
    mask = np.ones(photo.shape[:2], bool)
    mask[7, 3] = False
    with pytest.warns(UserWarning, match=r"a hole is \d+ pixels wide"):
        inpainter.fill(photo, mask)
    star = np.zeros((600, 600), bool)  # as wide as trained only where it is not divided
    star[200:350, 200:350] = star[260] = star[:, 260] = True
    star[0, 0] = False
    with pytest.warns(UserWarning, match=r"a hole is 150 pixels wide"):
        inpainter.fill(np.zeros((600, 600), np.uint8), star)
