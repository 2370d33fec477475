"""With what holes are filled: a model, and where it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, Label
from qtpy.QtWidgets import QFileDialog
from superqt.utils import create_worker

from napari_inpaint.inference.runtime.loading import find_model
from napari_inpaint.models import DEFAULT, bundled_models
from napari_inpaint.plugin.widget.looks import let_wrap
from napari_inpaint.plugin.widget.worker import Settings, make_room, warm_up

if TYPE_CHECKING:
    from napari_inpaint.plugin.widget.preferences import Preferences

OTHER_MODEL = "(a file ...)"
DEVICES = ["auto", "cpu", "cuda"]


def is_model(name: str) -> bool:
    """Return whether a name is that of a bundled model, with or without its precision, or of an ONNX file."""
    try:
        return all(path.suffix == ".onnx" for path in find_model(name).values())
    except ValueError:
        return False


class EngineChoice:
    """The rows that choose the model and the device.

    Parameters
    ----------
    preferred
        What the user prefers.

    Attributes
    ----------
    problem
        What the user should know about the preferences.
    """

    def __init__(self, preferred: Preferences) -> None:
        name = preferred.file or preferred.model
        self._files = [name] if name not in bundled_models() and is_model(name) else []
        self.model = ComboBox(choices=self._offer_models, label="model")
        self.problem = "" if is_model(name) else f"the preferred model {name!r} is gone: {DEFAULT} is used"
        self.model.value = DEFAULT if self.problem else name
        self.chosen = self.model.value
        device = preferred.device if preferred.device in DEVICES else DEVICES[0]
        self.device = ComboBox(choices=DEVICES, value=device, label="device")
        self.runs_on = Label(value="", label="runs on")
        let_wrap(self.runs_on)
        self.rows = [self.model, self.device, self.runs_on]
        self.is_closed = False
        self.model.changed.connect(self._choose)
        self.model.changed.connect(self.prepare)
        self.device.changed.connect(self.prepare)

    def prepare(self, _: object = None) -> None:
        """Open the model in the background, so that the first fill does not wait for it, and say what it runs on."""
        if self.model.value == OTHER_MODEL:
            return
        self.runs_on.value = "opening the model"
        worker = create_worker(warm_up, Settings(self.chosen, self.device.value), _ignore_errors=True)
        worker.returned.connect(self._show_what_runs)  # no lambda: Qt would keep it, and the widget, alive
        worker.start()

    def _show_what_runs(self, opened: tuple[Settings, str]) -> None:
        settings, sentence = opened
        if self.is_closed:
            make_room()
        elif (settings.model, settings.device) == (self.model.value, self.device.value):
            self.runs_on.value = sentence

    def _offer_models(self, _: object) -> list[tuple[str, str]]:
        files = [(Path(file).name, file) for file in self._files]
        return [*((name, name) for name in bundled_models()), *files, (OTHER_MODEL, OTHER_MODEL)]

    def _choose(self, value: str | None) -> None:
        """Ask for a file when that was chosen."""
        if value != OTHER_MODEL:
            self.chosen = value or self.chosen
            return
        path, _ = QFileDialog.getOpenFileName(self.model.native, "A model from inpaint-export", "", "ONNX (*.onnx)")
        if path and path not in self._files:
            self._files.append(path)
            self.model.reset_choices()
        self.model.value = path or self.chosen
