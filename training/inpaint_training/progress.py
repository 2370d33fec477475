"""What long work tells while it goes on, and how it is stopped: of `pack`, `fit` and `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_inpaint.inference.cancelling import check_callbacks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_inpaint.inference.cancelling import Event


class CancelledError(RuntimeError):
    """The work was stopped by its ``cancel`` event; nothing was written."""

    def __init__(self) -> None:
        super().__init__("cancelled; nothing was written")


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """How far it is."""

    step: int
    """Steps that are done: of training, images that are packed, crops that are filled."""
    steps: int | None = None
    """Of all; None when that is not known."""
    minutes_left: float | None = None
    """By the speed so far; None when that is not known."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """What was measured last, by the names of the log."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who watches the work."""

    on_progress: Callable[[ProgressReport], object] | None = None
    """Called in the thread that works."""
    cancel: Event | None = None
    """Stops the work when it is set."""
    bar: bool = True
    """Whether a progress bar is shown on stderr."""

    def check(self) -> None:
        """Raise `ValueError` for what cannot be called, or cannot tell to stop."""
        check_callbacks(None, self.cancel)
        if self.on_progress is not None and not callable(self.on_progress):
            raise ValueError(f"on_progress must be a function of one ProgressReport, not {self.on_progress!r}")

    @property
    def cancelled(self) -> bool:
        """Whether to stop."""
        return self.cancel is not None and self.cancel.is_set()

    def stop_if_cancelled(self) -> None:
        """Raise `CancelledError` when the event is set."""
        if self.cancelled:
            raise CancelledError

    def tell(self, report: ProgressReport) -> None:
        """Pass a report on."""
        if self.on_progress is not None:
            self.on_progress(report)


UNWATCHED = Watch()
