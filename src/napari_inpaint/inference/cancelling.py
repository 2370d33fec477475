"""Stopping work that is under way."""

from __future__ import annotations

from typing import Protocol


class Event(Protocol):
    """What tells to stop: `threading.Event`, or one of multiprocessing."""

    def is_set(self) -> bool:
        """Return whether to stop."""
        ...


class FillCancelledError(RuntimeError):
    """The fill was stopped by its ``cancel`` event; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("the fill was cancelled; nothing was changed")


def stop_if(cancel: Event | None) -> None:
    """Raise `FillCancelledError` when the event is set."""
    if cancel is not None and cancel.is_set():
        raise FillCancelledError
