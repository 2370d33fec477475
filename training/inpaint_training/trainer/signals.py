"""SIGTERM and Ctrl-C as a wish that a loop can ask for."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from napari_inpaint.inference.cancelling import Event


class Interruption:
    """Within it, the first SIGTERM or Ctrl-C is a wish to stop, and does not end the process; the second one does.

    Only in the main thread: others cannot change what signals do. An event that is set is such a wish anywhere.

    Attributes
    ----------
    signalled : bool
        Whether a signal came, here or in another process that trains along.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, cancel: Event | None = None) -> None:
        self.signalled, self._cancel = False, cancel
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # others cannot change what signals do
            self._handlers = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    @property
    def wished(self) -> bool:
        """Whether to stop."""
        return self.signalled or (self._cancel is not None and self._cancel.is_set())

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.signalled = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
