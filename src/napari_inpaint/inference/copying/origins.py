"""Where the pixels of a fill came from: its record as maps that can be looked at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.copying.provenance import DAMAGED, decode
from napari_inpaint.inference.inputs.boxes import Box, to_box
from napari_inpaint.inference.inputs.holes import Hole
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.inputs.views.choose import to_view
from napari_inpaint.inference.inputs.views.mosaic import Mosaic
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.inference.replay import each_hole
from napari_inpaint.inference.windows.patches import Patch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.views.base import View

    Plane = tuple[int, ...]

INVENTED = int(np.iinfo(np.int32).min)
"""In the place of an offset: the pixel is no copy, but what the network or a smooth surface put there, or a label that
was chosen by its rim."""
COPIED = 255
"""The share of what is wholly a copy, and of known pixels, which are their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where the pixels of a hole came from, or of a part of one, or of several near ones."""

    plane: Plane
    """Index of the plane in the leading axes; empty for one plane."""
    box: Box
    """Where it lies in the plane."""
    mask: NDArray[np.bool_]
    """(h, w): True where pixels were filled. Elsewhere the other arrays mean nothing."""
    offsets: NDArray[np.int32]
    """(h, w, 3): planes along the stack, down, and to the right, to the pixel that it is a copy of; or `INVENTED`."""
    shares: NDArray[np.uint8]
    """(h, w): how much of the pixel is that copy, in 255ths. The rest is invented: 255 is a copy, 0 is `INVENTED`."""


def read_offsets(record: Mapping[str, Any], planes: tuple[int, ...]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return where every pixel of a filled image came from.

    Joints may have changed copies a little (``correction`` in the record); with ``seam=False`` they are the same bits,
    in all channels but transparency; phases in 64 bits may differ in the last one. `each_origin` gives the same for
    holes alone, without arrays of the image's size.

    Parameters
    ----------
    record
        `Inpainter.last_record`, or what ``inpaint-fill --record`` wrote.
    planes
        The shape of the image without its channels: (..., H, W).

    Returns
    -------
    offsets : int32 array of shape (..., H, W, 3)
        From each pixel to the one that it is a copy of: planes along the record's ``stack_axis``, rows down, columns to
        the right, which go on at the other edge of a panorama. 0, 0, 0 where pixels were known; `INVENTED` three times
        where nothing was copied.
    shares : uint8 array of shape (..., H, W)
        How much of each pixel is that copy, in 255ths: where copies fit only in part, the rest is invented. 255 also
        where pixels were known, 0 where they are `INVENTED`.

    Raises
    ------
    ValueError
        When the record is damaged, does not fit the image, or is of a newer version.
    """
    if "axes" in record:
        raise ValueError(f"this fill was made in planes of the axes {tuple(record['axes'])}: look at it in napari")
    offsets, shares = np.zeros((*planes, 3), np.int32), np.full(planes, COPIED, np.uint8)
    for origin in each_origin(record, planes):
        where: tuple[int | slice, ...] = (*origin.plane, *origin.box.slices)
        np.copyto(offsets[where], origin.offsets, where=origin.mask[..., None])
        np.copyto(shares[where], origin.shares, where=origin.mask)
    return offsets, shares


def each_origin(record: Mapping[str, Any], planes: tuple[int, ...]) -> Iterator[Origin]:
    """Yield where the filled pixels of an image came from, part by part; every one of them once.

    Parameters and errors are those of `read_offsets`.
    """
    own: dict[Plane, list[Hole]] = defaultdict(list)
    for plane, box, pixels in each_hole(record, planes):
        own[plane].append(Hole(box, pixels))
    view = _find_view(record, planes, own)
    holes = own if view is None else {plane: list(members) for plane, members in view.holes.items()}
    if not record.get("copies"):
        for plane, members in own.items():
            for hole in members:
                yield _invent(plane, hole.box, hole.mask)
        return
    left = sum(hole.pixels for members in holes.values() for hole in members)
    found = {plane: _Holes(members) for plane, members in holes.items()}
    seen = planes if view is None else view.shape[:-1]
    try:
        for copy in record["copies"]:
            origin = _read(copy, found[tuple(map(int, copy["plane"]))], seen)
            left -= int(np.count_nonzero(origin.mask))
            yield from [origin] if view is None else _look_back(origin, view)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"{DAMAGED}: {error}") from error
    if left:
        raise ValueError(f"{DAMAGED}: it does not say what all of its pixels were copied from")


