"""Fills that can be compared with what was there; and taken back, as can strokes, the newest first."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from psygnal import Signal

from napari_inpaint.plugin.layers.changes import Added, Replaced, replace_data, shines_through
from napari_inpaint.plugin.layers.job import LATER_ATTRIBUTES, to_attributes
from napari_inpaint.plugin.layers.results import Filled, add_record, each_record, fill_in_place, to_synthetic
from napari_inpaint.plugin.widget.origins import FillLabels, OriginLayers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import napari
    from napari.layers import Image

    from napari_inpaint.plugin.layers.changes import Change
    from napari_inpaint.plugin.layers.drawing import DrawnShape
    from napari_inpaint.plugin.widget.request import Request
    from napari_inpaint.plugin.widget.worker import Outcome, Result


@dataclass(frozen=True, slots=True, eq=False)
class Fill:
    """What one fill did to the layers of the viewer."""

    changes: tuple[Change, ...]
    drawn: DrawnShape | None
    """The shape that was filled as it was drawn: taking the fill back takes it away too."""


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """A stroke in a layer of labels, which has a history of its own."""

    layer: Labels


class History:
    """What was filled, and drawn, in a viewer.

    Parameters
    ----------
    viewer
        Whose layers are filled.
    with_origins
        Whether every fill shows where its pixels came from.

    Attributes
    ----------
    steps
        Fills, shapes and strokes, the last one last.
    is_adding
        Whether layers are being added; what is selected meanwhile is not the user's choice.
    """

    changed = Signal()
    """What can be taken back or compared may be another."""

    def __init__(self, viewer: napari.viewer.Viewer, with_origins: bool = False) -> None:
        self.viewer = viewer
        self.origins = OriginLayers(viewer, with_origins)
        self.marks = FillLabels(viewer, to_synthetic)
        self.steps: list[Fill | Painted | DrawnShape] = []
        self.is_adding = False
        self._undone: list[Painted] = []
        self._before: dict[Image, Image] = {}  # by what is compared, the layers that show what was there before
        self._hidden: list[Added] = []

    # What is done

    def take(self, request: Request, outcome: Outcome) -> dict[Image, Image]:
        """Show a fill; return the layers that were filled, by those that they were made of."""
        changes: list[Change] = []
        made: dict[Image, Image] = {}
        with self._keeping_selection(made):
            try:
                for source, target, result in zip(request.sources, request.targets, outcome.results, strict=True):
                    if result is None:
                        continue
                    if target is None:
                        changes.append(self._add_result(source, result))
                        made[source] = changes[-1].layer
                    elif result.data is None:
                        changes.append(fill_in_place(target, result.job.view, result.patches, result.record))
                    else:
                        changes.append(replace_data(target, result.data, result.record))
                    self._update_labels(changes[-1].layer)
            except BaseException:  # all layers, or none
                made.clear()
                self._undo_fill(Fill(tuple(changes), None))
                raise
        self.steps.append(Fill(tuple(changes), request.drawn))
        self.changed.emit()
        return made

    @contextlib.contextmanager
    def _keeping_selection(self, instead: Mapping[Image, Image] | None = None) -> Iterator[None]:
        """Let the user go on with what was selected, or with what takes its place."""
        layers = self.viewer.layers
        selection, active = set(layers.selection), layers.selection.active
        mode = getattr(active, "mode", None)
        self.is_adding = True
        try:
            yield
        finally:
            kept = {(instead or {}).get(each, each) for each in selection}
            layers.selection = {each for each in kept if each in layers}
            if active in layers and mode is not None:
                active.mode = mode
            self.is_adding = False

    def _add_result(self, source: Image, result: Result) -> Added:
        """Add a layer right above the one that it was made of, so that it covers no other."""
        attributes, layers = result.job.attributes, self.viewer.layers
        metadata = dict(attributes["metadata"])
        add_record(metadata, result.record)
        layer = self._add(source, result.data, attributes | {"metadata": metadata})
        hides = source in layers and source.visible and shines_through(source)
        if source in layers:
            layers.move(len(layers) - 1, layers.index(source) + 1)
        if hides:
            source.visible = False
        return Added(layer, source, result.job.given, layer.data, hides)

    def _add(self, source: Image | Labels, data: Any, attributes: dict[str, Any]) -> Any:
        """Add a layer of the same kind as its source."""
        add = self.viewer.add_labels if isinstance(source, Labels) else self.viewer.add_image
        layer = add(data, **attributes)
        for name in LATER_ATTRIBUTES:
            if hasattr(source, name):
                setattr(layer, name, getattr(source, name))
        return layer

    def mark(self, image: Image) -> None:
        """Add a layer that marks what was made up in an image; fills and undo change it from then on.

        Raises
        ------
        ValueError
            When nothing was.
        """
        with self._keeping_selection():
            self.marks.show(image)

    def _update_labels(self, layer: Image) -> None:
        """Let the layers about a layer's fills follow them."""
        for each in (self.origins, self.marks):
            each.update(layer)

    def add_stroke(self, stroke: Painted | DrawnShape) -> None:
        """Count what the user drew."""
        self.steps.append(stroke)
        if isinstance(stroke, Painted):
            self._undone = [each for each in self._undone if each.layer is not stroke.layer]
        self.changed.emit()

    # What is taken back

    @property
    def last_fill(self) -> Fill | None:
        """Return the last fill that is still there."""
        return next((step for step in reversed(self.steps) if isinstance(step, Fill)), None)

    def undo(self) -> str:
        """Take the last fill, shape or stroke back; return a sentence about it."""
        try:
            return self._undo()
        finally:
            self.changed.emit()

    def _undo(self) -> str:
        self.compare(before=False)
        self.forget()
        if not self.steps:
            active = self.viewer.layers.selection.active
            if not isinstance(active, Labels):
                return "nothing to undo"
            active.undo()  # what was painted before the widget was opened
            return f"nothing to undo here; {active.name!r} was asked to take its own last stroke back"
        step = self.steps[-1]
        if isinstance(step, Fill):
            with self._keeping_selection({each.layer: each.source for each in step.changes if isinstance(each, Added)}):
                rest, sentence = self._undo_fill(step)
            self.steps[-1:] = [Fill(rest, None)] if rest else []
            return sentence
        self.steps.pop()
        if isinstance(step, Painted):
            step.layer.undo()
            self._undone.append(step)
        else:
            step.remove()
            if step.index is not None:
                self.steps.append(step)
                return f"a shape of {step.layer.name!r} may be half drawn: choose another tool there, then undo"
        return f"the last stroke in {step.layer.name!r} was taken back"

    def redo(self, layer: Labels) -> None:
        """Let a layer of labels show again the last stroke of it that was taken back."""
        layer.redo()
        undone = next((each for each in reversed(self._undone) if each.layer is layer), None)
        if undone is not None:
            self._undone.remove(undone)
            self.steps.append(undone)
            self.changed.emit()

    def _undo_fill(self, fill: Fill) -> tuple[tuple[Change, ...], str]:
        """Take a fill back; return what could not be, and a sentence."""
        rest: list[Change] = []
        names = ", ".join(repr(change.layer.name) for change in fill.changes)
        for change in fill.changes:
            if isinstance(change, Filled):
                left = change.undo()
                rest += [left] if left is not None and left.size < change.size else []  # another may give them back
                names += f", but for {left.size:,} values that are no longer those of the fill" if left else ""
            elif isinstance(change, Replaced):
                change.undo()
            else:
                self.origins.remove(change.layer)
                self.marks.remove(change.layer)
                self.viewer.layers.remove(change.layer)
                self._show_source(change)
                continue
            self._update_labels(change.layer)
        if fill.drawn is not None and fill.drawn.layer in self.viewer.layers:
            fill.drawn.remove()
        return tuple(rest), f"the last fill was taken back in {names}"

    def compare(self, before: bool) -> bool:
        """Show what was there before the last fill, or the fill again; return whether that is shown."""
        self.forget()
        layers = self.viewer.layers
        if not before:
            for layer in self._before.values():
                layers.remove(layer)
            for added in self._hidden:
                added.layer.visible = True
                if added.hides and added.source in layers:
                    added.source.visible = False
            self._before, self._hidden = {}, []
        elif not self.is_comparing:
            last = self.last_fill
            with self._keeping_selection():
                for change in last.changes if last is not None else ():
                    self._show_before(change)
        self.changed.emit()
        return self.is_comparing

    def _show_before(self, change: Change) -> None:
        layers = self.viewer.layers
        if isinstance(change, Added):
            change.layer.visible = False
            self._show_source(change)
            self._hidden.append(change)
            return
        attributes = to_attributes(change.layer) | {"name": f"{change.layer.name} before", "metadata": {}}
        layer = self._add(change.layer, change.before(), attributes)
        self._before[change.layer] = layer
        layers.move(len(layers) - 1, layers.index(change.layer) + 1)

    def _show_source(self, added: Added) -> None:
        if added.hides and added.source in self.viewer.layers:
            added.source.visible = True

    @property
    def is_comparing(self) -> bool:
        """Return whether what was there before is shown."""
        return bool(self._before or self._hidden)

    # What is known of layers

    def each_added(self) -> list[Added]:
        """Return the layers that fills made, the newest first."""
        fills = [step for step in reversed(self.steps) if isinstance(step, Fill)]
        return [each for fill in fills for each in fill.changes if isinstance(each, Added)]

    def is_before(self, layer: Any) -> bool:
        """Return whether a layer is only there to be compared: nobody fills it."""
        return layer in self._before.values()

    def is_made(self, layer: Image) -> bool:
        """Return whether a layer was made by a fill: the next ones go on in it."""
        return any(added.layer is layer for added in self.each_added())

    def result_of(self, image: Image) -> Image | None:
        """Return the newest layer that was made of an image, if both are there and the image has the same data."""
        layers = self.viewer.layers
        made = (each.layer for each in self.each_added() if each.source is image and each.is_current)
        return next((layer for layer in made if layer in layers), None)

    def source_of(self, layer: Image) -> Image | None:
        """Return what a layer was made of."""
        return next((added.source for added in self.each_added() if added.layer is layer), None)

    def find_filled(self, image: Image | None) -> Image:
        """Return an image that was filled, or the newest layer that was made of it.

        Raises
        ------
        ValueError
            When there is no image.
        """
        if image is None:
            raise ValueError("open an image first")
        return image if each_record(image.metadata) else self.result_of(image) or image

    def show_origins(self, image: Image | None, shown: bool) -> None:
        """Show where the pixels of an image's fill, and of those that follow, came from; or no longer."""
        self.origins.is_shown = shown
        if not shown:
            self.origins.remove_all()
        elif image is not None:
            with self._keeping_selection():
                self.origins.update(self.find_filled(image))

    def forget(self) -> None:
        """Forget what was done to layers that were removed, or have other data now; sources that were hidden return."""
        layers = self.viewer.layers
        if self.is_adding:
            return
        for added in self.each_added():
            if added.layer not in layers:
                self._show_source(added)
        newest: dict[Image, Change] = {}
        for step in reversed(self.steps):
            for change in step.changes if isinstance(step, Fill) else ():
                newest.setdefault(change.layer, change)
        here = {layer for layer, change in newest.items() if layer in layers and change.is_there}
        self.steps = [kept for kept in (self._keep(step, here) for step in self.steps) if kept is not None]
        self.origins.forget()
        self.marks.forget()
        before = self._before
        self._before = {layer: each for layer, each in before.items() if layer in layers and each in layers}
        for layer, each in before.items():
            if layer not in layers and each in layers:
                if each in layers.selection:  # napari deletes all that is selected, one by one
                    self._before[layer] = each
                else:
                    layers.remove(each)
        self._hidden = [added for added in self._hidden if added.layer in layers]

    def _keep(self, step: Fill | Painted | DrawnShape, here: set[Image]) -> Fill | Painted | DrawnShape | None:
        """Return what is left of a step, given the layers that still show their fills."""
        if isinstance(step, Fill):
            changes = tuple(change for change in step.changes if change.layer in here)
            return Fill(changes, step.drawn) if changes else None
        is_there = step.layer in self.viewer.layers and (isinstance(step, Painted) or step.index is not None)
        return step if is_there else None

    def rest(self) -> None:
        """Show the fills, and forget strokes: while no widget is open, layers of labels take them back themselves."""
        with contextlib.suppress(RuntimeError):  # the canvas may be gone
            self.compare(before=False)
        self.steps = [step for step in self.steps if isinstance(step, Fill)]
        self._undone.clear()
