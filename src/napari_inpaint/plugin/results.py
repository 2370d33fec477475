"""What a fill becomes: a new layer, or changes in a layer that can be taken back; and a layer of what was made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.levels import rebuild_level
from napari_inpaint.inference.replay import each_hole
from napari_inpaint.plugin.layers import View
from napari_inpaint.plugin.overlay import Change, Overlay, take_back, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint.plugin.layers import Job

RECORD = "napari_inpaint"
"""Under this key a layer's metadata hold the record of its last fill, which holds the one before as ``previous``."""


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """A fill that a layer shows, and that can be taken back."""

    layer: Image
    view: View
    array: NDArray[Any]
    """The layer's data when it was filled."""
    changes: tuple[Change, ...]
    record: dict[str, Any]

    @property
    def is_there(self) -> bool:
        """Return whether the layer still has these data."""
        return self.layer.data is self.array

    def show(self, after: bool) -> None:
        """Show the pixels after the fill, or before it."""
        (write if after else take_back)(self.changes, self.view.planes(self.array))
        self.layer.refresh()

    def undo(self) -> None:
        """Take the fill back, and its record."""
        self.show(after=False)
        previous = self.record["previous"]
        if previous is None:
            self.layer.metadata.pop(RECORD, None)
        else:
            self.layer.metadata[RECORD] = previous


def to_data(job: Job, overlay: Overlay, record: Mapping[str, Any]) -> Any:
    """Return the data of a new layer: a filled copy, lazy where the image is, with all of its levels."""
    if isinstance(job.data, np.ndarray):
        copy = job.data.copy()
        write(overlay.changes, job.view.planes(copy))
        filled = [job.view.planes(copy)]
    else:
        filled = [overlay.to_dask()]
    for level in map(job.view.planes, job.levels):
        changed = Overlay(level)
        rebuild_level(filled[-1], changed, overlay.shape, record["windows"])
        if isinstance(level, np.ndarray):
            copy = level.copy()
            write(changed.changes, copy)
            filled.append(copy)
        else:
            filled.append(changed.to_dask())
    levels = [job.view.back(level) for level in filled]
    return levels if job.attributes["multiscale"] else levels[0]


def to_record(job: Job, record: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record that a layer keeps.

    Parameters
    ----------
    record
        Of the engine. Planes of other axes than the last ones are named in ``axes``.
    metadata
        Of the layer; its record is kept as ``previous``.
    """
    axes = {} if job.view.is_plain(job.data.ndim) else {"axes": list(job.view.axes)}
    return {**record, **axes, "previous": metadata.get(RECORD)}


def each_record(metadata: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a layer's records, the last one first."""
    record = metadata.get(RECORD)
    while record is not None:
        yield record
        record = record.get("previous")


def to_synthetic(image: Image) -> tuple[Any, dict[str, Any]]:
    """Return data and attributes of a Labels layer that is 1 where an image layer was made up.

    Raises
    ------
    ValueError
        When it has no record, or one of another image.
    """
    records = list(each_record(image.metadata))
    if not records:
        raise ValueError(f"{image.name!r} has no record of a fill")
    data = image.data[0] if image.multiscale else image.data
    shape, channels = tuple(data.shape[: image.ndim]), tuple(data.shape[image.ndim :])
    if isinstance(data, np.ndarray):
        zeros: Any = np.zeros(shape, np.uint8)
    else:
        import dask.array as da

        zeros = da.zeros(shape, dtype=np.uint8, chunks=getattr(data, "chunks", "auto")[: image.ndim])
    for record in records:
        view = View(tuple(record.get("axes", (image.ndim - 2, image.ndim - 1))), rgb=False)
        planes = view.planes(zeros)
        if tuple(record["shape"]) != (*planes.shape, *channels):
            raise ValueError(f"{image.name!r} has another shape than the image of its record, {tuple(record['shape'])}")
        overlay = Overlay(planes)
        for plane, box, pixels in each_hole(record, planes.shape):
            overlay[(*plane, *box.slices)] = pixels | overlay[(*plane, *box.slices)]
        if isinstance(zeros, np.ndarray):
            write(overlay.changes, planes)
        else:
            zeros = view.back(overlay.to_dask())
    levels = [zeros]
    for level in image.data[1:] if image.multiscale else ():
        steps = (max(1, round(a / b)) for a, b in zip(shape, level.shape, strict=False))
        cut = tuple(slice(0, length * step, step) for length, step in zip(level.shape, steps, strict=False))
        levels.append(zeros[cut])
    kept = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    attributes = image.as_layer_data_tuple()[1]
    return (levels if image.multiscale else zeros), {
        **{name: attributes[name] for name in kept if name in attributes},
        "name": f"{image.name}: synthetic pixels",
        "multiscale": image.multiscale,
    }
