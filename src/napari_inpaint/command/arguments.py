"""What the words of inpaint-fill mean."""

from __future__ import annotations

import argparse

RECORDED = ("box", "mask", "mask_pattern", "mask_threshold", "orientation", "nan", "grow", "seam", "detail", "nodata",
            "alpha", "sources", "stack_axis", "values", "mosaic", "wrap", "series")  # fmt: skip
"""Options that a record holds, or that find the holes that it holds."""


def number(text: str) -> float:
    """Return a whole number as an int, which is exact, and any other as a float."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def cell(text: str) -> tuple[int, ...]:
    """Return the rows and columns of a cell, as 2x2 names them."""
    try:
        rows, columns = map(int, text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not rows and columns, such as 2x2") from None
    return rows, columns