def _find_view(record: Mapping[str, Any], planes: tuple[int, ...], own: Mapping[Plane, list[Hole]]) -> View | None:
    """Return what was filled in the image's place, with other pixels than the image's; None for the image itself."""
    if not own or not (record.get("mosaic") or record.get("wrap")):
        return None
    options = FillOptions(mosaic=record.get("mosaic"), wrap=record.get("wrap"))
    source = Planes(np.broadcast_to(np.int64(0), planes), None)  # 64 bits: the ends of a hole all around never mix
    return to_view(source, {plane: tuple(members) for plane, members in own.items()}, options)


def _look_back(origin: Origin, view: View) -> Iterator[Origin]:
    """Yield where the pixels of the image came from, given that of a view's: these are numbered, and then followed."""
    number = np.arange(origin.mask.size).reshape(*origin.mask.shape, 1)
    channels = view.shape[-1]
    patch = Patch(
        origin.plane, origin.box, slice(0, channels), origin.mask[..., None],
        np.zeros_like(number), np.broadcast_to(number, (*origin.mask.shape, channels)),
    )  # fmt: skip
    cell = np.array([1, *(view.cell if isinstance(view, Mosaic) else (1, 1))], np.int32)
    for part in view.back([patch]):
        index = np.where(part.mask, part.pixels, 0)[..., 0]
        offsets = origin.offsets.reshape(-1, 3)[index]
        offsets = np.where(offsets == INVENTED, INVENTED, offsets * cell)
        yield Origin(part.plane, part.box, part.mask[..., 0], offsets, origin.shares.ravel()[index])


class _Holes:
    """The holes of a plane, found by their bounding boxes."""

    def __init__(self, holes: list[Hole]) -> None:
        self._by_box = {hole.box: hole for hole in holes}
        self._large_first = sorted(holes, key=lambda hole: -hole.box.height * hole.box.width)

    def find(self, box: Box) -> Hole:
        """Return the hole with this bounding box, or the piece of one: large ones are copied in pieces."""
        if box in self._by_box:
            return self._by_box[box]
        for hole in self._large_first:
            if hole.box.union(box) == hole.box:
                piece = np.zeros((box.height, box.width), bool)
                hole.paint(piece, box)
                if all(edge.any() for edge in (piece[0], piece[-1], piece[:, 0], piece[:, -1])):  # no other box is its
                    return Hole(box, piece)
        raise ValueError(f"{DAMAGED}: it copies {tuple(box)}, where no hole is")


def _read(copy: Mapping[str, Any], holes: _Holes, planes: tuple[int, ...]) -> Origin:
    """Return what the copies of one region are, see `CopyRecord`."""
    plane, members = tuple(map(int, copy["plane"])), [holes.find(to_box(each)) for each in copy["holes"]]
    box = reduce(Box.union, (hole.box for hole in members))
    mask = np.zeros((box.height, box.width), bool)
    for hole in members:
        hole.paint(mask, box)
    if not copy["offsets"]:
        return _invent(plane, box, mask)
    y, x = np.nonzero(mask)
    moves = np.zeros((len(y), 3), np.int32)
    moves[:, 1:] = decode(copy["offsets"], "<i4", 2 * len(y)).reshape(2, -1).T
    if copy.get("steps"):  # none: all are copies from their own plane
        moves[:, 0] = decode(copy["steps"], "i1", len(y))
    shares = decode(copy["shares"], "u1", len(y)) if copy["shares"] else np.uint8(COPIED)
    down, right = moves.T[1:].astype(np.int64)
    above, beside = (
        (places < 0) | (places >= length)
        for places, length in zip((box.y0 + y + down, box.x0 + x + right), planes[-2:], strict=True)
    )
    if above.any() or beside.any():
        raise ValueError(f"{DAMAGED}: it copies pixels that are not in the image")
    offsets, parts = np.zeros((*mask.shape, 3), np.int32), np.full(mask.shape, COPIED, np.uint8)
    offsets[mask], parts[mask] = moves, shares
    offsets[parts == 0] = INVENTED
    return Origin(plane, box, mask, offsets, parts)


def _invent(plane: Plane, box: Box, mask: NDArray[np.bool_] | None) -> Origin:
    """Return that a hole is no copy; its arrays take no memory."""
    shape = box.height, box.width
    return Origin(
        plane, box, np.broadcast_to(True, shape) if mask is None else mask,
        np.broadcast_to(np.int32(INVENTED), (*shape, 3)), np.broadcast_to(np.uint8(0), shape),
    )  # fmt: skip
