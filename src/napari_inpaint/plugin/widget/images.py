"""Which layers are filled: those that are selected in the viewer, or one that is pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, Label
from napari.layers import Image, Labels

from napari_inpaint.plugin.widget.looks import let_wrap, to_choices

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari

    from napari_inpaint.plugin.widget.history import History


class Images(Container[Any]):
    """The layers that are filled.

    Parameters
    ----------
    viewer
        Whose layers are offered.
    history
        Of the viewer; what it selects for a moment is not followed.

    Attributes
    ----------
    combo
        The layer, or one of several that are filled together.
    others
        Names these.
    """

    def __init__(self, viewer: napari.viewer.Viewer, history: History) -> None:
        self.viewer, self._history = viewer, history
        self.combo: Any = ComboBox(choices=self._offer)
        self.pin = CheckBox(value=False, text="pin this image", tooltip="hold it, whatever is selected; every fill of "
                            "it makes a layer of its own")  # fmt: skip
        self.others = Label(value="", label="with it", visible=False)
        self._together: tuple[Any, ...] = ()
        self._followed: list[Image] = []
        super().__init__(widgets=[self.combo], layout="horizontal", labels=False, label="image")
        self.margins = (0, 0, 0, 0)
        let_wrap(self.others)
        self.combo.changed.connect(self._choose)
        self.pin.changed.connect(self.follow)
        viewer.layers.selection.events.changed.connect(self.follow)
        history.changed.connect(self.combo.reset_choices)

    @property
    def layers(self) -> tuple[Any, ...]:
        """All layers that are filled together, the chosen one first."""
        value = self.combo.value
        others = [each for each in self._together if each is not value and each in self.viewer.layers]
        return () if value is None else (value, *others) if value in self._together else (value,)

    def follow(self, _: object = None) -> None:
        """Choose the images that are selected, if there are any: labels and shapes may be holes."""
        if self.pin.value or self._history.is_adding:
            return
        layers, is_before = self.viewer.layers, self._history.is_before
        images = [layer for layer in layers if isinstance(layer, Image) and not is_before(layer)]
        selected = [layer for layer in images if layer in layers.selection]
        if selected == self._followed:  # what the user has chosen since counts
            return
        self._followed = selected
        if selected:
            current = self.combo.value
            active = layers.selection.active
            chosen = next((each for each in (active, current) if each in selected), selected[-1])
            self._set(chosen, tuple(selected))

    def go_on(self, made: Mapping[Any, Any]) -> None:
        """Choose, in place of layers, those that were made of them."""
        if not self.pin.value and self.combo.value is not None:
            value = self.combo.value
            self._set(made.get(value, value), tuple(made.get(each, each) for each in self.layers))

    def reset_choices(self, *arguments: Any) -> None:
        """Offer the layers that there are; the first image that is opened is what is filled, also after labels."""
        had_image = any(isinstance(layer, Image) for layer in self.combo.choices)
        before = self.combo.value
        with self.combo.changed.blocked():  # it goes through other values
            super().reset_choices(*arguments)
        images = [layer for layer in self.combo.choices if isinstance(layer, Image)]
        if images and not had_image and not self.pin.value:
            self._set(images[0], (images[0],))
        if self.combo.value is not before:
            self.combo.changed.emit(self.combo.value)
        self._show_others()

    def close_down(self) -> None:
        """Listen to the viewer no longer."""
        self.viewer.layers.selection.events.changed.disconnect(self.follow)
        self._history.changed.disconnect(self.combo.reset_choices)

    def _set(self, chosen: Any, together: tuple[Any, ...]) -> None:
        self._together = together
        if chosen not in self.combo.choices:
            self.combo.reset_choices()
        self.combo.value = chosen
        self._show_others()

    def _choose(self, chosen: Any) -> None:
        if chosen not in self._together:
            self._together = (chosen,)
        self._show_others()

    def _show_others(self) -> None:
        names = [layer.name for layer in self.layers[1:]]
        self.others.value = ", ".join(names)
        self.others.visible = bool(names)

    def _offer(self, _: object) -> list[tuple[str, Any]]:
        layers = [layer for layer in reversed(self.viewer.layers) if not self._history.is_before(layer)]
        return to_choices(layer for kind in (Image, Labels) for layer in layers if isinstance(layer, kind))
