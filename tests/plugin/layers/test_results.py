"""What becomes of a fill: layers, levels, records, and the mask of what was made up."""

import json
import threading

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.windows.patches import Patch
from napari_inpaint.inference.windows.pyramid import average_blocks
from napari_inpaint.plugin.layers.job import OWN_ATTRIBUTES, Slices, read_job
from napari_inpaint.plugin.layers.results import (
    RECORD,
    add_record,
    drop_record,
    each_record,
    exchange,
    fill_in_place,
    reverse,
    to_synthetic,
)
from napari_inpaint.plugin.widget.worker import Settings, run_check, run_fill

SETTINGS = Settings("compact", "cpu")
CORNERS = np.array([(20, 30), (20, 69), (59, 69), (59, 30)])


def fill(image, corners=CORNERS, in_place=False, slices=Slices(), shape_type="rectangle", order=None):  # noqa: B008
    viewer = ViewerModel()
    viewer.add_layer(image)
    shapes = viewer.add_shapes(corners, shape_type=shape_type)
    if order is not None:
        viewer.dims.order = order
    for axis in viewer.dims.not_displayed:
        viewer.dims.set_point(axis, 1)
    job = read_job(image, shapes, viewer.dims, slices)
    filled = run_fill([job], SETTINGS, [in_place], threading.Event())
    return filled if isinstance(filled, str) else filled.results[0]


def to_layer(result):
    attributes = result.job.attributes
    metadata = dict(attributes["metadata"])
    add_record(metadata, result.record)
    return Image(result.data, **attributes | {"metadata": metadata})


CELLS = np.random.default_rng(0).integers(1, 2**30, (6, 8)).repeat(16, 0).repeat(16, 1)


@pytest.mark.parametrize("levels", [1, 2])
def test_layers_of_labels_get_labels_that_exist_in_all_levels(levels):
    data = [CELLS, CELLS[::2, ::2]][:levels]
    result = fill(Labels(data if levels > 1 else CELLS, multiscale=levels > 1))
    assert result.job.is_labels
    assert result.record["values"] == "labels"
    for before, after in zip(data, result.data if levels > 1 else [result.data], strict=True):
        assert np.isin(after, CELLS).all()
        assert after.dtype == before.dtype
    spoilt = CELLS.copy()
    spoilt[20:59, 30:69] = 1
    filled = fill(Labels(spoilt), in_place=True)
    layer = Labels(spoilt)
    fill_in_place(layer, filled.job.view, filled.patches, filled.record)
    assert np.isin(layer.data, CELLS).all()
    assert not (layer.data == 1).any()


def test_the_result_takes_over_everything_that_is_seen(photo):
    image = Image(
        photo[..., 0], name="photo", scale=(0.5, 0.25), translate=(3, 4), rotate=30, shear=[0.1], colormap="magma",
        contrast_limits=(10, 200), gamma=0.7, blending="additive", opacity=0.8, metadata={"mine": 1},
        units=("um", "um"), axis_labels=("y", "x"), interpolation2d="linear",
        projection_mode="max", rendering="iso", iso_threshold=77, attenuation=0.2, depiction="plane",
    )  # fmt: skip
    world = np.array([image.data_to_world(p) for p in CORNERS])
    layer = to_layer(fill(image, world, shape_type="polygon"))
    assert layer.name == "photo filled"
    assert layer.metadata["mine"] == 1
    assert layer.metadata[RECORD]["model"] == "compact"
    assert layer.metadata[RECORD]["earlier"] == []
    assert image.metadata == {"mine": 1}
    for name in set(image.as_layer_data_tuple()[1]) - {*OWN_ATTRIBUTES}:
        if name not in ("affine", "colormap", "experimental_clipping_planes"):
            assert np.all(np.asarray(getattr(layer, name)) == np.asarray(getattr(image, name))), name
    assert layer.colormap.name == "magma"
    np.testing.assert_allclose(layer.extent.world, image.extent.world)
    json.dumps(layer.metadata[RECORD])


def test_a_lazy_image_becomes_a_lazy_layer_with_the_same_pixels(photo):
    stack = np.stack([photo[:100, x : x + 120] for x in (0, 200, 400)])
    expected = to_layer(fill(Image(stack, rgb=True)))
    layer = to_layer(fill(Image(da.from_array(stack, (2, 50, 50, 3)), rgb=True)))
    assert isinstance(layer.data, da.Array)
    assert layer.data.chunks == da.from_array(stack, (2, 50, 50, 3)).chunks
    np.testing.assert_array_equal(layer.data.compute(), expected.data)
    changed = np.argwhere((expected.data != stack).any(-1))
    np.testing.assert_array_equal([changed.min(0), changed.max(0)], [(1, 20, 30), (1, 59, 69)])


