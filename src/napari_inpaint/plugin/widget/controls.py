"""The widget's buttons, its progress and its status line."""

from __future__ import annotations

from typing import Any, NamedTuple

from magicgui.widgets import CheckBox, Container, Label, ProgressBar, PushButton

from napari_inpaint.plugin.widget.looks import StatusLine, in_row, keep_room
from napari_inpaint.plugin.widget.worker import to_sentence


class Possible(NamedTuple):
    """What can be done."""

    reason: str = ""
    """Why nothing can be filled; empty when something can."""
    comparison: bool = False
    """Whether there is a fill to compare with what was there."""
    undo: bool = False
    """Whether there is a fill or a stroke to take back."""
    synthetic: bool = False
    """Whether the chosen image has made-up pixels."""


class Controls(Container[Any]):
    """Everything below the inputs; what the buttons do is the widget's."""

    def __init__(self) -> None:
        self.draw_button = PushButton(text="Draw rectangles")
        self.as_you_draw = CheckBox(
            value=False, text="fill as you draw", tooltip="each rectangle at once; Ctrl-Z takes it back"
        )
        self.fill_button, self.cancel_button = PushButton(text="Fill"), PushButton(text="Cancel", visible=False)
        self.reason = Label(value="")
        self.progress = ProgressBar(value=0, visible=False)
        self.status = StatusLine("Draw rectangles around what should go, then press Fill.")
        self.compare_button = PushButton(text="Compare", tooltip="show what was there before the last fill")
        self.undo_button = PushButton(text="Undo", tooltip="take the last fill, shape or stroke back (Ctrl-Z)")
        self.synthetic_button = PushButton(text="Synthetic pixels", tooltip="add a layer that marks what was made up")
        self.check_button = PushButton(text="Check", tooltip="hide, fill and compare known pixels beside the holes")
        self.save_button = PushButton(text="Save", tooltip="the result, its record, or a mask of what was made up")
        self.python_button = PushButton(text="Copy as Python", tooltip="copy the call that does what Fill does")
        self.command_button = PushButton(text="Copy as command", tooltip="copy the command that does what Fill does")
        rows = (
            (self.draw_button, self.as_you_draw), (self.fill_button, self.cancel_button, self.reason),
            (self.progress,), (self.status,), (self.compare_button, self.undo_button, self.check_button),
            (self.synthetic_button, self.save_button),
        )  # fmt: skip
        super().__init__(widgets=[in_row(*row) if len(row) > 1 else row[0] for row in rows], labels=False)
        self.copies = in_row(self.python_button, self.command_button)
        self.margins = (0, 0, 0, 0)
        keep_room(self.progress)
        self.compare_button.native.setCheckable(True)
        self._runs, self._possible = False, Possible("open an image first")
        self._show()

    def show_work(self, runs: bool) -> None:
        """Offer what can be pressed while work is under way, or while none is."""
        self._runs = runs
        self._show()
        if runs:
            self.progress.range = (0, 0)

    def offer(self, possible: Possible) -> None:
        """Offer what can do something, and nothing else."""
        self._possible = possible
        self._show()

    def _show(self) -> None:
        runs, possible = self._runs, self._possible
        self.fill_button.enabled = self.check_button.enabled = not runs and not possible.reason
        self.fill_button.tooltip = possible.reason
        self.reason.value = to_sentence(possible.reason) if possible.reason else ""
        self.reason.visible = bool(possible.reason) and not runs
        self.cancel_button.visible = self.progress.visible = runs
        self.compare_button.enabled = possible.comparison and not runs
        self.undo_button.enabled = possible.undo or runs
        self.synthetic_button.enabled = self.save_button.enabled = possible.synthetic

    def show_progress(self, done: int, windows: int) -> None:
        """Show how many windows are done, and of how many."""
        self.progress.range = (0, windows)
        self.progress.value = done
