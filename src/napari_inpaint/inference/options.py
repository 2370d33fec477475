"""How holes are filled: everything that a caller can turn, in one place."""

from __future__ import annotations

import operator
import sys
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from napari_inpaint.inference.inputs.values import ChannelAxis


Detail = Literal["copied", "network", "smooth"]

FIRST_RULES, RULES = 1, 2
"""By which rules holes were filled before records named them: linear intensity ranges, and membranes in all narrow
holes; and now."""


@dataclass(frozen=True, slots=True)
class FillOptions:
    """What decides a fill beside the image, its holes and the model.

    Raises
    ------
    ValueError
        Names the value, and what is allowed.
    """

    grow: int = 0
    """Every hole is extended by this many pixels in all directions, over edges that still show what is to go."""
    seam: bool = True
    """Whether a fill is corrected so that it meets the known pixels."""
    channel_axis: ChannelAxis = "auto"
    """The axis of the channels. "auto": a last axis of 3 or 4 is one when the mask fits the axes before it; without a
    mask, when the axis before it is longer than 4; first of all, one whose name says so. None: there is none."""
    nan_is_hole: bool = False
    """Whether NaN and infinite pixels are filled too."""
    detail: Detail = "copied"
    """What is seen in holes: copies of known pixels, which the network's completion chooses; that completion as it is;
    or the smoothest surface, without a network. It also takes the completion's place in holes that are narrower than
    those that the network was trained on."""
    nodata: float | None = None
    """A value that stands for none: such pixels are not known."""
    alpha: bool = False
    """Whether the last channel is transparency: it is kept, what it hides is not known, and becomes opaque where it is
    filled."""
    rules: int = RULES
    """By which rules: others than `RULES` only to repeat a fill."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "grow", to_whole(self.grow, "grow", 0, sys.maxsize))
        if self.channel_axis not in ("auto", None):
            if isinstance(self.channel_axis, (bool, str)) or not hasattr(self.channel_axis, "__index__"):
                raise ValueError(f"channel_axis must be a whole number, 'auto' or None, not {self.channel_axis!r}")
            object.__setattr__(self, "channel_axis", operator.index(self.channel_axis))
        if self.detail not in get_args(Detail):
            raise ValueError(f"detail must be {' or '.join(get_args(Detail))}, not {self.detail!r}")
        if self.nodata is not None:
            if isinstance(self.nodata, bool) or not isinstance(self.nodata, Real):
                raise ValueError(f"nodata must be a number, not {self.nodata!r}")
            if abs(self.nodata) > sys.float_info.max:
                raise ValueError(f"nodata must be a number that an image can hold, not {self.nodata!r}")
            number = operator.index(self.nodata) if isinstance(self.nodata, Integral) else float(self.nodata)
            object.__setattr__(self, "nodata", None if number != number else number)  # NaN is not known anyway
        if isinstance(self.alpha, str):
            raise ValueError(f"alpha must be True or False, not {self.alpha!r}")
        object.__setattr__(self, "alpha", bool(self.alpha))
        object.__setattr__(self, "seam", bool(self.seam))
        object.__setattr__(self, "nan_is_hole", bool(self.nan_is_hole))


def to_whole(value: object, name: str, least: int, most: int) -> int:
    """Return a whole number of any integer type as an int.

    Raises
    ------
    ValueError
        Names the argument, its value, and what is allowed.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        allowed = f"{least} or more" if most == sys.maxsize else f"{least} to {most}"
        raise ValueError(f"{name} must be a whole number, {allowed}, not {value!r}")
    return number
