"""Where the patches of a fill go: into a new layer, or into a layer's data, where they can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.record import to_earlier
from napari_inpaint.inference.replay import each_hole
from napari_inpaint.inference.windows.patches import Patch, apply, to_copy, to_lazy
from napari_inpaint.inference.windows.pyramid import patch_level
from napari_inpaint.plugin.layers.frame import View, full_resolution
from napari_inpaint.plugin.layers.job import PLACE, attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.inputs.planes import Planes
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
    patches: tuple[Patch, ...]
    """Those that were written: what was changed by somebody else meanwhile is left alone."""
    is_rest: bool = False
    """Whether it is what was left when it was taken back."""

    @property
    def size(self) -> int:
        """How many values it changed."""
        return sum(int(np.count_nonzero(_changes(patch))) for patch in self.patches)

    @property
    def is_there(self) -> bool:
        """Return whether the layer still has these data."""
        return self.layer.data is self.array

    def undo(self) -> Filled | None:
        """Take the fill back, and its record; return what is left of it, where the pixels are no longer its own."""
        _, left = exchange(reverse(self.patches), self.view.to_planes(self.array))
        if not self.is_rest:
            drop_record(self.layer.metadata)
        self.layer.refresh()
        return replace(self, patches=tuple(reverse(left)), is_rest=True) if left else None

    def before(self) -> Any:
        """Return a lazy array that shows the layer without the fill."""
        return self.view.back(to_lazy(self.view.to_planes(self.array), reverse(self.patches)))


def fill_in_place(layer: Image, view: View, patches: Sequence[Patch], record: dict[str, Any]) -> Filled:
    """Write a fill into the data of a layer, and its record into the metadata."""
    written, _ = exchange(patches, view.to_planes(layer.data))
    add_record(layer.metadata, record)
    layer.refresh()
    return Filled(layer, view, layer.data, tuple(written))


def exchange(patches: Iterable[Patch], planes: Planes) -> tuple[list[Patch], list[Patch]]:
    """Write patches into an array in memory, where it still holds what was there before.

    Returns
    -------
    written, left
        What was changed, and what was not because the array holds something else there by now.
    """
    written, left = [], []
    for patch in patches:
        here, changes = planes.read(patch.plane, patch.box)[..., patch.channels], _changes(patch)
        same = changes & _equal(here, patch.before)
        np.copyto(here, patch.pixels, where=same)
        written.append(replace(patch, mask=same))
        if (changes & ~same).any():
            left.append(replace(patch, mask=changes & ~same))
    return written, left


def reverse(patches: Sequence[Patch]) -> list[Patch]:
    """Return the patches that take these back."""
    return [patch.reverse() for patch in reversed(patches)]


def _changes(patch: Patch) -> NDArray[np.bool_]:
    """Return which values a patch changes: (h, w, channels)."""
    return patch.mask & ~_equal(patch.before, patch.pixels)


def _equal(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which elements are equal; NaN is equal to NaN."""
    equal = one == other
    if one.dtype.kind == "f":
        equal |= np.isnan(one) & np.isnan(other)
    return np.asarray(equal)


def to_data(job: Job, patches: Sequence[Patch], cancel: Event, picks: bool = False) -> Any:
    """Return the data of a new layer: a filled copy, lazy where the image is, with all of its levels.

    Parameters
    ----------
    job, patches, cancel
    picks
        As `patch_level`.

    Raises
    ------
    FillCancelledError
        When ``cancel`` is set; it is looked at before every level.
    """
    filled = [to_copy(job.view.to_planes(job.data), patches)]
    for level in map(job.view.to_planes, job.levels):
        stop_if(cancel)
        filled.append(to_copy(level, patch_level(filled[-1], level.array, filled[0].shape, patches, picks)))
    levels = [job.view.back(level) for level in filled]
    return levels if job.attributes["multiscale"] else levels[0]


def to_record(job: Job, record: Mapping[str, Any], together: Sequence[str] = ()) -> dict[str, Any]:
    """Return the engine's record of a job as a layer keeps it: planes of other axes than the last are named.

    Parameters
    ----------
    job, record
    together
        The names of all layers, when it was filled as one of the channels of an image.
    """
    kept = {**record} if job.view.is_plain(job.data.ndim) else {**record, "axes": list(job.view.axes)}
    if not together:
        return kept
    return {**kept, "shape": record["shape"][:-1], "dtype": str(job.data.dtype), "together": list(together)}


def each_record(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a layer's records, the last one first."""
    record = metadata.get(RECORD)
    return [record, *reversed(record.get("earlier", []))] if isinstance(record, dict) else []


def add_record(metadata: dict[str, Any], record: Mapping[str, Any]) -> None:
    """Make a record the last one of a layer."""
    before = metadata.get(RECORD)
    metadata[RECORD] = {**record, "earlier": to_earlier(before) if isinstance(before, dict) else []}


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

    def draw(record: Mapping[str, Any], planes: tuple[int, ...]) -> list[Patch]:
        return [
            to_label(plane, box, mask, np.ones(mask.shape, np.uint8)) for plane, box, mask in each_hole(record, planes)
        ]

    return draw_fills(image, np.uint8, draw), describe_fills(image, f"{image.name}: synthetic pixels")


def draw_fills(
    image: Image, dtype: type[np.integer[Any]], draw: Callable[[Mapping[str, Any], tuple[int, ...]], list[Patch]]
) -> Any:
    """Return data of a Labels layer about the fills of an image layer, lazy where that is, with all of its levels.

    Parameters
    ----------
    image
    dtype
        Of the labels.
    draw
        Returns the labels of the fill of a record, given the shape of the image's planes; the first fill comes first.

    Raises
    ------
    ValueError
        When the layer has no record, or one of another image.
    """
    records = each_record(image.metadata)
    if not records:
        raise ValueError(f"{image.name!r} has no record of a fill")
    data = full_resolution(image)
    shape, channels = tuple(data.shape[: image.ndim]), tuple(data.shape[image.ndim :])
    if isinstance(data, np.ndarray):
        labels: Any = np.zeros(shape, dtype)
    else:
        import dask.array as da

        labels = da.zeros(shape, dtype=dtype, chunks=getattr(data, "chunks", "auto")[: image.ndim])
    for record in reversed(records):
        view = View(tuple(record.get("axes", (image.ndim - 2, image.ndim - 1))), rgb=False)
        planes = view.to_planes(labels)
        if tuple(record["shape"]) != (*planes.array.shape, *channels):
            raise ValueError(f"{image.name!r} has another shape than the image of its record, {tuple(record['shape'])}")
        patches = draw(record, planes.array.shape)
        if isinstance(labels, np.ndarray):
            apply(patches, planes)
        else:
            labels = view.back(to_lazy(planes, patches))
    levels = [labels]
    for level in image.data[1:] if image.multiscale else ():
        steps = (max(1, round(a / b)) for a, b in zip(shape, level.shape, strict=False))
        cut = tuple(slice(0, length * step, step) for length, step in zip(level.shape, steps, strict=False))
        levels.append(labels[cut])
    return levels if image.multiscale else labels


def describe_fills(image: Image, name: str) -> dict[str, Any]:
    """Return the attributes of a layer of what `draw_fills` returns."""
    return {**attributes_of(image, PLACE), "name": name, "multiscale": image.multiscale}


def to_label(plane: tuple[int, ...], box: Box, mask: NDArray[np.bool_], labels: NDArray[Any]) -> Patch:
    """Return a patch that labels pixels; all arrays are (h, w)."""
    pixels = labels[..., None]
    return Patch(plane, box, slice(0, 1), mask[..., None], pixels, pixels)
