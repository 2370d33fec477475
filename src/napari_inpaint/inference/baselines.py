"""Classical methods that fills are compared with; training has more of them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.blending.pullpush import pullpush_fill

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Filler = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[Any]]
    """From (H, W, C) values around [0, 1] and a mask (H, W) to the filled values."""


def classical_methods() -> dict[str, Filler]:
    """Return the methods that can be imported.

    Pull-push always; Telea 2004 with OpenCV.
    """
    methods: dict[str, Filler] = {
        "pull-push": lambda image, mask: np.moveaxis(pullpush_fill(np.moveaxis(image, -1, 0), mask), 0, -1)
    }
    try:
        import cv2

        methods["telea"] = functools.partial(_fill_channels, lambda x, mask: cv2.inpaint(x, mask, 5, cv2.INPAINT_TELEA))
    except ImportError:
        pass
    return methods


def _fill_channels(
    fill: Callable[..., NDArray[Any]], image: NDArray[np.float32],
    mask: NDArray[np.bool_],
) -> NDArray[Any]:  # fmt: skip
    """Fill one channel after the other in 16 bits, as OpenCV wants more than eight."""
    whole = np.rint(np.moveaxis(image.clip(0, 1), -1, 0) * 65535).astype(np.uint16)  # C, H, W
    return np.stack([fill(channel, mask.astype(np.uint8)) for channel in whole], -1) / np.float32(65535)
