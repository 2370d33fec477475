"""Layers to draw holes in."""

import numpy as np

from tests.plugin.widget.user import RECTANGLE, click


def test_3d_display_is_refused(viewer, widget, photo):
    viewer.add_image(np.moveaxis(photo, -1, 0))
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    viewer.dims.ndisplay = 3
    click(widget.controls.fill_button)
    assert "switch the viewer to 2-D display" in widget.status.value


def test_a_layer_of_holes_from_the_menu_lies_over_the_active_image(viewer, widget, photo):
    viewer.add_image(photo, name="below", scale=(3, 3))
    image = viewer.add_image(photo[..., 0], name="photo", scale=(0.5, 0.5), translate=(4, 5), units=("um", "um"))
    command = "napari-inpaint.holes"
    from napari._app_model import get_app_model

    get_app_model().commands.execute_command(command).result()
    holes = viewer.layers[-1]
    assert holes.name == "holes"
    assert holes.mode == "add_rectangle"
    np.testing.assert_array_equal(holes.scale, image.scale)
    np.testing.assert_array_equal(holes.translate, image.translate)
    assert holes.units == image.units


def test_rectangles_are_not_drawn_into_somebody_elses_layer(viewer, widget, photo):
    viewer.add_image(photo)
    cells = viewer.add_shapes([RECTANGLE], shape_type="rectangle", name="my cells")
    click(widget.controls.draw_button)
    holes = viewer.layers[-1]
    assert holes is not cells
    assert widget.holes.value is holes
    click(widget.controls.draw_button)
    assert len(viewer.layers) == 3
    viewer.dims.ndisplay = 3
    click(widget.controls.draw_button)
    assert len(viewer.layers) == 3
    assert "2-D display" in widget.status.value
