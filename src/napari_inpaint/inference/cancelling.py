"""Stopping work that is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Event(Protocol):
    """What tells to stop: `threading.Event`, or one of multiprocessing."""

    def is_set(self) -> bool:
        """Return whether to stop."""
        ...


class FillCancelledError(RuntimeError):
    """The fill was stopped by its ``cancel`` event; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("the fill was cancelled; nothing was changed")


def check_callbacks(on_progress: Callable[[int, int], object] | None, cancel: Event | None) -> None:
    """Refuse what cannot be called, or cannot tell to stop, before any work is done.

    Raises
    ------
    ValueError
        Names the value.
    """
    if cancel is not None and not hasattr(cancel, "is_set"):
        raise ValueError(f"cancel must be an event, such as threading.Event(), not {cancel!r}")
    if on_progress is not None and not callable(on_progress):
        raise ValueError(f"on_progress must be a function of two numbers, not {on_progress!r}")


def stop_if(cancel: Event | None) -> None:
    """Raise `FillCancelledError` when the event is set."""
    if cancel is not None and cancel.is_set():
        raise FillCancelledError
