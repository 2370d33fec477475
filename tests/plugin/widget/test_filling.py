"""Fills of whatever a layer holds, one after another; and what is said when there is none."""

import dask.array as da
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_inpaint.plugin.layers.results import RECORD, each_record
from napari_inpaint.plugin.widget import history, inputs
from napari_inpaint.plugin.widget.history import History
from tests.plugin.widget.user import (
    RECTANGLE,
    TIMEOUT,
    changed_pixels,
    click,
    drag,
    fill_and_wait,
    press,
    wait_until_idle,
)


def test_a_second_round_goes_on_in_the_result_below_the_holes(qtbot, viewer, widget, photo):
    image = viewer.add_image(photo[:200, :300].copy(), name="photo")
    viewer.reset_view()
    click(widget.controls.draw_button)
    shapes = viewer.layers[-1]
    drag(qtbot, viewer, (20, 40), (60, 90))
    filled = fill_and_wait(qtbot, viewer, widget)
    first = filled.data.copy()
    assert [layer.name for layer in viewer.layers] == ["photo", "photo filled", "holes"]
    assert (viewer.layers.selection, shapes.mode, shapes.visible) == ({shapes}, "add_rectangle", True)
    assert not np.any(shapes.face_color[:, 3])
    drag(qtbot, viewer, (100, 150), (140, 200))  # at once: the layer is still drawn in
    qtbot.waitUntil(lambda: len(shapes.data) == 2)
    assert fill_and_wait(qtbot, viewer, widget) is filled
    assert len(viewer.layers) == 3
    np.testing.assert_allclose(changed_pixels(filled.data, image.data), [(20, 40, 0), (141, 201, 3)], atol=3)
    assert len(each_record(filled.metadata)) == 2
    click(widget.controls.compare_button)
    np.testing.assert_array_equal(viewer.layers["photo filled before"].data, first)
    click(widget.controls.compare_button)
    for left, count in ((2, 3), (1, 3), (1, 2), (0, 2)):  # fill, shape, fill, shape
        press(viewer)
        assert (len(shapes.data), len(viewer.layers)) == (left, count)
    press(viewer)
    assert widget.status.value == "Nothing to undo."


def test_layers_of_the_user_do_not_tint_what_is_judged(qtbot, viewer, widget, photo):
    viewer.add_image(photo[:150, :200].copy(), name="photo")
    shapes = viewer.add_shapes([RECTANGLE], shape_type="rectangle", face_color="white", name="mine")
    labels = viewer.add_labels(np.pad(np.ones((9, 9), int), ((40, 101), (90, 101))), name="labels")
    for holes in (shapes, labels):
        widget.holes.value, holes.visible = holes, False
        fill_and_wait(qtbot, viewer, widget)
        assert viewer.layers[-1] is holes
        assert holes.visible
    assert not np.any(shapes.face_color[:, 3])
    assert labels.contour == 1
    assert "shows outlines now" in widget.status.value


@pytest.mark.parametrize("view", ["itself", "a view"])
@pytest.mark.parametrize("result", ["new layer", "in place"])
def test_a_mapped_file_is_never_written(qtbot, viewer, widget, photo, tmp_path, result, view):
    path = tmp_path / "raw.tif"
    tifffile.imwrite(path, photo[:150, :200, 0])
    before = path.read_bytes()
    mapped = tifffile.memmap(path)
    image = viewer.add_image(mapped if view == "itself" else np.asarray(mapped)[:, :], name="raw")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = result
    filled = fill_and_wait(qtbot, viewer, widget)
    assert filled is not image
    assert changed_pixels(filled.data, photo[:150, :200, 0]) == ([20, 20], [51, 61])
    assert isinstance(filled.data, da.Array) == (view == "itself")
    assert ("not changed: it is filled in a new layer" in widget.status.value) == (result == "in place")
    viewer.layers["Shapes"].add_rectangles(np.array(RECTANGLE) + 70)
    assert fill_and_wait(qtbot, viewer, widget) is filled
    assert changed_pixels(filled.data, photo[:150, :200, 0]) == ([20, 20], [121, 131])
    mapped.flush()
    assert path.read_bytes() == before


def open_xarray(pixels):
    return pytest.importorskip("xarray").DataArray(pixels, dims=("y", "x"))


def open_torch(pixels):
    return pytest.importorskip("torch").from_numpy(pixels)


def open_tensorstore(pixels):
    tensorstore = pytest.importorskip("tensorstore")
    spec = {"driver": "zarr", "kvstore": {"driver": "memory"}}
    store = tensorstore.open(spec, create=True, dtype=tensorstore.uint8, shape=pixels.shape).result()
    store[:] = pixels
    return store


