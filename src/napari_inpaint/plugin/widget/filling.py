"""Fills and checks, from the start to the end: one runs, others wait."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from napari.utils.notifications import ErrorNotification, notification_manager, show_warning

from napari_inpaint.plugin.layers.drawing import raise_holes
from napari_inpaint.plugin.widget.worker import CANCELLED, Outcome, Running, make_room, run_check, run_fill, to_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.plugin.widget.controls import Controls
    from napari_inpaint.plugin.widget.history import History
    from napari_inpaint.plugin.widget.images import Images
    from napari_inpaint.plugin.widget.request import Request

BUSY = "a fill or a check is running: wait, or cancel it"


class Filling:
    """The work of a widget, and what it says about it.

    Parameters
    ----------
    history
        Where fills go.
    controls
        Show the work.
    images
        Go on to what is made.
    show_check
        Is called with the report of a check.
    show_compare
        Is called when it may have changed what is compared.
    """

    def __init__(
        self, history: History, controls: Controls, images: Images, show_check: Callable[[SelfCheck], object],
        show_compare: Callable[[], object],
    ) -> None:  # fmt: skip
        self.history, self.controls, self.images = history, controls, images
        self._show_report, self._show_compare = show_check, show_compare
        self.running: Running | None = None
        self._request: Request | None = None  # the fill that runs
        self._waiting: list[Request] = []
        self._closed = False

    # What is said

    def say(self, sentence: object, warn: bool = False) -> None:
        """Show a sentence in the status line, and as a warning."""
        self.controls.status.say(to_sentence(sentence))
        if warn:
            show_warning(self.controls.status.value)

    @contextlib.contextmanager
    def saying_why_not(self) -> Iterator[None]:
        """When what is asked for cannot be done, say what the user can do about it; of what is no fault, details."""
        try:
            yield
        except (ValueError, OSError) as error:
            self.say(error, warn=True)
        except Exception as error:
            self._show_error(error)

    def _show_error(self, error: Exception) -> None:
        """Show what failed, with its details."""
        if not self._closed:
            self.say(error)
        notification_manager.dispatch(ErrorNotification(error))

    # What is done

    def fill(self, request: Request) -> None:
        """Fill what was asked for, when nothing else runs."""
        self._waiting.append(request)
        self._start_waiting()

    def check(self, request: Request) -> None:
        """Say what the fill is worth."""
        running = Running(run_check, request.jobs, request.settings)
        running.worker.returned.connect(self._show_check)
        self._run(running, "checking: hiding, filling and comparing known pixels")

    def cancel(self) -> None:
        """Stop what runs; nothing is changed."""
        self._waiting.clear()
        if self.running is not None:
            self.running.stop()
            self.say("cancelling")

    def take_back(self) -> None:
        """Stop the fill that waits or runs, the newest first."""
        request = self._waiting.pop() if self._waiting else self._request
        if request is self._request and self.running is not None:
            self.running.stop()
        if request is not None and request.drawn is not None and request.drawn.layer in self.history.viewer.layers:
            request.drawn.remove()
        self.say("the fill that was under way is taken back")

    def close_down(self) -> None:
        """Stop what runs, and say nothing any more."""
        self._closed = True
        self._waiting.clear()
        if self.running is not None:
            self.running.stop()

    # From the start to the end

    def _start_waiting(self) -> None:
        """Start the fill that waits longest, when nothing else runs."""
        while self._waiting and self.running is None:
            with self.saying_why_not():
                self._start(self._waiting.pop(0))

    def _start(self, request: Request) -> None:
        self.history.compare(before=False)
        self._show_compare()
        self.history.forget()
        request = request.go_on(self.history)
        self._refuse_changed(request)
        self._request = request
        running = Running(run_fill, request.jobs, request.settings, request.in_place, counts=True)
        running.progressed.connect(self._show_progress)
        running.worker.returned.connect(self._take)
        self._run(running, "filling")

    def _refuse_changed(self, request: Request, also_sources: bool = True) -> None:
        """Refuse to fill layers that were removed, or have other data now."""
        changed = request.find_changed(self.history.viewer.layers, also_sources)
        if changed is not None:
            raise ValueError(f"layer {changed.name!r} was removed or has other data now: nothing was filled")

    def _run(self, running: Running, sentence: str) -> None:
        self.running = running
        running.worker.errored.connect(self._show_error)
        running.worker.finished.connect(self._finish)
        self.controls.show_work(True)
        self.say(sentence)
        running.worker.start()

    def _show_progress(self, done: int, steps: int) -> None:
        if self._closed or self.running is None or self.running.is_set():
            return
        self.controls.show_progress(done, steps)
        left = (time.monotonic() - self.running.started) / done * (steps - done)
        self.say(f"{done} of {steps} steps done, about {left:.0f} s left")

    def _take(self, outcome: Outcome | str) -> None:
        request, running = self._request, self.running
        if self._closed or request is None or running is None:
            return
        if running.is_set() or isinstance(outcome, str):
            is_refusal = isinstance(outcome, str) and not running.is_set()
            self.say(outcome if isinstance(outcome, str) else CANCELLED, warn=is_refusal)
            return
        with self.saying_why_not():
            self._refuse_changed(request, also_sources=False)
            self.images.go_on(self.history.take(request, outcome))
            sentences = [*outcome.sentences]
            holes = request.holes
            if holes is not None and holes in self.history.viewer.layers and raise_holes(self.history.viewer, holes):
                sentences.append(f"{holes.name!r} shows outlines now, so that the fill is seen.")
            self.say(" ".join(sentences), warn=len(outcome.sentences) > 1)

    def _show_check(self, report: SelfCheck | str) -> None:
        if self._closed:
            return
        if isinstance(report, str):
            self.say(report, warn=True)
            return
        self.say("the check is done")
        with self.saying_why_not():
            self._show_report(report)

    def _finish(self, _: object = None) -> None:
        self.running = self._request = None
        if self._closed:
            make_room()
            return
        self.controls.show_work(False)
        self._start_waiting()
