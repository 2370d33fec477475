"""Classical methods to compare with. To add one, write a function that returns it, under `@method`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Filler = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Image (uint8, H x W x 3) and mask (bool, H x W, True inside holes) to the filled image (uint8)."""


class MissingPackageError(ValueError):
    """A method, or a score, needs a package that is not installed; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Method:
    """A classical method."""

    name: str
    load: Callable[[], Filler]
    """Import what the method needs and return it."""
    remedy: str
    """What to do when that is not installed."""


METHODS: dict[str, Method] = {}
"""All classical methods by name, in the order of the table."""


def method(
    name: str, remedy: str = 'pip install "napari-inpaint[eval]"'
) -> Callable[[Callable[[], Filler]], Callable[[], Filler]]:
    """Register a function that returns a method."""

    def register(load: Callable[[], Filler]) -> Callable[[], Filler]:
        METHODS[name] = Method(name, load, remedy)
        return load

    return register


def load_method(name: str) -> Filler:
    """Return a method whose result has the image's known pixels.

    Raises
    ------
    ValueError
        When there is no method of this name.
    MissingPackageError
        When a package that it needs is not installed.
    """
    if name not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {name!r}")
    chosen = METHODS[name]
    try:
        filler = chosen.load()
    except ImportError as error:
        raise MissingPackageError(f"method {name!r} needs {error.name}: {chosen.remedy}") from error
    return lambda image, mask: np.where(mask[..., None], filler(image, mask), image)


def _of_tensors(start: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Filler:
    import torch

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255  # 1, 3, H, W
        return _to_uint8(start(tensor, torch.from_numpy(mask)[None, None])[0].permute(1, 2, 0).numpy())

    return fill


def _to_uint8(image: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.rint(np.clip(image, 0, 1) * 255)
    return rounded.astype(np.uint8)


@method("mean")
def load_mean() -> Filler:
    """Return the mean of the known pixels."""
    from inpaint_training.networks.fills import mean_fill

    return _of_tensors(mean_fill)


@method("pullpush")
def load_pullpush() -> Filler:
    """Return the smooth fill that our networks start from."""
    from inpaint_training.networks.fills import pullpush_fill

    return _of_tensors(pullpush_fill)


@method("telea")
def load_telea() -> Filler:
    """Return fast marching, Telea 2004, radius 5."""
    import cv2

    return lambda image, mask: cv2.inpaint(image, mask.astype(np.uint8), 5, cv2.INPAINT_TELEA)


@method("ns")
def load_navier_stokes() -> Filler:
    """Return Navier-Stokes, Bertalmio et al. 2001, radius 5."""
    import cv2

    return lambda image, mask: cv2.inpaint(image, mask.astype(np.uint8), 5, cv2.INPAINT_NS)


@method("biharmonic")
def load_biharmonic() -> Filler:
    """Return biharmonic equations, Damelin and Hoang 2018."""
    from skimage.restoration import inpaint_biharmonic

    return lambda image, mask: _to_uint8(inpaint_biharmonic(image / 255, mask, channel_axis=-1))


@method("shiftmap", "pip uninstall -y opencv-python opencv-python-headless && pip install --force-reinstall "
                    "opencv-contrib-python-headless")  # fmt: skip
def load_shiftmap() -> Filler:
    """Return the copying of whole patches, He and Sun 2012, in Lab."""
    import cv2

    if not hasattr(getattr(cv2, "xphoto", None), "INPAINT_SHIFTMAP"):
        raise ImportError("this OpenCV was built without it", name="cv2.xphoto")

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        cv2.setRNGSeed(0)
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        known = np.where(mask, 0, 255).astype(np.uint8)  # here, other than in cv2.inpaint, 0 is the hole
        filled = np.zeros_like(lab)
        cv2.xphoto.inpaint(lab, known, filled, cv2.xphoto.INPAINT_SHIFTMAP)
        return cv2.cvtColor(filled, cv2.COLOR_LAB2RGB)

    return fill


@method("patchmatch", "pip install patchmatch-cython")
def load_patchmatch() -> Filler:
    """Return PatchMatch, Barnes et al. 2009, over a pyramid."""
    from patchmatch_cython import inpaint_pyramid

    return lambda image, mask: inpaint_pyramid(image, mask, seed=0)
