"""Other libraries' errors in a sentence of ours."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Return an error's first line, with the second when that ends in a colon; its kind when it says nothing."""
    first, *others = str(error).splitlines() or [type(error).__name__]
    return f"{first} {others[0].strip()}" if first.endswith(":") and others else first
