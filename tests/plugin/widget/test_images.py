"""What is selected in the viewer is what is filled; channels are filled together."""

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_inpaint.plugin.layers.holes import INVALID
from napari_inpaint.plugin.layers.results import RECORD, to_synthetic
from tests.plugin.widget.user import (
    RECTANGLE,
    changed_pixels,
    click,
    click_layer,
    fill_and_wait,
    press,
    wait_until_idle,
)

HOLE = ([20, 20], [51, 61])


@pytest.fixture
def channels(viewer, photo):
    """Three channels, each its own layer, as microscopes' readers open them."""
    return viewer.add_image(
        photo[:150, :200].copy(),
        channel_axis=2,
        name=["DAPI", "GFP", "RFP"],
        colormap=["blue", "green", "red"],
        blending="additive",
    )


def test_the_layer_that_is_clicked_in_the_list_is_filled(qtbot, viewer, widget, channels):
    dapi, gfp, rfp = channels
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    for layer in (dapi, rfp, gfp):
        click_layer(viewer, layer)
        assert viewer.layers.selection == {layer}
        assert widget.image.value is layer
    click_layer(viewer, viewer.layers["Shapes"])  # which is no image
    assert widget.image.value is gfp
    filled = fill_and_wait(qtbot, viewer, widget)
    assert (filled.name, widget.image.value) == ("GFP filled", filled)
    assert [layer.name for layer in viewer.layers] == ["DAPI", "GFP", "GFP filled", "RFP", "Shapes"]
    assert changed_pixels(filled.data, gfp.data) == HOLE
    assert (filled.blending, filled.colormap.name) == (gfp.blending, "green")
    assert not gfp.visible  # else it would shine through the hole
    assert dapi.visible
    assert rfp.visible


def test_selected_channels_are_filled_together_and_taken_back_at_once(qtbot, viewer, widget, channels):
    shapes = viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    click_layer(viewer, channels[0])
    for layer in channels[1:]:
        click_layer(viewer, layer, Qt.KeyboardModifier.ControlModifier)
    assert set(widget.inputs.images.layers) == set(channels)
    assert all(name in widget.inputs.images.others.value + widget.image.value.name for name in ("DAPI", "GFP", "RFP"))
    click(widget.controls.fill_button)
    wait_until_idle(qtbot, widget)
    filled = [viewer.layers[f"{layer.name} filled"] for layer in channels]
    assert len(viewer.layers) == 7
    for layer, result in zip(channels, filled, strict=True):
        assert changed_pixels(result.data, layer.data) == HOLE
        assert (result.colormap.name, result.blending) == (layer.colormap.name, layer.blending)
        assert not layer.visible
    records = [layer.metadata[RECORD] for layer in filled]
    assert records[0]["copies"] == records[1]["copies"] == records[2]["copies"]  # one field
    assert sorted(records[0]["together"]) == ["DAPI", "GFP", "RFP"]
    assert to_synthetic(filled[0])[0].sum() == 31 * 41
    assert set(widget.inputs.images.layers) == set(filled)
    click(widget.controls.compare_button)
    assert [layer.visible for layer in (*channels, *filled)] == [True] * 3 + [False] * 3
    click(widget.controls.compare_button)
    assert [layer.visible for layer in (*channels, *filled)] == [False] * 3 + [True] * 3
    press(viewer)
    assert set(viewer.layers) == {*channels, shapes}
    assert all(layer.visible for layer in channels)
    assert set(widget.inputs.images.layers) == set(channels)


def test_channels_of_different_dtypes_and_lazy_ones_are_filled_together(qtbot, viewer, widget, photo):
    one = viewer.add_image(photo[:150, :200, 0].copy(), name="one")
    two = viewer.add_image(photo[:150, :200, 1].astype(np.uint16) * 257, name="two")
    three = viewer.add_image(da.from_array(photo[:150, :200, 2] / np.float32(255), (50, 50)), name="three")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    viewer.layers.selection = {one, two, three}
    fill_and_wait(qtbot, viewer, widget)
    for layer in (one, two, three):
        filled = viewer.layers[f"{layer.name} filled"]
        assert filled.dtype == layer.dtype
        assert isinstance(filled.data, type(layer.data))
        assert changed_pixels(filled.data, layer.data) == HOLE


