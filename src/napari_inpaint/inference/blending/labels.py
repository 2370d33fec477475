"""Labels: a hole gets those on its rim, each where a random walk is likeliest to meet it first.

That probability is the membrane of the label's indicator (Grady: Random Walks for Image Segmentation, 2006): straight
borders go on across scratches, and there is nothing between two labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_inpaint.inference.blending.membrane import solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event

MOST_VALUES = 1 << 25
"""Pixels times labels: a hole with more gets the nearest ones, in a second for so many pixels."""
BLOCK = 1 << 22
"""Pixels times labels that are solved at once."""
STEPS = 4096
"""Probabilities are compared in so many steps: equal ones differ in the last bits."""
CROSS = ndimage.generate_binary_structure(2, 1)


def fill_labels(
    pixels: NDArray[Any], hole: NDArray[np.bool_], known: NDArray[np.bool_], cancel: Event | None = None
) -> NDArray[Any]:
    """Return the labels of a hole.

    Parameters
    ----------
    pixels : array of shape (H, W)
        Of any dtype with equality and an order.
    hole, known : bool array of shape (H, W)
        Pixels that are filled, and those that have a label. There must be some that are known.
    cancel
        As `Inpainter.fill`.

    Returns
    -------
    array of shape (pixels of the hole,)
        Row by row. Only labels of known pixels; those of the hole's rim, where it has one.
    """
    rim = ndimage.binary_dilation(hole, CROSS) & known
    if not rim.any():
        return _find_nearest(pixels, known)[hole]
    labels, which = np.unique(pixels[rim], return_inverse=True)
    if len(labels) == 1:
        return np.full(np.count_nonzero(hole), labels[0])
    missing = np.count_nonzero(hole)
    if missing * len(labels) > MOST_VALUES:
        return _find_nearest(pixels, rim)[hole]
    number = np.full(hole.shape, -1)
    number[rim] = which.ravel()
    chosen, best, total = np.zeros(missing, int), np.zeros(missing), np.zeros(missing)
    count = max(1, BLOCK // hole.size)
    for first in range(0, len(labels), count):
        block = np.arange(first, min(first + count, len(labels)))
        chances = solve((number == block[:, None, None]).astype(np.float32), hole, rim, cancel)[:, hole]
        total += chances.sum(0)
        steps = np.rint(chances * STEPS)
        likeliest = steps.argmax(0)
        chance = steps[likeliest, np.arange(missing)]
        chosen = np.where(chance > best, block[likeliest], chosen)
        best = np.maximum(chance, best)
    found = total > 0.5  # no walk from what is enclosed by pixels without a label meets one
    return labels[chosen] if found.all() else np.where(found, labels[chosen], _find_nearest(pixels, rim)[hole])


def _find_nearest(pixels: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the label of the nearest known pixel for every pixel."""
    y, x = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(pixels[y, x])
