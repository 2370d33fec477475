"""Between pixels of any real dtype and the network's values in [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_inpaint.inference.inputs.values import RGB

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUTLIERS = 0.001
"""This share of the context's darkest pixels, and of its brightest, does not count for the intensity range."""
RIM_OUTLIERS = 0.1
"""This share of the rim's darkest pixels, and of its brightest, does not count for the rim's contrast."""
BULK_OUTLIERS = 0.2
"""Likewise of the context, for a quarter of its contrast, if that is more: a slope is no outlier."""
RESOLVED = 128
"""A contrast that is less than one part in so many of the whole range gets a curve of its own. In images of 8 bits none
is less, but for rounding."""
REACH = 8
"""The curve is linear over values that are at most so many times the contrast beyond the rim's."""
LONGEST_TAIL = 1e6
"""Times the linear part; what lies further beyond is no value, but stands for none."""
TAIL = 0.1
"""Share of the network's values that a tail of the curve gets."""
RIM = 2
"""Width, in pixels, of the rim around a hole whose pixels always count."""
SAMPLES = 48
"""The context is sampled on a grid of about this many rows and columns."""


class NothingKnownError(ValueError):
    """There is nothing that a hole could be filled from."""


@dataclass(frozen=True, slots=True)
class IntensityCurve:
    """From pixel values to the network's values in [0, 1]: linear between ``low`` and ``high``, monotone everywhere."""

    low: float
    high: float
    """Python integers for integer pixels, so that 64 bits are exact. Without tails they become 0 and 1."""
    below: float = 0.0
    above: float = 0.0
    """Tails: so many times ``high - low`` below ``low``, and above ``high``, share the first, and the last, `TAIL` of
    the network's values. 0 where there is no tail."""

    @property
    def knots(self) -> tuple[list[float], list[float]]:
        """The curve's corners: in parts of ``high - low`` above ``low``, and in the network's values."""
        corners = [(0.0, TAIL if self.below else 0.0), (1.0, 1 - TAIL if self.above else 1.0)]
        corners = [*([(-self.below, 0.0)] if self.below else []), *corners]
        corners += [(1 + self.above, 1.0)] if self.above else []
        return [corner[0] for corner in corners], [corner[1] for corner in corners]


@dataclass(frozen=True, slots=True)
class Context:
    """A sample of the known pixels of a window: a grid of them, and the rim of its holes."""

    y: NDArray[np.intp]
    """(S,) rows."""
    x: NDArray[np.intp]
    """(S,) columns."""
    rim: int
    """The last so many are the rim's."""
    share: float
    """How many of the window's pixels are known: 0..1."""


def sample_context(known: NDArray[np.bool_], hole: NDArray[np.bool_]) -> Context:
    """Choose the pixels of a window that stand for its context.

    Parameters
    ----------
    known, hole : bool array of shape (H, W)
        The pixels that are known, and those that are to be filled.

    Raises
    ------
    NothingKnownError
        When no pixel is known.
    """
    step = max(1, round((known.size**0.5) / SAMPLES)) | 1  # odd, so that it meets every colour of a mosaic
    y, x = np.nonzero(known[::step, ::step])
    if not y.size:
        step = 1
        y, x = np.nonzero(known)
    if not y.size:
        raise NothingKnownError(
            "no pixel is known around a hole, everything in its window is a hole, NaN or infinite, or without data: "
            "fill NaN too (nan_is_hole=True, --nan), or leave the hole out"
        )
    share = np.count_nonzero(known) / known.size
    rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
    top, left = max(0, rows[0] - RIM), max(0, columns[0] - RIM)
    around = np.s_[top : rows[-1] + RIM + 1, left : columns[-1] + RIM + 1]
    rim_y, rim_x = np.nonzero(ndimage.binary_dilation(hole[around], iterations=RIM) & known[around])
    return Context(np.append(y * step, rim_y + top), np.append(x * step, rim_x + left), len(rim_y), share)


