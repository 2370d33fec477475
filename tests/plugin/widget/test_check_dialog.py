"""The table of a self-check."""

from napari_inpaint.plugin.widget.check_dialog import CheckDialog
from tests.plugin.widget.user import RECTANGLE, click, wait_until_idle


def test_the_check_shows_a_table(qtbot, viewer, widget, photo):
    viewer.add_image(photo, name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    click(widget.controls.check_button)
    wait_until_idle(qtbot, widget)
    (dialog,) = widget.native.findChildren(CheckDialog)
    from qtpy.QtWidgets import QTableWidget

    (table,) = dialog.findChildren(QTableWidget)
    assert table.item(0, 0).text() == "fill (compact, copied)"
    assert float(table.item(0, 2).text()) > 10
    dialog.close()
