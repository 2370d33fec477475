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


def choose(monkeypatch, path, selected=""):
    """The user types this into the dialog, and selects a type; return what it offered at first."""
    offered = []

    def ask(_parent, _title, name, _types):
        offered.append(name)
        return str(path), selected

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


@pytest.mark.parametrize(("kind", "suffix"), zip(KINDS, (".tif", ".json", ".png"), strict=True))
def test_what_cannot_be_written_says_why_in_the_same_words(widget, filled, monkeypatch, tmp_path, kind, suffix):
    folder = tmp_path / "nowhere"
    choose(monkeypatch, folder / f"r{suffix}")
    press(widget, kind)
    assert f"{folder / 'r'}{suffix} cannot be written: {folder} is no folder" in widget.status.value
    assert "Errno" not in widget.status.value


@pytest.mark.parametrize(("kind", "suffix"), zip(KINDS, (".tif", ".json", ".png"), strict=True))
def test_a_file_that_nobody_was_asked_about_is_not_replaced(widget, filled, monkeypatch, tmp_path, kind, suffix):
    path = tmp_path / f"r{suffix}"
    path.write_text("mine")
    choose(monkeypatch, tmp_path / "r")
    press(widget, kind)
    assert "exists: name another file" in widget.status.value
    assert path.read_text() == "mine"
    choose(monkeypatch, path)  # now the dialog asked
    press(widget, kind)
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("kind", "name", "suffixes"),
    [
        (KINDS[0], "r.png", ".tif or .tiff"), (KINDS[0], "r.v2", ".tif or .tiff"), (KINDS[1], "r.png", ".json"),
        (KINDS[2], "r.jpg", ".png or .tif or .tiff"),
    ],
)  # fmt: skip
def test_no_file_has_a_suffix_of_another_format(widget, filled, monkeypatch, tmp_path, kind, name, suffixes):
    choose(monkeypatch, tmp_path / name)
    press(widget, kind)
    assert f"is saved as {suffixes}: name it {name}{suffixes.split()[0]}" in widget.status.value
    assert not list(tmp_path.iterdir())


def test_suffixes_may_be_in_capitals(widget, filled, monkeypatch, tmp_path):
    choose(monkeypatch, tmp_path / "R.TIF")
    press(widget, KINDS[0])
    assert read_image(tmp_path / "R.TIF").pixels.shape == (150, 200)


def test_the_type_that_is_selected_is_that_of_a_name_without_suffix(widget, filled, monkeypatch, tmp_path):
    choose(monkeypatch, tmp_path / "mask", "TIFF (*.tif *.tiff)")
    press(widget, KINDS[2])
    assert tifffile.imread(tmp_path / "mask.tif").shape == (150, 200)


def test_the_mask_of_a_stack_is_a_tiff(qtbot, viewer, widget, photo, monkeypatch, tmp_path):
    viewer.add_image(np.stack([photo[:150, :200, 0]] * 2), name="stack")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    fill_and_wait(qtbot, viewer, widget)
    offered = choose(monkeypatch, tmp_path / "mask.png")
    press(widget, KINDS[2])
    assert offered == ["stack filled synthetic.tif"]
    assert "is saved as .tif or .tiff" in widget.status.value
    choose(monkeypatch, tmp_path / "mask")
    press(widget, KINDS[2])
    assert tifffile.imread(tmp_path / "mask.tif").shape == (2, 150, 200)