def find_curve(pixels: NDArray[Any], context: Context, linear: bool = False) -> IntensityCurve:
    """Choose the intensity curve of a window.

    It is linear over the context without outliers and all of the rim, so that hot pixels far from the hole do not
    flatten what the network sees, and the rim, which the fill must meet, is inside. Where the contrast of the rim would
    be lost in that range for the sake of few pixels, the curve is linear over what is near to the rim's values; values
    beyond are clipped for the network, or share a tail where the rim has some that lie far beyond.

    Parameters
    ----------
    pixels : array of shape (H, W, C)
    context
        Where the known pixels are.
    linear
        Never lose a value for the sake of the rim's contrast.
    """
    values = pixels[context.y, context.x]
    if values.dtype == np.bool_:
        values = values.view(np.uint8)
    rim = np.sort(values[len(values) - context.rim :], None)
    low, high = _without_outliers(values.ravel())
    if not rim.size:
        return IntensityCurve(low, high)
    lowest, highest = rim[0].item(), rim[-1].item()
    low, high = min(low, lowest), max(high, highest)
    skip = int(RIM_OUTLIERS * rim.size)
    rim_low, rim_high = rim[skip].item(), rim[-1 - skip].item()
    contrast = max(rim_high - rim_low, 2) if values.dtype.kind in "iu" else rim_high - rim_low  # 1 is rounding
    bulk_low, bulk_high = _without_outliers(values.ravel(), BULK_OUTLIERS)
    contrast = max(contrast, bulk_high / 4 - bulk_low / 4)
    if linear or contrast == 0 or high / RESOLVED - low / RESOLVED <= contrast:
        return IntensityCurve(low, high)
    reach = REACH * contrast if values.dtype.kind == "f" else int(REACH * contrast)
    least, most = rim_low - reach, rim_high + reach
    low, high = _without_outliers(values[(values >= least) & (values <= most)])
    low, high = min(low, max(lowest, least)), max(high, min(highest, most))
    low, high = (lowest if low - lowest < high - low else low), (highest if highest - high < high - low else high)
    if low == high:  # what is near is constant
        low, high = low - contrast, high + contrast
    span = high - low
    below, above = (min(max(0, beyond) / span, LONGEST_TAIL) for beyond in (low - lowest, highest - high))
    return IntensityCurve(low, high, below, above)


def _without_outliers(values: NDArray[Any], share: float = OUTLIERS) -> tuple[float, float]:
    """Return the lowest and the highest of some values but for this share of them at either end."""
    skip = int(share * values.size)
    ordered = np.partition(values, (skip, values.size - 1 - skip))
    return ordered[skip].item(), ordered[values.size - 1 - skip].item()


def to_tensor(pixels: NDArray[Any], unknown: NDArray[np.bool_], curve: IntensityCurve) -> NDArray[np.floating[Any]]:
    """Scale a window to the network's values.

    Parameters
    ----------
    pixels : array of shape (H, W, C)
    unknown : bool array of shape (H, W)
        Becomes 0; must hold all NaN pixels.
    curve

    Returns
    -------
    float32 or float64 array of shape (C, H, W)
        In [-1, 2]: what lies further beyond the curve is clipped there. float32 where that holds all values of the
        dtype.
    """
    kind = np.dtype(np.result_type(pixels.dtype, np.float32))
    low, high = curve.low, curve.high
    if low == high:
        return np.zeros((pixels.shape[2], *pixels.shape[:2]), kind)
    planar = pixels.transpose(2, 0, 1)
    if planar.dtype.kind in "iu" and planar.dtype.itemsize > 2:  # count from the lower end: float64 lacks some integers
        limits, span = np.iinfo(planar.dtype), int(high - low)
        lowest = max(limits.min, low - span * math.ceil(1 + curve.below))
        highest = min(limits.max, high + span * math.ceil(1 + curve.above))
        wide = np.int64 if planar.dtype.kind == "i" else np.uint64
        offset = np.clip(planar, lowest, highest).astype(wide).view(np.uint64) - np.uint64(lowest % 2**64)
        tensor = np.ascontiguousarray(offset, kind)
        tensor -= float(low - lowest)
        tensor /= float(span)
    else:
        tensor = np.array(planar, kind, order="C")
        part = 0.5 if high - low > float(np.finfo(kind).max) else 1.0  # a span that the dtype does not hold
        with np.errstate(invalid="ignore", over="ignore"):
            if part != 1:
                tensor *= part
            tensor -= low * part
            tensor /= high * part - low * part
            np.clip(tensor, -1 - curve.below, 2 + curve.above, out=tensor)
    if curve.below or curve.above:
        tensor = np.clip(_interpolate(tensor, *curve.knots), -1, 2).astype(kind)
    np.copyto(tensor, 0, where=unknown)
    return tensor


