"""Windows with a hole, somewhere."""

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box

PLACES = {
    "inside": Box(15, 16, 50, 70), "top": Box(0, 16, 50, 70), "bottom": Box(15, 16, 72, 70),
    "left": Box(15, 0, 50, 70), "right": Box(15, 16, 50, 80), "corner": Box(0, 0, 40, 60), "band": Box(15, 0, 50, 80),
    "two corners": Box(0, 0, 72, 70), "one pixel": Box(7, 7, 8, 8),
}  # fmt: skip


def window(box, rectangular=True, seed=0):
    """An image, a completion and a hole: the box, or what is left of it without a corner and a pixel."""
    hole = np.zeros((72, 80), bool)
    hole[box.slices] = True
    if not rectangular:
        hole[box.y0 + 3, box.x0 + 3] = False
        hole[box.y0 : box.y0 + 9, box.x0 : box.x0 + 7] = False
    rng = np.random.default_rng(seed)
    return rng.random((3, 72, 80)), rng.random((3, 72, 80)), hole


SHAPES = [(box, True) for box in PLACES.values()] + [(PLACES[name], False) for name in ("inside", "top", "corner")]
