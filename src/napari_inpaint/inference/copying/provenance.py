"""Where copies came from: as it is kept in records, there and back."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.copying.offsets import Copies
from napari_inpaint.inference.inputs.boxes import to_box
from napari_inpaint.inference.record import pack, unpack
from napari_inpaint.inference.windows.intensity import IntensityCurve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_inpaint.inference.copying.canvas import Canvas
    from napari_inpaint.inference.inputs.boxes import Box

DAMAGED = "the record is damaged, or of another image"


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """How the holes of one region were copied."""

    plane: tuple[int, ...]
    """Index of the plane in the leading axes; empty for one plane."""
    crop: Box
    """y0, x0, y1, x1 of the region, half-open."""
    holes: tuple[Box, ...]
    """Bounding boxes of the holes."""
    noise: float
    """Of narrow holes, see `napari_inpaint.inference.blending.biharmonic.measure_noise`; 0 for wide ones."""
    offsets: str
    """Down and to the right, from every pixel of the holes, row by row, to what it was copied from: int32, deflated, in
    base64. Empty where nothing was copied."""
    shares: str
    """Of the copies in the fill, for the same pixels: 0..255, likewise; empty where it is 255 everywhere."""
    steps: str
    """Along the stack axis, from the plane to that which was copied from, for the same pixels: int8, likewise; empty
    where it is 0 everywhere."""
    levels: tuple[tuple[float, ...], ...]
    """Of each of these planes: the step to it, and what was added to its channels, in parts of the intensity range,
    as it is brighter or darker."""
    correction: float
    """By how much joints and levels changed the copies, at most, in parts of the intensity range."""
    curves: tuple[IntensityCurve, ...]
    """Of colours, or of every channel."""


def to_texts(copies: Copies | None, hole: NDArray[np.bool_], canvas: Canvas | None) -> tuple[str, str, str]:
    """Return offsets, shares and steps as `CopyRecord` holds them; parameters are those of `read_texts`."""
    if copies is None or canvas is None:
        return "", "", ""
    offsets, steps = canvas.fold(np.nonzero(hole)[1], copies.offsets)
    shares = "" if copies.shares is None else pack(copies.shares.tobytes())
    return pack(offsets.astype("<i4").tobytes()), shares, pack(steps.tobytes()) if steps.any() else ""


def read_texts(record: CopyRecord, hole: NDArray[np.bool_], canvas: Canvas) -> Copies | None:
    """Return the copies of a record; None where nothing was copied.

    Parameters
    ----------
    record
    hole : bool array of shape (H, W)
        Of its region.
    canvas
        What the region may copy.

    Raises
    ------
    ValueError
        When they are not of these pixels, or copy what is not known.
    """
    if not record.offsets:
        return None
    y, x = np.nonzero(hole)
    offsets = decode(record.offsets, "<i4", 2 * len(y)).reshape(2, -1).astype(np.int32)
    shares = decode(record.shares, "u1", len(y)) if record.shares else None
    to_x = x + offsets[1].astype(np.int64)
    inside = (to_x >= 0) & (to_x < canvas.width)  # of one plane
    if record.steps:
        offsets = canvas.unfold(offsets, decode(record.steps, "i1", len(y)))
    rows, columns = (place + offset.astype(np.int64) for place, offset in zip((y, x), offsets, strict=True))
    if not (inside & canvas.can_copy((y, x), (rows, columns))).all():
        raise ValueError(f"{DAMAGED}: it copies pixels that are not known")
    return Copies(offsets, shares)


def read_levels(record: CopyRecord, channels: int) -> dict[int, tuple[float, ...]]:
    """Return what was added to planes beside, by the steps to them.

    Raises
    ------
    ValueError
        When it is not of so many channels.
    """
    if any(len(level) != 1 + channels or not np.isfinite(level).all() for level in record.levels):
        raise ValueError(f"{DAMAGED}: its levels are not those of {channels} channels")
    return {int(step): tuple(level) for step, *level in record.levels}


def read_copies(record: Mapping[str, Any]) -> list[CopyRecord] | None:
    """Return the copies of a record of a fill, plain types; None where it has none.

    Raises
    ------
    ValueError
        When they are damaged.
    """
    try:
        return [
            CopyRecord(
                tuple(map(int, each["plane"])), to_box(each["crop"]), tuple(map(to_box, each["holes"])),
                float(each["noise"]), str(each["offsets"]), str(each["shares"]),
                str(each["steps"]), tuple(tuple(map(float, level)) for level in each["levels"]),
                float(each["correction"]),
                tuple(IntensityCurve(**curve) for curve in each["curves"]),
            )
            for each in record.get("copies", ())
        ] or None  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{DAMAGED}: {error}") from error


def decode(text: str, dtype: str, count: int) -> NDArray[Any]:
    """Return the numbers of a text of `pack`.

    Raises
    ------
    ValueError
        When the text is damaged, or has not so many.
    """
    size = count * np.dtype(dtype).itemsize
    try:
        data = unpack(text, size)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"{DAMAGED}: {error}") from error
    if len(data) != size:
        raise ValueError(f"{DAMAGED}: it has {len(data)} bytes for {count} pixels, not {size}")
    return np.frombuffer(data, dtype)