def from_tensor(tensor: NDArray[np.floating[Any]], dtype: np.dtype[Any], curve: IntensityCurve) -> NDArray[Any]:
    """Scale filled values back to pixels: the inverse of `to_tensor`.

    Parameters
    ----------
    tensor : float array of shape (C, ...)
        Values outside [0, 1] become pixels beyond the curve, as far as the dtype goes; floats at most two ranges
        beyond it.
    dtype
        Integers are rounded, bools become True from 0.5.

    Returns
    -------
    array of shape (..., C)
    """
    fraction = np.moveaxis(tensor, 0, -1).astype(np.float64)
    if curve.below or curve.above:
        fraction = _interpolate(fraction, *reversed(curve.knots))
    low, high = curve.low, curve.high
    if low == high:
        return np.full(fraction.shape, low, dtype)
    if dtype.kind == "b":
        return np.asarray(fraction >= 0.5)
    if dtype.kind == "f":
        limit = float(np.finfo(dtype).max) / 8  # eighths, so that nothing overflows on the way
        np.clip(fraction, -2 - curve.below, 3 + curve.above, out=fraction)
        return np.asarray(8 * np.clip(low / 8 * (1 - fraction) + high / 8 * fraction, -limit, limit), dtype)
    limits, span = np.iinfo(dtype), high - low
    steps = np.rint(fraction * span)
    if dtype.itemsize < 8:
        return np.clip(low + steps, limits.min, limits.max).astype(dtype)
    # float64 does not hold all integers of 64 bits: count up or down from the lower end
    room_up, room_down = limits.max - low, low - limits.min
    up, down = (
        np.where(way >= float(room), np.uint64(room), np.clip(way, 0, np.nextafter(2.0**64, 0)).astype(np.uint64))
        for way, room in ((steps, room_up), (-steps, room_down))
    )
    up = np.where(fraction == 1, np.uint64(span), up)
    filled = np.uint64(low % 2**64) + up - np.where(steps < 0, down, np.uint64(0))
    return np.asarray(filled.view(dtype.newbyteorder("=")), dtype)


def _interpolate(x: NDArray[Any], places: list[float], values: list[float]) -> NDArray[np.float64]:
    """Interpolate linearly between corners, and go on beyond the first and the last as between the last two."""
    slopes = np.diff(values) / np.diff(places)
    between = np.interp(x, places, values)
    beyond = slopes[0] * np.minimum(x - places[0], 0) + slopes[-1] * np.maximum(x - places[-1], 0)
    return np.asarray(between + beyond)


def to_rgb(tensor: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the float32 (3, H, W) image that the network completes for (3, H, W) or (1, H, W)."""
    return np.repeat(tensor, RGB // len(tensor), 0).astype(np.float32, copy=False)


def from_rgb(image: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return (C, H, W) from the completed (3, H, W): the inverse of `to_rgb`; grey is the mean of three."""
    return np.asarray(image if channels == RGB else image.mean(0, dtype=np.float32, keepdims=True))
