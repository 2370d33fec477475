"""What a fill becomes: a new layer, or changes in a layer that can be taken back; and a layer of what was made up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.replay import each_hole
from napari_inpaint.inference.windows.pyramid import rebuild_level
from napari_inpaint.plugin.layers.frame import View, full_resolution
from napari_inpaint.plugin.layers.job import PLACE, attributes_of
from napari_inpaint.plugin.layers.overlay import Change, Overlay, reverse, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.plugin.layers.job import Job

RECORD = "napari_inpaint"
"""Under this key a layer's metadata hold the record of its last fill, and in that, as ``earlier``, those before."""


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """A fill in place, that can be taken back."""

    layer: Image
    view: View
    array: NDArray[Any]
    """The layer's data when it was filled."""
    changes: tuple[Change, ...]
    """Those that were written: what was changed by somebody else meanwhile is left alone."""
    is_rest: bool = False
    """Whether it is what was left when it was taken back."""

    @property
    def size(self) -> int:
        """How many values it changed."""
        return sum(int(np.count_nonzero(change.changed)) for change in self.changes)

    @property
    def is_there(self) -> bool:
        """Return whether the layer still has these data."""
        return self.layer.data is self.array

    def undo(self) -> Filled | None:
        """Take the fill back, and its record; return what is left of it, where the pixels are no longer its own."""
        _, left = write(reverse(self.changes), self.view.planes(self.array))
        if not self.is_rest:
            drop_record(self.layer.metadata)
        self.layer.refresh()
        if not left:
            return None
        return replace(self, changes=tuple(reverse(left)), is_rest=True)

    def before(self) -> Any:
        """Return a lazy array that shows the layer without the fill."""
        overlay = Overlay(self.view.planes(self.array))
        overlay.changes = reverse(self.changes)
        return self.view.back(overlay.to_dask())


def fill_in_place(layer: Image, view: View, changes: Sequence[Change], record: dict[str, Any]) -> Filled:
    """Write a fill into the data of a layer, and its record into the metadata."""
    written, _ = write(changes, view.planes(layer.data))
    add_record(layer.metadata, record)
    layer.refresh()
    return Filled(layer, view, layer.data, tuple(written))


def to_data(job: Job, overlay: Overlay, record: Mapping[str, Any], cancel: Event) -> Any:
    """Return the data of a new layer: a filled copy, lazy where the image is, with all of its levels.

    Raises
    ------
    FillCancelledError
        When ``cancel`` is set; it is looked at before every level.
    """
    filled = [overlay.to_changed()]
    for level in map(job.view.planes, job.levels):
        stop_if(cancel)
        changed = Overlay(level)
        rebuild_level(filled[-1], changed, overlay.shape, record["windows"])
        filled.append(changed.to_changed())
    levels = [job.view.back(level) for level in filled]
    return levels if job.attributes["multiscale"] else levels[0]


def to_record(job: Job, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's record of a job as a layer keeps it: planes of other axes than the last are named."""
    return {**record} if job.view.is_plain(job.data.ndim) else {**record, "axes": list(job.view.axes)}


def each_record(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a layer's records, the last one first."""
    record = metadata.get(RECORD)
    return [record, *reversed(record.get("earlier", []))] if isinstance(record, dict) else []


def add_record(metadata: dict[str, Any], record: Mapping[str, Any]) -> None:
    """Make a record the last one of a layer."""
    earlier = [{name: value for name, value in each.items() if name != "earlier"} for each in each_record(metadata)]
    metadata[RECORD] = {**record, "earlier": earlier[::-1]}


def drop_record(metadata: dict[str, Any]) -> None:
    """Forget the last record of a layer."""
    earlier = each_record(metadata)[1:]
    if earlier:
        metadata[RECORD] = {**earlier[0], "earlier": earlier[:0:-1]}
    else:
        metadata.pop(RECORD, None)


def to_synthetic(image: Image) -> tuple[Any, dict[str, Any]]:
    """Return data and attributes of a Labels layer that is 1 where an image layer was made up.

    Raises
    ------
    ValueError
        When it has no record, or one of another image.
    """
    records = each_record(image.metadata)
    if not records:
        raise ValueError(f"{image.name!r} has no record of a fill")
    data = full_resolution(image)
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
    return (levels if image.multiscale else zeros), {
        **attributes_of(image, PLACE),
        "name": f"{image.name}: synthetic pixels",
        "multiscale": image.multiscale,
    }
