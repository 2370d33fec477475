"""Holes of some planes: mappings from planes to masks and boxes."""

import json
import threading
from collections.abc import Mapping

import dask.array as da
import numpy as np
import pytest

from napari_inpaint import FillCancelledError

BOX = (20, 30, 60, 80)


@pytest.fixture(scope="module")
def stack(photo):
    """(3, 96, 128), uint16."""
    return np.stack([photo[y : y + 96, 100:228, 1] for y in (0, 150, 300)]).astype(np.uint16) * 200


def square(y=20, x=30):
    mask = np.zeros((96, 128), bool)
    mask[y : y + 40, x : x + 50] = True
    mask[y, x] = False
    return mask


@pytest.mark.parametrize("lazy", [False, True])
def test_only_the_planes_that_are_named_are_filled(inpainter, stack, lazy):
    array = da.from_array(stack, (2, 50, 50)) if lazy else stack
    filled = np.asarray(inpainter.fill(array, {(0,): square(), (2,): square(40)}, {(2,): [BOX], (1,): ()}))
    np.testing.assert_array_equal(filled[1], stack[1])
    np.testing.assert_array_equal(filled[0], inpainter.fill(stack[0], square()))
    np.testing.assert_array_equal(filled[2], inpainter.fill(stack[2], square(40), [BOX]))


def test_a_mapping_and_what_all_planes_share(inpainter, stack):
    filled = inpainter.fill(stack, square(), {(1,): [(80, 0, 90, 10)]})
    np.testing.assert_array_equal(filled[0], inpainter.fill(stack[0], square()))
    np.testing.assert_array_equal(filled[1], inpainter.fill(stack[1], square(), [(80, 0, 90, 10)]))
    filled = inpainter.fill(stack, {(1,): square()}, [(80, 0, 90, 10)])
    np.testing.assert_array_equal(filled[0], inpainter.fill(stack[0], boxes=[(80, 0, 90, 10)]))


def test_masks_are_asked_for_one_after_another(inpainter, stack):
    asked = []

    class Drawn(Mapping):
        def __getitem__(self, plane):
            if plane not in ((0,), (2,)):
                raise KeyError(plane)
            asked.append(plane)
            return square()

        def __iter__(self):
            return iter([(0,), (2,)])

        def __len__(self):
            return 2

    inpainter.fill(stack, Drawn())
    assert asked == [(0,), (2,)]


def test_planes_tell_whether_the_last_axis_holds_channels(inpainter, photo):
    image = photo[:96, :128]
    expected = inpainter.fill(image, boxes=[BOX])
    np.testing.assert_array_equal(inpainter.fill(image, boxes={(): [BOX]}), expected)
    stack = np.stack([image, image])
    np.testing.assert_array_equal(inpainter.fill(stack, boxes={(1,): [BOX]})[1], expected)
    narrow = np.moveaxis(image[:, :3, 0], 0, -1).T[None]  # (1, 96, 3): columns, as its planes are named with one index
    filled = inpainter.fill(narrow, boxes={(0,): [(20, 0, 30, 3)]})
    assert filled.shape == narrow.shape


def test_planes_with_the_same_boxes_share_their_holes_in_the_record(inpainter, stack):
    inpainter.fill(stack, boxes={(2,): [BOX], (0,): [BOX]})
    (holes,) = inpainter.last_record["holes"]
    assert holes["planes"] == [(0,), (2,)]


def test_planes_that_share_a_mask_share_their_holes(inpainter, stack):
    mask = square()
    inpainter.fill(stack, {(np.int64(0),): mask, (2,): mask, (1,): square()})
    json.dumps(inpainter.last_record)
    assert [holes["planes"] for holes in inpainter.last_record["holes"]] == [[(0,)], [(1,)], [(2,)]]
    inpainter.fill(stack, {(1,): mask, (2,): mask})
    assert [holes["planes"] for holes in inpainter.last_record["holes"]] == [[(1,), (2,)]]


def test_a_cancel_is_seen_before_every_plane(inpainter, stack):
    cancel, asked = threading.Event(), []

    class Drawn(dict):
        def get(self, plane, default=None):
            asked.append(plane)
            cancel.set()
            return super().get(plane)

    with pytest.raises(FillCancelledError):
        inpainter.fill(stack, Drawn({(0,): square(), (1,): square()}), cancel=cancel)
    assert asked == [(0,)]


def test_the_plan_and_the_check_take_them_too(inpainter, stack):
    assert {window.plane for window in inpainter.plan(stack, boxes={(1,): [BOX]}).windows} == {(1,)}
    small = np.zeros((96, 128), bool)
    small[40:60, 50:64] = True
    report = inpainter.self_check(stack, {(1,): small})
    assert {place.plane for place in report.places} == {(1,)}


@pytest.mark.parametrize("plane", [(3,), (-1,), (), (0, 0), 0, ("0",), (0.0,)])
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_no_plane_is_refused(inpainter, stack, plane, lazy):
    array = da.from_array(stack) if lazy else stack
    for arguments in ({"boxes": {plane: [BOX]}}, {"mask": {plane: square()}}):
        with pytest.raises(ValueError, match=r"planes of this image|does not exist|no rows"):
            inpainter.fill(array, **arguments, channel_axis=None)


def test_masks_and_boxes_that_do_not_fit_are_refused(inpainter, stack):
    with pytest.raises(ValueError, match="the mask has shape"):
        inpainter.fill(stack, {(0,): np.zeros((96, 127), bool)})
    with pytest.raises(ValueError, match="not wholly inside"):
        inpainter.fill(stack, boxes={(0,): [(0, 0, 97, 5)]})


def test_no_plane_is_nothing_to_fill(inpainter, stack):
    np.testing.assert_array_equal(inpainter.fill(stack, {}, {}), stack)
