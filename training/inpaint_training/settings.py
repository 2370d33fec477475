"""What recipes are made of: small frozen dataclasses that build what they configure.

A configuration says by ``kind`` which of its family it is; pydantic reads it from YAML and checks its values.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_WIDTH = 4
"""Largest factor of a network's channels."""

Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
"""Of a moving average: what stays of it from step to step."""


class Config:
    """Base of everything in a recipe: unknown keys are refused, and numbers that are none."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class NetworkConfig(Config):
    """Base of what generators are built from."""

    width: Annotated[float, Field(gt=0, le=MOST_WIDTH)] = 1.0
    """Multiplies the channels of every layer; in (0, 4]."""

    def smallest(self) -> Self:
        """Return the same with the fewest channels, which takes the same sizes of images."""
        return replace(self, width=1 / 64)


def check_known(value: str, known: Collection[str], what: str) -> str:
    """Return a name; raise `ValueError` when it is not among those that are known."""
    if value not in known:
        raise ValueError(f"no {what} {value!r}: choose one of {', '.join(known)}")
    return value


def to_sentence(error: ValidationError) -> str:
    """Return what pydantic found as a sentence: where, what a value must be, and what it is."""
    return "; ".join(map(_describe, error.errors()))


def _describe(problem: Any) -> str:
    where = ".".join(str(key) for key in problem["loc"] if key != "[key]")
    sentence = problem["msg"].removeprefix("Value error, ")
    for formal, plain in PLAIN.items():
        sentence = sentence.replace(formal, plain)
    if not sentence.startswith("must be"):
        return f"{where}: {sentence}" if where else sentence
    value = repr(problem["input"])
    return f"{where} {sentence}" + (f", not {value}" if len(value) <= 60 else "")


PLAIN = {
    "Input should be": "must be",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
}
"""What pydantic says, and what we say."""
