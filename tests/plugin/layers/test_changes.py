"""What a fill did to layers is there as long as they hold its data."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from napari_inpaint.plugin.layers.changes import Added, replace_data, shines_through
from napari_inpaint.plugin.layers.results import RECORD


def test_replaced_data_come_back_with_the_record_of_before():
    first = da.zeros((40, 50))
    layer = Image(first, metadata={RECORD: {"model": "first"}}, contrast_limits=(0, 5))
    change = replace_data(layer, first + 1, {"model": "second"})
    assert change.is_there
    assert change.before() is first
    assert layer.metadata[RECORD]["model"] == "second"
    assert tuple(layer.contrast_limits) == (0, 5)
    change.undo()
    assert layer.data is first
    assert layer.metadata[RECORD] == {"model": "first", "earlier": []}
    assert not change.is_there


def test_an_added_layer_knows_whether_its_source_has_changed():
    pixels = np.zeros((40, 50))
    source, layer = Image(pixels), Image(pixels + 1)
    change = Added(layer, source, source.data, layer.data, hides=False)
    assert change.is_there
    assert change.is_current
    source.data = pixels + 2
    assert not change.is_current
    layer.data = pixels + 3
    assert not change.is_there


@pytest.mark.parametrize(
    ("blending", "opacity", "expected"),
    [("translucent", 1, False), ("opaque", 1, False), ("additive", 1, True), ("minimum", 1, True),
     ("translucent", 0.7, True)],
)  # fmt: skip
def test_what_is_not_covered_by_its_like_shines_through(blending, opacity, expected):
    assert shines_through(Image(np.zeros((40, 50)), blending=blending, opacity=opacity)) is expected
