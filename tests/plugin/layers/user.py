"""Shapes as a user draws them, and what is read from them."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Shapes

from napari_inpaint.plugin.layers.frame import Slices
from napari_inpaint.plugin.layers.job import read_job

TRANSFORMS = {
    "plain": {},
    "scaled": {"scale": (0.5, 0.25)},
    "translated": {"translate": (-30, 12.5)},
    "scaled, rotated, translated": {"scale": (2, 2), "rotate": 90, "translate": (7, -3)},
    "sheared": {"shear": [0.5]},
    "affine": {"affine": np.array([[0, 2, 5], [3, 0, -7], [0, 0, 1]])},
}


def make_shapes(*corners, **options):
    """A Shapes layer of rectangles, each given by two opposite corners in the layer's own coordinates."""
    shapes = Shapes(ndim=2, **options)
    for (y0, x0), (y1, x1) in corners:
        shapes.add_rectangles(np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]))
    return shapes


def rectangle(*leading):
    """Rows 5 to 9 and columns 5 to 11 of a slice."""
    return np.array([(*leading, 5, 5), (*leading, 5, 11), (*leading, 9, 11), (*leading, 9, 5)])


def read(image, holes, point=None, order=None, slices=Slices(), **options):  # noqa: B008
    viewer = ViewerModel()
    for layer in (image, *([] if isinstance(holes, str) else [holes])):
        viewer.add_layer(layer)
    if order is not None:
        viewer.dims.order = order
    for axis, position in enumerate(point or ()):
        viewer.dims.set_point(axis, position)
    return read_job(image, holes, viewer.dims, slices, **options)


def masks(job):
    """The holes of a job's planes as masks."""
    shape = job.image.shape[: job.image.ndim - job.view.rgb]
    found = {} if job.masks is None else {plane: mask.copy() for plane, mask in job.masks.items()}
    for plane, boxes in (job.boxes or {}).items():
        mask = found.setdefault(plane, np.zeros(shape[-2:], bool))
        for box in boxes:
            mask[box.slices] = True
    return found


def only_mask(job):
    ((_, mask),) = masks(job).items()
    return mask


STACK = np.random.default_rng(0).integers(0, 255, (4, 30, 40), np.uint8)