def open_zarr(pixels):
    return pytest.importorskip("zarr").array(pixels)


@pytest.mark.parametrize("library", [open_xarray, open_torch, open_tensorstore, open_zarr])
@pytest.mark.parametrize("result", ["new layer", "in place"])
def test_arrays_of_other_libraries_are_filled_again_and_again(qtbot, viewer, widget, photo, library, result):
    pixels = photo[:150, :200, 0].copy()
    image = viewer.add_image(library(pixels.copy()), name="array", contrast_limits=(0, 255))
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = result
    filled = fill_and_wait(qtbot, viewer, widget)
    assert changed_pixels(filled.data, pixels) == ([20, 20], [51, 61])
    viewer.layers["Shapes"].add_rectangles(np.array(RECTANGLE) + 70)
    assert fill_and_wait(qtbot, viewer, widget) is filled
    assert changed_pixels(filled.data, pixels) == ([20, 20], [121, 131])
    np.testing.assert_array_equal(np.asarray(image.data[:]), pixels)


@pytest.mark.parametrize("kind", ["dask", "multiscale"])
def test_lazy_layers_are_filled_as_they_are_drawn_in_and_taken_back(qtbot, viewer, widget, photo, kind):
    levels = [da.from_array(photo[::step, ::step], (100, 100, 3)) for step in (1, 2)]
    image = viewer.add_image(levels if kind == "multiscale" else levels[0], name="lazy", rgb=True)
    viewer.reset_view()
    click(widget.controls.draw_button)
    shapes = viewer.layers[-1]
    widget.controls.as_you_draw.native.click()

    def whole(layer):
        return np.asarray(layer.data[0] if kind == "multiscale" else layer.data)

    for number, start in enumerate([(40, 60), (200, 300)]):
        drag(qtbot, viewer, start, np.add(start, (60, 60)))
        qtbot.waitUntil(lambda number=number: len(viewer.layers) == 3 and len(
            each_record(viewer.layers["lazy filled"].metadata)) == number + 1, timeout=TIMEOUT)  # fmt: skip
        wait_until_idle(qtbot, widget)
    filled = viewer.layers["lazy filled"]
    assert len(viewer.layers) == 3
    assert isinstance(filled.data[0] if kind == "multiscale" else filled.data, da.Array)
    np.testing.assert_allclose(changed_pixels(whole(filled), photo), [(40, 60, 0), (261, 361, 3)], atol=3)
    press(viewer)
    np.testing.assert_allclose(changed_pixels(whole(filled), photo), [(40, 60, 0), (101, 121, 3)], atol=3)
    assert len(each_record(filled.metadata)) == len(shapes.data) == 1
    press(viewer)
    assert list(viewer.layers) == [image, shapes]
    np.testing.assert_array_equal(whole(image), photo)


