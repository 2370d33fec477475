"""Other libraries' errors in a sentence of ours."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its kind when it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)
