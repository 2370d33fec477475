"""Where the pixels of fills came from, as a layer: a label for every offset, and a table of what they mean."""

from __future__ import annotations

import colorsys
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.copying.origins import COPIED, each_origin
from napari_inpaint.plugin.layers.results import describe_fills, draw_fills, to_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint.inference.copying.origins import Origin
    from napari_inpaint.inference.windows.patches import Patch

HUES, SHADES = 12, 3
"""Directions that have colours of their own; and colours of one direction, so that its pieces are told apart."""
COLOURS = 1 + HUES * SHADES
"""Without that of known pixels: napari gives labels so many colours in turn."""
INVENTED_LABEL = 1
"""The only label with the first colour."""
SIDE = 1 << 28
"""Offsets along rows and columns are between -SIDE / 2 and SIDE / 2, so that three are one number of 64 bits."""


def to_origins(image: Image) -> tuple[Any, dict[str, Any]]:
    """Return data and attributes of a Labels layer that says where the filled pixels of an image layer came from.

    Known pixels are 0, invented ones `INVENTED_LABEL`; other labels are one offset each. The layer's features tell
    which: in planes along the stack, down and to the right, and how much of its pixels is invented, in percent. napari
    shows them for the label under the cursor. Where fills overlap, the last one counts.

    Raises
    ------
    ValueError
        When the layer has no record, or one of another image.
    """
    from napari.utils.colormaps import CyclicLabelColormap

    legend = Legend()
    data = draw_fills(image, np.int32, legend.draw)
    return data, {
        **describe_fills(image, f"origin of {image.name}"),
        "features": legend.to_features(), "colormap": CyclicLabelColormap(colors=to_colours(), name="origins"),
    }  # fmt: skip


class Legend:
    """Gives offsets labels, so that the colour of a label tells the direction."""

    def __init__(self) -> None:
        self._labels: dict[int, int] = {}  # by offset, as one number
        self._counts: Counter[int] = Counter()  # of offsets, by direction
        self._invented, self._pixels = Counter[int](), Counter[int]()  # by label

    def draw(self, record: Mapping[str, Any], planes: tuple[int, ...]) -> list[Patch]:
        """Return the labels of a fill."""
        return [
            to_label(origin.plane, origin.box, origin.mask, self._label(origin))
            for origin in each_origin(record, planes)
        ]

    def _label(self, origin: Origin) -> NDArray[np.int32]:
        copied = origin.mask & (origin.shares > 0)
        if not copied.any():
            return np.broadcast_to(np.int32(INVENTED_LABEL), copied.shape)
        step, down, right = origin.offsets[copied].T.astype(np.int64)
        found, members = np.unique((step * SIDE + down) * SIDE + right, return_inverse=True)
        numbers = [self._find(key) for key in found.tolist()]
        self._pixels.update(dict(zip(numbers, np.bincount(members).tolist(), strict=True)))
        rest = np.bincount(members, COPIED - origin.shares[copied].astype(float))
        self._invented.update(dict(zip(numbers, rest.astype(int).tolist(), strict=True)))
        labels = np.full(copied.shape, INVENTED_LABEL, np.int32)
        labels[copied] = np.array(numbers, np.int32)[members]
        return labels

    def _find(self, key: int) -> int:
        """Return the label of an offset: a new one has a colour of its direction."""
        if key not in self._labels:
            _, down, right = split(key)
            hue = round(np.arctan2(down, right) / (2 * np.pi) * HUES) % HUES
            turn, shade = divmod(self._counts[hue], SHADES)
            self._counts[hue] += 1
            self._labels[key] = INVENTED_LABEL + COLOURS * turn + 1 + hue * SHADES + shade
        return self._labels[key]

    def to_features(self) -> dict[str, list[int | None]]:
        """Return the table of all labels; napari shows no None."""
        rows: list[tuple[int | None, ...]] = [(INVENTED_LABEL, None, None, None, 100)]
        for key, label in self._labels.items():
            rows.append((label, *split(key), round(100 * self._invented[label] / (COPIED * self._pixels[label]))))
        names = "index", "plane", "down", "right", "invented %"
        return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def split(key: int) -> tuple[int, int, int]:
    """Return the offset that one number stands for: planes, down, right."""
    half = SIDE // 2
    rest, right = divmod(key + half, SIDE)
    step, down = divmod(rest + half, SIDE)
    return step, down - half, right - half


def to_colours() -> NDArray[np.float32]:
    """Return the colours of known pixels, of invented ones, and of all directions: (2 + HUES * SHADES, 4), RGBA."""
    shades = [
        (*colorsys.hls_to_rgb(hue / HUES, 0.35 + 0.15 * shade, 1.0), 1.0)
        for hue in range(HUES) for shade in range(SHADES)
    ]  # fmt: skip
    return np.array([(0, 0, 0, 0), (1, 1, 1, 1), *shades], np.float32)