def test_what_nobody_expected_is_said_too(qtbot, viewer, widget, photo, monkeypatch):
    viewer.add_image(photo[:150, :200].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    seen = []
    monkeypatch.setattr("napari_inpaint.plugin.widget.filling.notification_manager.dispatch", seen.append)

    def fail(*_, **__):
        raise TypeError("this array has no such axis")

    with monkeypatch.context() as patch:
        patch.setattr(inputs, "read_job", fail)
        for button in (widget.controls.fill_button, widget.controls.check_button, widget.controls.python_button):
            widget.status.value = ""
            click(button)
            assert widget.status.value == "This array has no such axis."
    with monkeypatch.context() as patch:
        patch.setattr(History, "take", fail)
        click(widget.controls.fill_button)
        wait_until_idle(qtbot, widget)
        assert widget.status.value == "This array has no such axis."
    assert len(seen) == 4
    assert not any(RECORD in layer.metadata for layer in viewer.layers)
    fill_and_wait(qtbot, viewer, widget)


def test_points_are_holes_of_their_size(qtbot, viewer, widget, photo):
    image = viewer.add_image(photo[:150, :200].copy(), name="photo")
    viewer.reset_view()
    points = viewer.add_points(ndim=2, size=20)
    points.mode = "add"
    drag(qtbot, viewer, (60, 80), (60, 80))
    qtbot.waitUntil(lambda: len(points.data) == 1)
    assert widget.holes.value is points
    y, x = points.data[0].round()
    filled = fill_and_wait(qtbot, viewer, widget)
    np.testing.assert_allclose(
        changed_pixels(filled.data, image.data), [(y - 10, x - 10, 0), (y + 11, x + 11, 3)], atol=1
    )
    press(viewer)
    assert filled not in viewer.layers
    press(viewer)
    assert len(points.data) == 0


def test_all_planes_of_a_thick_slice_are_filled_as_they_are_seen(qtbot, viewer, widget, photo):
    stack = np.stack([photo[:150, x : x + 200, 1] for x in range(0, 300, 50)])
    image = viewer.add_image(stack.copy(), name="stack", projection_mode="mean")
    viewer.dims.set_point(0, 2)
    viewer.dims.margin_left = viewer.dims.margin_right = (1, 0, 0)
    viewer.reset_view()
    click(widget.controls.draw_button)
    drag(qtbot, viewer, (20, 40), (60, 90))
    filled = fill_and_wait(qtbot, viewer, widget)
    (drawn,) = viewer.layers["holes"].data
    first, last = np.ceil(drawn.min(0)), np.floor(drawn.max(0))
    assert first[0] == last[0] == 2
    np.testing.assert_allclose(changed_pixels(filled.data, stack), [(1, *first[1:]), (4, *(last + 1)[1:])], atol=1)
    assert "'stack' shows 3 planes: all were filled" in widget.status.value
    assert filled.projection_mode == image.projection_mode
    viewer.dims.ndisplay = 3
    click(widget.controls.fill_button)
    assert "switch the viewer to 2-D display" in widget.status.value


@pytest.mark.parametrize("label", [2**63 + 6, 2**64 - 2, 2**64 - 1])
@pytest.mark.parametrize("way", ["typed", "set"])
def test_labels_of_64_bits_can_be_chosen(qtbot, viewer, widget, photo, label, way):
    image = viewer.add_image(photo[:150, :200].copy(), name="photo")
    ids = np.zeros((150, 200), np.uint64)
    ids[20:30, 20:30], ids[60:70, 60:70] = label - 1, label
    viewer.add_labels(ids)
    if way == "set":
        widget.inputs.label_id.value = label
    else:
        box = widget.inputs.label_id.native
        box.setFocus()
        box.lineEdit().selectAll()
        QTest.keyClicks(box, str(label))
        QTest.keyClick(box, Qt.Key.Key_Return)
    assert widget.inputs.label_id.value == label
    filled = fill_and_wait(qtbot, viewer, widget)
    assert changed_pixels(filled.data, image.data) == ([60, 60, 0], [70, 70, 3])


def test_when_one_of_several_layers_cannot_be_shown_none_is(qtbot, viewer, widget, photo, monkeypatch):
    pixels = [photo[:150, :200, channel].copy() for channel in range(2)]
    layers = [viewer.add_image(each.copy(), name=f"channel {n}") for n, each in enumerate(pixels)]
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    viewer.layers.selection = set(layers)
    widget.result.value = "in place"
    monkeypatch.setattr("napari_inpaint.plugin.widget.filling.notification_manager.dispatch", lambda _: None)
    write, written = history.fill_in_place, []

    def fail_at_the_second(*arguments):
        if written:
            raise RuntimeError("the layer is locked")
        written.append(write(*arguments))
        return written[0]

    monkeypatch.setattr(history, "fill_in_place", fail_at_the_second)
    click(widget.controls.fill_button)
    wait_until_idle(qtbot, widget)
    assert widget.status.value == "The layer is locked."
    for layer, each in zip(layers, pixels, strict=True):
        np.testing.assert_array_equal(layer.data, each)
        assert RECORD not in layer.metadata


def test_all_that_is_seen_of_a_layer_is_kept(qtbot, viewer, widget, photo):
    image = viewer.add_image(
        photo[:150, :200, 0].copy(), name="photo", projection_mode="max", rendering="iso", iso_threshold=77, gamma=0.5
    )
    image.contrast_limits_range, image.contrast_limits = (0, 999), (10, 500)
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    filled = fill_and_wait(qtbot, viewer, widget)
    for name in ("projection_mode", "rendering", "iso_threshold", "gamma", "contrast_limits", "contrast_limits_range"):
        assert getattr(filled, name) == getattr(image, name), name


def test_several_images_are_checked_but_their_call_is_not_copied(qtbot, viewer, widget, photo, monkeypatch):
    layers = [viewer.add_image(photo[:150, :200, channel].copy(), name=f"channel {channel}") for channel in range(2)]
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    viewer.layers.selection = set(layers)
    for button in (widget.controls.python_button, widget.controls.command_button):
        click(button)
        assert "Several images are filled together" in widget.status.value
    shown = []
    monkeypatch.setattr("napari_inpaint.plugin.widget.widget.CheckDialog.show", lambda dialog: shown.append(dialog))
    click(widget.controls.check_button)
    wait_until_idle(qtbot, widget)
    assert widget.status.value == "The check is done."
    assert len(shown) == 1