@pytest.mark.parametrize("lazy", [False, True])
def test_all_levels_of_a_multiscale_image_show_the_fill(photo, lazy):
    levels = [photo[:256, :256]]
    for _ in range(2):
        whole = tuple(slice(0, n // 2) for n in levels[-1].shape[:2])
        levels.append(average_blocks(levels[-1], (*whole, slice(0, 3)), [2, 2, 1]).astype(np.uint8))
    arrays = [da.from_array(level, (60, 60, 3)) if lazy else level for level in levels]
    layer = to_layer(fill(Image(arrays, multiscale=True, rgb=True, name="photo")))
    assert layer.multiscale
    filled = [np.asarray(level) for level in layer.data]
    np.testing.assert_array_equal(filled[0], to_layer(fill(Image(levels[0], rgb=True))).data)
    for above, level, before in zip(filled, filled[1:], levels[1:], strict=False):
        expected = average_blocks(above, tuple(slice(0, n) for n in level.shape), [2, 2, 1]).astype(np.uint8)
        np.testing.assert_array_equal(level, expected)
        assert (level != before).any()


@pytest.mark.parametrize("lazy", [False, True])
def test_other_planes_than_the_last_axes_are_filled_and_recorded(photo, lazy):
    volume = np.moveaxis(np.stack([photo[:100, x : x + 120, 1] for x in (0, 200, 400)]), 0, 1).copy()  # (100, 3, 120)
    vertices = np.insert(CORNERS, 1, 1, axis=1)
    image = Image(da.from_array(volume) if lazy else volume)
    layer = to_layer(fill(image, vertices, order=(1, 0, 2)))
    flat = to_layer(fill(Image(volume[:, 1])))
    np.testing.assert_array_equal(np.asarray(layer.data)[:, 1], flat.data)
    np.testing.assert_array_equal(np.asarray(layer.data)[:, [0, 2]], volume[:, [0, 2]])
    assert layer.metadata[RECORD]["axes"] == [0, 2]
    labels, _ = to_synthetic(layer)
    np.testing.assert_array_equal(np.argwhere(np.asarray(labels)).min(0), (20, 1, 30))
    np.testing.assert_array_equal(np.argwhere(np.asarray(labels)).max(0), (59, 1, 69))


def test_in_place_and_back(photo):
    image = Image(photo.copy(), metadata={RECORD: {"model": "first"}})
    result = fill(image, in_place=True)
    assert result.data is None
    np.testing.assert_array_equal(image.data, photo)  # nothing is written before it is shown
    filled = fill_in_place(image, result.job.view, result.patches, result.record)
    np.testing.assert_array_equal(image.data, to_layer(fill(Image(photo))).data)
    assert image.metadata[RECORD]["earlier"] == [{"model": "first"}]
    np.testing.assert_array_equal(filled.before().compute(), photo)
    assert filled.undo() is None
    np.testing.assert_array_equal(image.data, photo)
    assert each_record(image.metadata) == [{"model": "first", "earlier": []}]


def test_two_fills_of_one_array_are_taken_back_in_any_order(photo):
    pixels = photo.copy()
    one, other = Image(pixels), Image(pixels)
    fills = []
    for image, corners in ((one, CORNERS), (other, CORNERS + 10)):
        result = fill(image, corners, in_place=True)
        fills.append(fill_in_place(image, result.job.view, result.patches, result.record))
    rest = fills[0].undo()
    assert 0 < rest.size < fills[0].size
    assert fills[1].undo() is None
    assert rest.undo() is None
    np.testing.assert_array_equal(pixels, photo)


def test_a_thousand_records_are_kept_flat_and_taken_back():
    metadata = {}
    for number in range(1500):
        add_record(metadata, {"number": number})
    json.dumps(metadata)
    assert [each["number"] for each in each_record(metadata)] == list(range(1500))[::-1]
    drop_record(metadata)
    assert [each["number"] for each in each_record(metadata)] == list(range(1499))[::-1]
    for _ in range(1499):
        drop_record(metadata)
    assert metadata == {}
    assert each_record({RECORD: "someone else's"}) == []


def test_synthetic_pixels_are_those_of_all_fills_of_a_layer(photo):
    first = to_layer(fill(Image(photo, scale=(2, 3)), CORNERS * (2, 3)))
    assert (first.data != photo).any()
    second = to_layer(fill(first, np.add(CORNERS, (200, 300)) * (2, 3)))
    labels, attributes = to_synthetic(second)
    assert labels.dtype == np.uint8
    assert attributes["name"] == "photo filled filled: synthetic pixels"
    np.testing.assert_array_equal(attributes["scale"], (2, 3))
    expected = np.zeros(labels.shape, bool)
    expected[20:60, 30:70] = expected[220:260, 330:370] = True
    np.testing.assert_array_equal(labels != 0, expected)


def test_synthetic_pixels_of_slices_and_masks(photo):
    stack = np.stack([photo[:100, x : x + 120, 1] for x in (0, 200, 400)])
    for array in (stack, da.from_array(stack, (1, 50, 50))):
        result = fill(Image(array), CORNERS[:3], shape_type="polygon", slices=Slices("all"))
        labels, _ = to_synthetic(to_layer(result))
        assert isinstance(labels, type(array))
        for plane, mask in result.job.masks.items():
            np.testing.assert_array_equal(np.asarray(labels[plane]), mask)


def test_synthetic_pixels_of_levels_have_levels(photo):
    levels = [da.from_array(photo[::step, ::step]) for step in (1, 2, 4)]
    labels, attributes = to_synthetic(to_layer(fill(Image(levels, multiscale=True, rgb=True))))
    assert attributes["multiscale"]
    assert [each.shape for each in labels] == [level.shape[:2] for level in levels]
    assert int(labels[2][8, 12]) == 1


def test_without_a_record_nothing_is_known_to_be_synthetic(photo):
    with pytest.raises(ValueError, match="'photo' has no record"):
        to_synthetic(Image(photo, name="photo"))


def test_a_record_of_another_shape_is_refused(photo):
    layer = to_layer(fill(Image(photo)))
    with pytest.raises(ValueError, match="another shape"):
        to_synthetic(Image(photo[:100], metadata=layer.metadata))


def test_what_the_user_must_change_comes_as_a_sentence(photo):
    whole = np.array([(-1, -1), (-1, 800), (800, 800), (800, -1)])
    assert fill(Image(photo), whole).startswith("No pixel is known")
    nothing = fill(Image(np.full((90, 120), np.nan, np.float32)))
    assert "no pixel is known" in nothing
    assert "nan_is_hole" not in nothing
    cancelled = threading.Event()
    cancelled.set()
    viewer = ViewerModel()
    image = viewer.add_image(photo)
    job = read_job(image, Shapes(CORNERS, shape_type="rectangle"), viewer.dims)
    assert run_fill([job], SETTINGS, [False], cancelled) == "Cancelled; nothing was changed."
    assert run_check([job], SETTINGS, cancelled) == "Cancelled; nothing was changed."


def test_the_check_looks_at_the_very_holes(photo):
    viewer = ViewerModel()
    for array in (photo, da.from_array(photo, (100, 100, 3))):
        image = viewer.add_image(array, rgb=True)
        job = read_job(image, Shapes(CORNERS, shape_type="rectangle"), viewer.dims)
        report = run_check([job], SETTINGS, threading.Event())
        assert {place.hole for place in report.places} == {(20, 30, 60, 70)}
        assert "fill" in report.scores


@given(st.integers(0, 99))
def test_what_was_written_can_be_taken_back(seed):
    random = np.random.default_rng(seed)
    array = random.integers(0, 4, (2, 9, 8, 3)).astype(np.float32)
    array[array == 3] = np.nan
    before, planes = array.copy(), Planes(array, 3)
    values = random.integers(0, 4, (4, 5, 3)).astype(np.float32)
    patch = Patch((1,), Box(2, 3, 6, 8), slice(0, 3), random.random((4, 5, 1)) < 0.5, array[1, 2:6, 3:8].copy(), values)
    written, left = exchange([patch], planes)
    assert not left
    np.testing.assert_array_equal(array[1, 2:6, 3:8], np.where(patch.mask, values, before[1, 2:6, 3:8]))
    _, left = exchange(reverse(written), planes)
    assert not left
    np.testing.assert_array_equal(array, before)


def test_pixels_that_were_changed_meanwhile_are_left_alone():
    array = np.zeros((4, 4))
    planes, ones = Planes(array, None), np.ones((2, 2, 1))
    patch = Patch((), Box(0, 0, 2, 2), slice(0, 1), ones > 0, 0 * ones, np.array([[0, 5], [0, 5]])[..., None])
    array[0, 0] = 7  # by someone else: not filled
    array[1, 1] = 9  # by someone else: filled, but no longer what it was filled from
    written, left = exchange([patch], planes)
    np.testing.assert_array_equal(array[:2, :2], [[7, 5], [0, 9]])
    assert (written[0].mask.sum(), left[0].mask.sum()) == (1, 1)
    array[0, 1] = 6  # after it was filled: not taken back
    _, left = exchange(reverse(written), planes)
    np.testing.assert_array_equal(array[:2, :2], [[7, 6], [0, 9]])
    assert left[0].mask.sum() == 1
