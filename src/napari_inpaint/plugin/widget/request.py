"""A fill that is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_inpaint.plugin.layers.frame import full_resolution
from napari_inpaint.plugin.layers.job import is_same, why_not_in_place

if TYPE_CHECKING:
    from collections.abc import Container

    from napari.layers import Image, Layer

    from napari_inpaint.plugin.layers.drawing import DrawnShape
    from napari_inpaint.plugin.layers.job import Job
    from napari_inpaint.plugin.widget.history import History
    from napari_inpaint.plugin.widget.worker import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A fill that was asked for, with what was chosen then."""

    jobs: tuple[Job, ...]
    """One for every layer."""
    sources: tuple[Image, ...]
    """The layers."""
    targets: tuple[Image | None, ...]
    """The layers that are changed; None: a new one is made."""
    settings: Settings
    holes: Layer | None
    """What holes are drawn in."""
    drawn: DrawnShape | None = None
    """The shape that is filled as it was drawn."""

    @property
    def in_place(self) -> tuple[bool, ...]:
        """Return which layers' arrays are written into; others show other data, or are new."""
        return tuple(target is not None and not why_not_in_place(target) for target in self.targets)

    def find_changed(self, layers: Container[object], also_sources: bool) -> Image | None:
        """Return a layer that was removed, or has other data now; None when all are as they were.

        Parameters
        ----------
        layers
            Of the viewer.
        also_sources
            Whether layers count that new ones are made of.
        """
        for job, source, target in zip(self.jobs, self.sources, self.targets, strict=True):
            layer = source if target is None and also_sources else target
            if layer is not None and (layer not in layers or not is_same(full_resolution(layer), job.given)):
                return layer
        return None

    def go_on(self, history: History) -> Request:
        """Return the request for what its layers show now, when that comes of fills of ours: these are gone on from.

        A shape that is drawn is filled in the layer that the first one made.
        """
        jobs, targets = [*self.jobs], [*self.targets]
        for index, source in enumerate(self.sources):
            if self.drawn is not None and targets[index] is None:
                targets[index] = history.result_of(source)
            target = targets[index]
            if target is not None and history.is_made(target):
                jobs[index] = jobs[index].on(target)
        return replace(self, jobs=tuple(jobs), targets=tuple(targets))
