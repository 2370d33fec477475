"""The widget's buttons, its progress and its status line."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, Container, Label, ProgressBar, PushButton

from napari_inpaint.plugin.widget.inputs import in_row


class Controls(Container[Any]):
    """Everything below the inputs; what the buttons do is the widget's."""

    def __init__(self) -> None:
        self.draw_button = PushButton(text="Draw rectangles")
        self.as_you_draw = CheckBox(
            value=False, text="fill as you draw", tooltip="each rectangle at once; Ctrl-Z takes it back"
        )
        self.fill_button, self.cancel_button = PushButton(text="Fill"), PushButton(text="Cancel", enabled=False)
        self.progress = ProgressBar(value=0, visible=False)
        self.status = Label(value="Draw rectangles around what should go, then press Fill.")
        self.compare_button = PushButton(text="Compare", tooltip="show what was there before the last fill")
        self.undo_button = PushButton(text="Undo", tooltip="take the last fill, shape or stroke back (Ctrl-Z)")
        self.synthetic_button = PushButton(text="Synthetic pixels", tooltip="add a layer that marks what was made up")
        self.check_button = PushButton(text="Check", tooltip="hide, fill and compare known pixels beside the holes")
        self.python_button = PushButton(text="Copy as Python", tooltip="copy the call that does what Fill does")
        self.command_button = PushButton(text="Copy as command")
        rows = (
            (self.draw_button, self.as_you_draw), (self.fill_button, self.cancel_button), (self.progress,),
            (self.status,), (self.compare_button, self.undo_button), (self.synthetic_button, self.check_button),
            (self.python_button, self.command_button),
        )  # fmt: skip
        super().__init__(widgets=[in_row(*row) if len(row) > 1 else row[0] for row in rows], labels=False)
        self.margins = (0, 0, 0, 0)
        self.status.native.setWordWrap(True)
        self.compare_button.native.setCheckable(True)

    def show_work(self, runs: bool) -> None:
        """Offer what can be pressed while work is under way, or while none is."""
        self.fill_button.enabled = self.check_button.enabled = not runs
        self.cancel_button.enabled = self.progress.visible = runs
        if runs:
            self.progress.range = (0, 0)

    def show_progress(self, done: int, windows: int) -> None:
        """Show how many windows are done, and of how many."""
        self.progress.range = (0, windows)
        self.progress.value = done
