"""Images that were filled before records named the rules of the fill; what became of them lies beside this file."""

import numpy as np
from PIL import Image

from napari_inpaint.samples import THE_CREST


def make_images():
    """By name: an image, and how it was filled."""
    photo = np.asarray(Image.open(THE_CREST.path))[200:360, 480:640]
    y, x = np.mgrid[:160, :160]
    dust = ((y * 7 + x * 13) % 613 < 3) & (y > 8)
    beads = 100 + 10 * np.sin(x / 7) * np.cos(y / 9)
    for row, column in ((30, 30), (120, 140), (20, 130)):
        beads += 50_000 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 9)
    stack = np.stack([photo[..., 0], photo[..., 1]]).astype(np.float32) / 255
    return {
        "dust": (photo, {"mask": dust}),
        "beads": (beads.astype(np.uint16), {"boxes": [(60, 60, 100, 100)]}),
        "stack": (stack, {"boxes": [(50, 40, 80, 120)], "grow": 2, "seam": False}),
    }
