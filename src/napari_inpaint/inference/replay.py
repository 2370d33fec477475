"""The holes of a record, there and back, and whether a fill can be repeated from it."""

from __future__ import annotations

import operator
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.boxes import to_box
from napari_inpaint.inference.inputs.values import RGB
from napari_inpaint.inference.options import FIRST_RULES, RULES, FillOptions
from napari_inpaint.inference.record import SCHEMA, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.inputs.holes import Hole

COMPARED = ("model_sha256", "precision", "provider", "threads", "batch", "runtime", "machine", "version",
            "masked_pixels")  # fmt: skip
"""Fields that decide the bits of a result, with the image and its holes."""


def describe_holes(holes: Mapping[tuple[int, ...], Sequence[Hole]]) -> list[dict[str, Any]]:
    """Return holes as plain types.

    Parameters
    ----------
    holes
        By plane, as in `Job.holes`.

    Returns
    -------
    list
        For planes with the same holes: ``planes``, their indices; ``boxes``; ``masks``, for each box None where it is
        the hole, or its pixels, row by row: bits, deflated, in base64.
    """
    groups: dict[int, tuple[list[tuple[int, ...]], Sequence[Hole]]] = {}
    for plane, members in holes.items():
        groups.setdefault(id(members), ([], members))[0].append(plane)
    return [
        {"planes": planes, "boxes": [hole.box for hole in members], "masks": [_encode(hole) for hole in members]}
        for planes, members in groups.values()
    ]


def read_holes(record: Mapping[str, Any], planes: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the mask of a record.

    Parameters
    ----------
    record
        Of a fill.
    planes
        The shape of the image's planes: (..., H, W).

    Returns
    -------
    bool array of the shape ``planes``

    Raises
    ------
    ValueError
        When the record is damaged, does not fit the image, or is of a newer version.
    """
    if "axes" in record:
        raise ValueError(
            f"this fill was made in planes of the axes {tuple(record['axes'])}, which only napari can: it cannot be "
            "repeated here"
        )
    if "together" in record:
        raise ValueError(
            f"this fill was made together with other channels ({', '.join(record['together'])}) by napari: it cannot "
            "be repeated for one of them"
        )
    mask = np.zeros(planes, bool)
    for plane, box, pixels in each_hole(record, planes):
        mask[plane][box.slices] |= pixels
    return mask


def each_hole(
    record: Mapping[str, Any], planes: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Box, NDArray[np.bool_]]]:
    """Yield the plane, the bounding box and the pixels of every hole of a record.

    Parameters and errors are those of `read_holes`; pixels are a bool array of the box's shape.
    """
    schema = record.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA or "holes" not in record:
        raise ValueError(f"this is no record that can be repeated: it has schema {schema!r}, not {SCHEMA}")
    *leading, height, width = planes
    try:
        for group in record["holes"]:
            for box, encoded in zip(map(to_box, group["boxes"]), group["masks"], strict=True):
                if box.clip(height, width) != box:
                    raise ValueError(f"a hole at {tuple(box)} lies outside the image of {height} x {width} pixels")
                shape = box.height, box.width
                pixels = np.broadcast_to(True, shape) if encoded is None else _decode(encoded, *shape)
                for plane in (tuple(map(operator.index, each)) for each in group["planes"]):
                    if len(plane) != len(leading) or any(not 0 <= i < n for i, n in zip(plane, leading, strict=True)):
                        raise IndexError(f"there is no plane {plane}")
                    yield plane, box, pixels
    except (KeyError, TypeError, IndexError, zlib.error) as error:
        raise ValueError(f"the record is damaged, or of another image: {error}") from error


def read_options(record: Mapping[str, Any], channel_axis: int | None) -> FillOptions:
    """Return how the holes of a record were filled; they have grown already, and hold NaN.

    Raises
    ------
    ValueError
        When the record is damaged, or of a newer version.
    """
    rules = record.get("rules", FIRST_RULES)
    if rules not in (FIRST_RULES, RULES):
        raise ValueError(f"this fill was made by the rules {rules!r}, of a newer version of napari-inpaint")
    had_alpha = rules == FIRST_RULES and channel_axis is not None and record["shape"][channel_axis] == RGB + 1
    return FillOptions(
        seam=bool(record.get("seam", True)), channel_axis=channel_axis, detail=record.get("detail", "network"),
        nodata=record.get("nodata"), alpha=bool(record.get("alpha", had_alpha)), rules=rules,
        sources=record.get("sources", "plane"), stack_axis=record.get("stack_axis"),
        values=record.get("values", "intensity"), mosaic=record.get("mosaic"), wrap=record.get("wrap"),
    )  # fmt: skip


def find_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what differs between two records of one fill, in words; nothing when the results are the same bits."""
    if before.get("result_sha256") == after.get("result_sha256"):
        return []
    differences = [
        f"{name} was {before.get(name)!r}, now {after.get(name)!r}"
        for name in COMPARED if before.get(name) != after.get(name)
    ]  # fmt: skip
    return differences or ["the image is not the one that was filled"]


def _encode(hole: Hole) -> str | None:
    if hole.mask is None:
        return None
    return pack(np.packbits(hole.mask).tobytes())


def _decode(text: str, height: int, width: int) -> NDArray[np.bool_]:
    size = -(-height * width // 8)
    bits = unpack(text, size)
    if len(bits) != size:
        raise ValueError(f"a hole of {height} x {width} pixels has {len(bits)} bytes, not {size}")
    unpacked = np.unpackbits(np.frombuffer(bits, np.uint8), count=height * width)
    return unpacked.reshape(height, width).astype(bool)
