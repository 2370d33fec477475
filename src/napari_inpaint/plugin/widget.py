"""The widget: choose an image and holes, press Fill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, Label, PushButton, create_widget
from napari.utils.notifications import show_warning

from napari_inpaint.inference.inpainter import Inpainter
from napari_inpaint.models import DEFAULT, bundled_models
from napari_inpaint.plugin.layers import read_job
from napari_inpaint.plugin.worker import Result, make_worker

if TYPE_CHECKING:
    import napari


class InpaintWidget(Container):
    """Fills the shapes of a Shapes layer in an image and adds the result as a new layer.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.viewer = napari_viewer
        self.image: Any = create_widget(annotation="napari.layers.Image", label="image")
        self.holes: Any = create_widget(annotation="napari.layers.Shapes", label="holes")
        self.model = ComboBox(choices=list(bundled_models()), value=DEFAULT, label="model")
        self.device = ComboBox(choices=["auto", "cpu", "cuda"], value="auto", label="device")
        self.fill_button = PushButton(text="Fill")
        self.status = Label(value="Draw rectangles in a Shapes layer, then press Fill.")
        super().__init__(widgets=[self.image, self.holes, self.model, self.device, self.fill_button, self.status])
        self.status.native.setWordWrap(True)
        self.fill_button.changed.connect(self.fill)
        self.model.changed.connect(self._prepare)
        self.device.changed.connect(self._prepare)
        self._prepare()

    def _prepare(self) -> None:
        """Open the model in the background, so that the first fill does not wait for it."""
        self._inpainter = Inpainter(self.model.value, self.device.value)
        self._inpainter.warm_up()

    def fill(self) -> None:
        """Start to fill; the result arrives as a new layer."""
        if self.image.value is None or self.holes.value is None:
            missing = "an image" if self.image.value is None else "a Shapes layer with rectangles"
            self._say(f"Add {missing} first.", warn=True)
            return
        dims = self.viewer.dims
        try:
            job = read_job(self.image.value, self.holes.value, dims.point, dims.displayed)
        except ValueError as error:
            self._say(f"{error}.", warn=True)
            return
        worker = make_worker(job, self._inpainter)
        worker.returned.connect(self._take_result)
        worker.errored.connect(lambda error: self._say(f"{error}."))
        worker.finished.connect(lambda: setattr(self.fill_button, "enabled", True))
        self.fill_button.enabled = False
        self._say("Filling ...")
        worker.start()

    def _take_result(self, result: Result | str) -> None:
        if isinstance(result, str):
            self._say(result, warn=True)
            return
        self.viewer.add_image(result.data, **result.attributes)
        self._say(" ".join(result.sentences), warn=len(result.sentences) > 1)

    def _say(self, sentence: str, warn: bool = False) -> None:
        self.status.value = sentence[:1].upper() + sentence[1:]
        if warn:
            show_warning(self.status.value)
