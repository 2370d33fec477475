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
Sources = Literal["plane", "stack"]
Values = Literal["intensity", "labels", "phase"]

LABELS = 'values="labels" (--values labels)'
PHASE = 'values="phase" (--values phase)'
MOSAIC = "mosaic=(2, 2) (--mosaic 2x2)"
WRAP = 'wrap="x" (--wrap x)'
"""How to say what an image is, in Python and on the command line."""
MOST_CELL = 8
"""Rows, and columns, of a mosaic's cells."""
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
    sources: Sources = "plane"
    """Where copies come from: the plane itself, or its neighbours along `stack_axis` too."""
    stack_axis: int | None = None
    """The axis of time or depth, in which the same place is looked for; none of rows, columns or channels."""
    values: Values = "intensity"
    """What numbers mean: intensities; labels, which are only copied; or a phase, an angle in radians."""
    mosaic: tuple[int, int] | None = None
    """Rows and columns of the cells of a colour filter array, (2, 2) for Bayer's."""
    wrap: Literal["x"] | None = None
    """The axis along which an image goes on at its other side: "x" for a 360° panorama."""
    rules: int = RULES
    """By which rules: others than `RULES` only to repeat a fill."""

    @property
    def needs_network(self) -> bool:
        """Whether a network completes wide holes."""
        return self.detail != "smooth" and self.values != "labels"

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
        self._check_kinds()
        if isinstance(self.alpha, str):
            raise ValueError(f"alpha must be True or False, not {self.alpha!r}")
        object.__setattr__(self, "alpha", bool(self.alpha))
        object.__setattr__(self, "seam", bool(self.seam))
        object.__setattr__(self, "nan_is_hole", bool(self.nan_is_hole))

    def _check_kinds(self) -> None:
        """Check what an image is taken for."""
        for name, kind in (("sources", Sources), ("values", Values)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} must be {' or '.join(get_args(kind))}, not {getattr(self, name)!r}")
        if self.wrap not in ("x", None):
            raise ValueError(f"wrap must be 'x' or None, not {self.wrap!r}")
        if self.mosaic is not None:
            if not isinstance(self.mosaic, (tuple, list)) or len(self.mosaic) != 2:
                raise ValueError(f"mosaic must be rows and columns, such as (2, 2), not {self.mosaic!r}")
            rows, columns = (to_whole(each, "each of mosaic", 1, MOST_CELL) for each in self.mosaic)
            object.__setattr__(self, "mosaic", None if rows == columns == 1 else (rows, columns))
        kinds = [f"values={self.values!r}"] * (self.values != "intensity")
        kinds += ["mosaic="] * (self.mosaic is not None) + ["wrap="] * (self.wrap is not None)
        if len(kinds) > 1 and kinds != ["values='labels'", "wrap="]:
            raise ValueError(f"{' and '.join(kinds)} cannot be combined: choose one of them")
        if self.stack_axis is not None:
            if isinstance(self.stack_axis, bool) or not hasattr(self.stack_axis, "__index__"):
                raise ValueError(f"stack_axis must be a whole number or None, not {self.stack_axis!r}")
            object.__setattr__(self, "stack_axis", operator.index(self.stack_axis))
        if (self.sources == "stack") != (self.stack_axis is not None):
            raise ValueError("sources='stack' and stack_axis= go together: the axis along which neighbours are looked "
                             f"at, not {self.sources!r} and {self.stack_axis!r}")  # fmt: skip
        if self.sources == "stack" and (self.values != "intensity" or self.mosaic or self.wrap):
            raise ValueError("sources='stack' is for plain intensities: leave out values, mosaic and wrap")
        if self.sources == "stack" and self.detail != "copied":
            raise ValueError(f"sources='stack' is for copies: leave out detail={self.detail!r}")


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
