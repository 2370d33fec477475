"""The layer of where pixels came from says what was copied, label by label."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_inpaint import INVENTED, read_offsets
from napari_inpaint.inference.record import pack
from napari_inpaint.plugin.layers.job import Slices
from napari_inpaint.plugin.layers.origins import INVENTED_LABEL, SIDE, split, to_colours, to_origins
from napari_inpaint.plugin.layers.results import RECORD
from tests.inference.copying.by_hand import made_by_hand
from tests.plugin.layers.test_results import CORNERS, fill, to_layer


def read_labels(image):
    """The offsets that the labels of a layer stand for, as `read_offsets` gives them."""
    data, attributes = to_origins(image)
    data = np.asarray(data)
    offsets = np.zeros((*data.shape, 3), np.int32)
    table = attributes["features"]
    for label, *offset in zip(*(table[name] for name in ("index", "plane", "down", "right")), strict=True):
        offsets[data == label] = INVENTED if label == INVENTED_LABEL else offset
    assert set(np.unique(data)) - {0} <= set(table["index"])
    return offsets


@pytest.mark.parametrize("lazy", [False, True])
def test_labels_are_the_offsets_of_the_record(photo, lazy):
    stack = np.stack([photo[:100, x : x + 120, 1] for x in (0, 200, 400)])
    image = Image(da.from_array(stack, (1, 50, 50)) if lazy else stack, name="stack", scale=(1, 2, 3))
    layer = to_layer(fill(image, CORNERS * (2, 3), slices=Slices("all")))
    data, attributes = to_origins(layer)
    assert isinstance(data, da.Array if lazy else np.ndarray)
    assert attributes["name"] == "origin of stack filled"
    np.testing.assert_array_equal(attributes["scale"], (1, 2, 3))
    expected, _ = read_offsets(layer.metadata[RECORD], stack.shape)
    np.testing.assert_array_equal(read_labels(layer), expected)
    assert (expected != 0).any((1, 2, 3)).all()


def test_planes_of_other_axes_are_named_in_their_own(photo):
    volume = np.moveaxis(np.stack([photo[:100, x : x + 120, 1] for x in (0, 200, 400)]), 0, 1).copy()  # (100, 3, 120)
    layer = to_layer(fill(Image(volume), np.insert(CORNERS, 1, 1, axis=1), order=(1, 0, 2)))
    flat = to_layer(fill(Image(volume[:, 1])))
    expected, _ = read_offsets(flat.metadata[RECORD], (100, 120))
    np.testing.assert_array_equal(read_labels(layer)[:, 1], expected)
    assert not read_labels(layer)[:, [0, 2]].any()


def test_of_fills_that_overlap_the_last_one_counts(photo):
    first = to_layer(fill(Image(photo)))
    second = to_layer(fill(first, CORNERS + 10))
    one, other = (read_offsets(each.metadata[RECORD], photo.shape[:2])[0] for each in (first, second))
    np.testing.assert_array_equal(read_labels(second), np.where((other != 0).any(-1, keepdims=True), other, one))


def test_levels_show_every_so_many_labels(photo):
    levels = [da.from_array(photo[::step, ::step]) for step in (1, 2, 4)]
    layer = to_layer(fill(Image(levels, multiscale=True, rgb=True)))
    labels, attributes = to_origins(layer)
    assert attributes["multiscale"]
    np.testing.assert_array_equal(labels[2], labels[0][::4, ::4])
    assert (np.asarray(labels[2]) != 0).sum() == 10 * 10


def by_hand(mask, **changes):
    record, offsets = made_by_hand(mask, steps=True)
    record["copies"] = [each | changes for each in record["copies"]]
    return Image(np.zeros(mask.shape), metadata={RECORD: record | {"shape": mask.shape}}, name="image"), offsets


def test_copies_from_other_planes_and_blends_are_told():
    mask = np.pad(np.ones((2, 3, 4), bool), [(0, 1), (2, 2), (2, 2)])
    image, offsets = by_hand(mask)
    np.testing.assert_array_equal(read_labels(image), offsets)
    shares = np.array([0, 255, 51, *[204] * 9], np.uint8)
    image, offsets = by_hand(mask, shares=pack(shares.tobytes()))
    data, attributes = to_origins(image)
    assert data[0, 2, 2] == data[1, 2, 2] == INVENTED_LABEL
    table = attributes["features"]
    for place, percent in (((0, 2, 2), 100), ((0, 2, 3), 0), ((0, 2, 4), 80), ((1, 4, 4), 20)):
        assert table["invented %"][table["index"].index(data[place])] == percent
    expected = offsets.copy()
    expected[:2, 2, 2] = INVENTED
    np.testing.assert_array_equal(read_labels(image), expected)


def test_colours_tell_the_direction_and_what_is_invented():
    mask = np.pad(np.ones((1, 30, 30), bool), [(0, 0), (20, 20), (20, 20)])
    image, _ = by_hand(mask)
    data, attributes = to_origins(image)
    layer, table = Labels(data, **attributes), attributes["features"]
    palette = to_colours()
    assert len({tuple(each) for each in palette}) == len(palette)
    np.testing.assert_allclose(layer.get_color(INVENTED_LABEL), (1, 1, 1, 1))
    np.testing.assert_allclose(layer.colormap.map(0), (0, 0, 0, 0))
    hues = {}
    for label, down, right in zip(*(table[name][1:] for name in ("index", "down", "right")), strict=True):
        colour = layer.get_color(label)[:3]
        assert colour.max() > colour.min(), "only what is invented is white"
        hues.setdefault(round(np.degrees(np.arctan2(down, right)) / 30) % 12, set()).add(
            tuple(np.round((colour - colour.min()) / np.ptp(colour), 2)))  # fmt: skip
    assert [len(each) for each in hues.values()] == [1] * 12
    assert len(set.union(*hues.values())) == 12


@given(st.integers(-128, 127), *[st.integers(-SIDE // 2, SIDE // 2 - 1)] * 2)
def test_an_offset_is_one_number_and_back(step, down, right):
    key = (np.int64(step) * SIDE + down) * SIDE + right
    assert split(int(key)) == (step, down, right)


def test_without_a_record_nothing_is_known(photo):
    with pytest.raises(ValueError, match="'photo' has no record"):
        to_origins(Image(photo, name="photo"))
    layer = to_layer(fill(Image(photo)))
    with pytest.raises(ValueError, match="another shape"):
        to_origins(Image(photo[:100], metadata=layer.metadata))


def test_the_cursor_is_told_what_a_pixel_was_copied_from():
    mask = np.pad(np.ones((1, 3, 4), bool), [(0, 0), (2, 2), (2, 2)])
    image, offsets = by_hand(mask, shares=pack(bytes([0, *[255] * 11])))
    data, attributes = to_origins(image)
    layer = Labels(data, **attributes)
    _, down, right = offsets[0, 3, 3]
    said = layer.get_status((0, 3, 3), world=True)["value"] + str(layer._get_tooltip_text((0, 3, 3), world=True))
    assert f"down: {down}" in said
    assert f"right: {right}" in said
    invented = layer._get_tooltip_text((0, 2, 2), world=True)
    assert "invented %: 100" in invented
    assert "down" not in invented