def test_layers_that_are_no_channels_of_one_image_are_filled_one_by_one_and_it_is_said(qtbot, viewer, widget, photo):
    photo_layer = viewer.add_image(photo[:150, :200].copy(), name="photo")
    grey = viewer.add_image(photo[:150, :200, 0].copy(), name="grey")
    moved = viewer.add_image(photo[:150, :200, 1].copy(), name="moved", translate=(10, 0))
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    viewer.layers.selection = {photo_layer, grey, moved}
    fill_and_wait(qtbot, viewer, widget)
    assert "Filled in 3 steps, not as channels of one image" in widget.status.value
    assert changed_pixels(viewer.layers["photo filled"].data, photo_layer.data) == ([20, 20, 0], [51, 61, 3])
    assert changed_pixels(viewer.layers["grey filled"].data, grey.data) == HOLE
    assert changed_pixels(viewer.layers["moved filled"].data, moved.data) == ([10, 20], [41, 61])
    click(widget.controls.undo_button)  # all three
    assert len(viewer.layers) == 4


def test_every_channel_has_nan_of_its_own(qtbot, viewer, widget, photo):
    layers = []
    for number in range(3):
        pixels = photo[:100, :120, number].astype(np.float32)
        if number < 2:
            pixels[20 + 30 * number : 30 + 30 * number, 40:50] = np.nan
        layers.append(viewer.add_image(pixels, name=f"channel {number}"))
    viewer.layers.selection = set(layers)
    widget.holes.value = INVALID
    fill_and_wait(qtbot, viewer, widget)
    assert "No pixel of 'channel 2' is a hole" in widget.status.value
    assert "channel 2 filled" not in viewer.layers
    for layer in layers[:2]:
        filled = viewer.layers[f"{layer.name} filled"].data
        assert np.isfinite(filled).all()
        known = np.isfinite(layer.data)
        np.testing.assert_array_equal(filled[known], layer.data[known])


def test_a_pinned_image_is_held_and_every_fill_starts_anew(qtbot, viewer, widget, channels):
    dapi, gfp, _ = channels
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    click_layer(viewer, dapi)
    widget.inputs.images.pin.native.click()
    click_layer(viewer, gfp)
    assert widget.image.value is dapi
    for name in ("DAPI filled", "DAPI filled [1]"):
        assert fill_and_wait(qtbot, viewer, widget).name == name
        assert widget.image.value is dapi
    assert "choose 'DAPI filled' to go on" in widget.status.value
    widget.inputs.images.pin.native.click()
    click_layer(viewer, dapi)
    click_layer(viewer, gfp)
    assert widget.image.value is gfp


def test_what_the_user_chose_in_the_widget_stays_while_a_layer_is_drawn_in(viewer, widget, channels):
    dapi, gfp, _ = channels
    click_layer(viewer, gfp)
    widget.image.value = dapi
    click(widget.controls.draw_button)
    assert widget.image.value is dapi


def test_a_stack_of_channels_in_two_viewers(qtbot, viewer, widget, photo, make_napari_viewer):
    other = make_napari_viewer(show=True)
    _, second = other.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    stacks = [np.stack([photo[:100, x : x + 120, c] for x in (0, 200, 400)]) for c in range(2)]
    for each in (viewer, other):
        each.add_image(stacks[0].copy(), name="a")
        each.add_image(stacks[1].copy(), name="b")
        each.add_shapes([RECTANGLE], shape_type="rectangle")
        each.layers.selection = {each.layers["a"], each.layers["b"]}
    viewer.dims.set_point(0, 1)
    other.dims.set_point(0, 2)
    fill_and_wait(qtbot, viewer, widget)
    assert len(other.layers) == 3
    fill_and_wait(qtbot, other, second)
    for each, plane in ((viewer, 1), (other, 2)):
        for stack, name in zip(stacks, ("a filled", "b filled"), strict=True):
            assert changed_pixels(each.layers[name].data, stack) == ([plane, 20, 20], [plane + 1, 51, 61])
    click(widget.controls.undo_button)
    assert (len(viewer.layers), len(other.layers)) == (3, 5)
