"""Results, records and masks as files."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_inpaint.io.images import read_image, read_record
from napari_inpaint.plugin.widget.saving import KINDS
from tests.plugin.widget.user import RECTANGLE, fill_and_wait


@pytest.fixture
def filled(qtbot, viewer, widget, photo):
    viewer.add_image(photo[:150, :200, 0].astype(np.uint16) * 200, name="photo / 1", scale=(0.5, 0.5), units="um")
    widget.draw()
    viewer.layers["holes"].add_rectangles(np.array(RECTANGLE))
    fill_and_wait(qtbot, viewer, widget)
    return viewer.layers["photo / 1 filled"]


def choose(monkeypatch, path):
    """The user types this into the dialog; return what it offered at first."""
    offered = []

    def ask(_parent, _title, name, _types):
        offered.append(name)
        return str(path), ""

    monkeypatch.setattr("napari_inpaint.plugin.widget.saving.QFileDialog.getSaveFileName", ask)
    return offered


def press(widget, kind):
    action = widget.controls.save_button.native.menu().actions()[KINDS.index(kind)]
    action.trigger()


def test_the_result_keeps_scale_units_and_record(widget, filled, monkeypatch, tmp_path):
    offered = choose(monkeypatch, tmp_path / "result")  # without a suffix
    press(widget, KINDS[0])
    assert offered == ["photo _ 1 filled.tif"]
    assert str(tmp_path / "result.tif") in widget.status.value
    np.testing.assert_array_equal(read_image(tmp_path / "result.tif").pixels, filled.data)
    with tifffile.TiffFile(tmp_path / "result.tif") as tiff:
        assert 'PhysicalSizeX="0.5"' in tiff.ome_metadata
    assert read_record(tmp_path / "result.tif")["mask_sha256"]


def test_the_record_can_be_replayed(widget, filled, monkeypatch, tmp_path):
    choose(monkeypatch, tmp_path / "record.json")
    press(widget, KINDS[1])
    saved = read_record(tmp_path / "record.json")
    assert saved == json.loads(json.dumps(filled.metadata["napari_inpaint"], default=lambda value: value.item()))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_mask_is_white_where_pixels_were_made_up(widget, filled, monkeypatch, tmp_path, suffix):
    path = tmp_path / f"mask{suffix}"
    offered = choose(monkeypatch, path)
    press(widget, KINDS[2])
    assert offered == ["photo _ 1 filled synthetic.png"]
    mask = np.asarray(Image.open(path)) if suffix == ".png" else tifffile.imread(path)
    expected = np.zeros((150, 200), bool)
    expected[20:51, 20:61] = True
    np.testing.assert_array_equal(mask > 0, expected)


def test_who_thinks_better_of_it_saves_nothing(widget, filled, monkeypatch, tmp_path):
    choose(monkeypatch, "")
    before = widget.status.value
    press(widget, KINDS[0])
    assert widget.status.value == before
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_says_why(widget, filled, monkeypatch, tmp_path):
    choose(monkeypatch, tmp_path / "nowhere" / "record.json")
    press(widget, KINDS[1])
    assert "is no folder" in widget.status.value
