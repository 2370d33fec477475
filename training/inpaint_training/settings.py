"""What recipes are made of: small frozen dataclasses that build what they configure.

A configuration says by ``kind`` which of its family it is, and is read from YAML by pydantic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from pydantic import ConfigDict


class Config:
    """Base of everything in a recipe: unknown keys are refused."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class NetworkConfig(Config):
    """Base of what networks are built from."""

    width: float = 1.0
    """Multiplies the channels of every layer; in (0, 4]."""

    def __post_init__(self) -> None:
        """Check the width (words are checked by whoever parses them)."""
        if not 0 < self.width <= 4:
            raise ValueError(f"width must be in (0, 4], not {self.width}")

    def smallest(self) -> Self:
        """Return the same with the fewest channels, which takes the same sizes of images."""
        return replace(self, width=1 / 64)


def check_positive(owner: Any, *names: str) -> None:
    """Raise `ValueError` when one of the fields is not greater than 0."""
    for name in names:
        if not 0 < getattr(owner, name) < math.inf:
            raise ValueError(f"{name} must be greater than 0, not {getattr(owner, name)}")


def check_not_negative(owner: Any, *names: str) -> None:
    """Raise `ValueError` when one of the fields is less than 0."""
    for name in names:
        if not 0 <= getattr(owner, name) < math.inf:
            raise ValueError(f"{name} must not be negative, not {getattr(owner, name)}")


def check_known(value: str, known: Any, what: str) -> None:
    """Raise `ValueError` when ``value`` is not among the ``known`` names."""
    if value not in known:
        raise ValueError(f"no {what} {value!r}: choose one of {', '.join(known)}")
