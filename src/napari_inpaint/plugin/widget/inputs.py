"""The widget's questions: what is filled, where, with what, and how."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from magicgui.widgets import CheckBox, ComboBox, Container, Label, LineEdit, SpinBox
from napari.layers import Image, Labels, Points, Shapes

from napari_inpaint.inference.options import Detail, FillOptions
from napari_inpaint.plugin.layers.frame import Slices, full_resolution
from napari_inpaint.plugin.layers.holes import INVALID
from napari_inpaint.plugin.layers.job import read_job, why_not_in_place
from napari_inpaint.plugin.widget.engine import EngineChoice
from napari_inpaint.plugin.widget.images import Images
from napari_inpaint.plugin.widget.looks import align_labels, in_row, to_choices
from napari_inpaint.plugin.widget.preferences import IN_PLACE, NEW_LAYER, read_preferences
from napari_inpaint.plugin.widget.request import Request
from napari_inpaint.plugin.widget.worker import Settings

if TYPE_CHECKING:
    import napari

    from napari_inpaint.plugin.layers.drawing import DrawnShape
    from napari_inpaint.plugin.layers.job import Job
    from napari_inpaint.plugin.widget.history import History

NO_HOLES = "(none yet: draw rectangles)"
SLICES = {"current slice": "current", "all slices": "all", "a range of slices": "range"}
KINDS: dict[str, dict[str, Any]] = {
    "intensities": {}, "labels": {"values": "labels"}, "a phase in radians": {"values": "phase"},
    "a mosaic of 2 x 2 (Bayer)": {"mosaic": (2, 2)}, "a mosaic of 6 x 6 (X-Trans)": {"mosaic": (6, 6)},
    "a 360° panorama": {"wrap": "x"},
}  # fmt: skip
"""What an image is taken for, in words, and as options."""
OWN_SLICE = -1
"""In the place of an axis: slices are copied from themselves alone."""
MOST = 2**31 - 1
"""The largest number of Qt's spin boxes."""
LABELS = -(2**63), 2**64
"""Labels of any integer dtype; magicgui compares them as floats, which round the last ones up to 2**64."""


def to_number(text: str) -> float | None:
    """Return what a user typed as a number, whole where it is; None for nothing.

    Raises
    ------
    ValueError
        When it is no number.
    """
    try:
        number = float(text) if text.strip() else None
    except ValueError:
        raise ValueError(f"no data must be a number, or empty, not {text!r}") from None
    return int(text) if number is not None and text.strip().lstrip("+-").isdigit() else number


class Inputs(Container[Any]):
    """What the user chooses; starts with the user's preferences.

    Parameters
    ----------
    viewer
        Whose layers are offered.
    history
        Of what was filled in it.
    """

    def __init__(self, viewer: napari.viewer.Viewer, history: History) -> None:
        self.viewer, self._history = viewer, history
        chosen = read_preferences()
        self.images = Images(viewer, history)
        self.image = self.images.combo
        self.kind = ComboBox(choices=list(KINDS), value="intensities", label="is",
                             tooltip="what its numbers mean; layers of labels are labels anyway")  # fmt: skip
        self.holes = ComboBox(choices=self._offer_holes, label="holes")
        self.label_id = SpinBox(
            value=0, min=LABELS[0], max=LABELS[1], label="label", tooltip="the only label that is a hole; 0: all"
        )
        self.engine = EngineChoice(chosen)
        self.model, self.device, self.runs_on = self.engine.rows
        self.slices = ComboBox(choices=list(SLICES), label="slices")
        self.along = ComboBox(choices=self._offer_axes, label="axis")
        self.first = SpinBox(value=0, min=0, max=MOST, label="first")
        self.last = SpinBox(value=0, min=0, max=MOST, label="last", tooltip="is filled too")
        self.range = in_row(Label(value="from"), self.first, Label(value="to"), self.last, label="range")
        self.repeat = CheckBox(value=False, text="every shape in every slice",
                               tooltip="the shapes that are seen now, also those drawn on one slice")  # fmt: skip
        self.sources = ComboBox(choices=self._offer_sources, label="copies from",
                                tooltip="the slices before and after, where they show the same place, or only the "
                                "slice itself")  # fmt: skip
        self.result = ComboBox(
            choices=[NEW_LAYER, IN_PLACE], value=IN_PLACE if chosen.result == IN_PLACE else NEW_LAYER, label="result"
        )
        self.grow = SpinBox(value=min(max(chosen.grow, 0), MOST), min=0, max=MOST, label="grow",
                            tooltip="extend every hole by so many pixels, over edges of what should go")  # fmt: skip
        self.detail = ComboBox(choices=get_args(Detail), value="copied", label="detail",
                               tooltip="copied: copies of known pixels, which the network's completion chooses; "
                               "network: that completion as it is; smooth: the smoothest surface")  # fmt: skip
        self.nodata = LineEdit(
            value="", label="no data", tooltip="a value that stands for none, such as -9999: such pixels are not known"
        )
        self.seam = CheckBox(value=chosen.seam, text="seamless", tooltip="correct the fill so that it meets its rim")
        self.origins = CheckBox(value=chosen.origins, text="show where pixels came from",
                                tooltip="a layer with a colour for each direction, and white for what is no copy; "
                                "point at a pixel to see how far away its source is")  # fmt: skip
        self.main: Container[Any] = Container(
            widgets=[self.images, self.images.others, self.images.pin, self.holes, self.label_id, self.slices,
                     self.along, self.range, self.repeat, self.result]
        )  # fmt: skip
        self.advanced: Container[Any] = Container(
            widgets=[self.kind, self.detail, self.sources, self.nodata, in_row(self.grow, self.seam, label="grow, px"),
                     self.origins, *self.engine.rows]
        )  # fmt: skip
        super().__init__(widgets=[self.main], labels=False)
        for each in (self, self.main, self.advanced):
            each.margins = (0, 0, 0, 0)
        self._ranged: object = None
        choices: tuple[Any, ...] = (self.image, self.kind, self.holes, self.slices, self.along, self.detail)
        for each in choices:
            each.changed.connect(self.show_what_matters)
        self.show_what_matters()

    @property
    def which(self) -> Any:
        """Which slices are filled; whether the widget is on the screen does not matter."""
        is_stack = self.image.value is not None and self.image.value.ndim > 2
        return SLICES[self.slices.value] if is_stack else "current"

    @property
    def can_repeat(self) -> bool:
        """Return whether shapes may count on other slices than those that they were drawn on."""
        holes = self.holes.value
        return self.which != "current" and isinstance(holes, Shapes) and holes.ndim > 2

    @property
    def can_stack(self) -> bool:
        """Return whether slices may be copied from those beside them: all holes of these are known then."""
        is_plain = isinstance(self.image.value, Image) and not KINDS[self.kind.value]
        return is_plain and self.which == "all" and self.detail.value == "copied"

    def why_not(self) -> str:
        """Return why there is nothing to fill; an empty string when there is."""
        holes = self.holes.value
        if self.image.value is None:
            return "open an image first"
        is_empty = isinstance(holes, (Shapes, Points)) and not len(holes.data)
        return "draw a rectangle first" if is_empty or holes in (None, NO_HOLES) else ""

    def read_slices(self) -> Slices:
        """Return which slices are filled."""
        if self.which == "current":
            return Slices()
        repeat = self.can_repeat and self.repeat.value
        if self.which == "all":
            return Slices("all", repeat=repeat)
        return Slices("range", self.along.value, self.first.value, self.last.value, repeat)

    def read_settings(self, all_holes: bool = True) -> Settings:
        """Return with what, and how, holes are filled; slices are copied from others when ``all_holes`` are filled.

        Raises
        ------
        ValueError
            When the value that stands for none is no number.
        """
        axis = self.sources.value if all_holes and self.can_stack and self.sources.value != OWN_SLICE else None
        options = FillOptions(
            self.grow.value, self.seam.value, detail=self.detail.value, nodata=to_number(self.nodata.value),
            sources="plane" if axis is None else "stack", stack_axis=axis, **KINDS[self.kind.value],
        )  # fmt: skip
        return Settings(self.engine.chosen, self.device.value, options)

    def read_job(self, only: set[int] | None = None, image: Image | None = None) -> Job:
        """Read what is to be filled.

        Parameters
        ----------
        only
            The indices of the only shapes that count.
        image
            Where; None: in the chosen one.

        Raises
        ------
        ValueError
            With what the user can do about it.
        """
        image, holes = image or self.image.value, self.holes.value
        reason = self.why_not()
        if reason:
            raise ValueError(reason)
        return read_job(image, holes, self.viewer.dims, self.read_slices(), self.label_id.value, only)

    def read_request(self, drawn: DrawnShape | None = None) -> Request:
        """Read what is to be filled, and how, as it is chosen now: all shapes, or the one that was ``drawn``.

        Layers that fills made are filled further; of others new ones are made, or they are filled in place.

        Raises
        ------
        ValueError
            With what the user can do about it.
        """
        only = None if drawn is None or drawn.index is None else {drawn.index}
        images = self.images.layers or (None,)
        jobs, targets = [self.read_job(only, image) for image in images], []
        for index, image in enumerate(images):
            reason = why_not_in_place(image) if self.result.value == IN_PLACE else ""
            is_target = self._history.is_made(image) or (self.result.value == IN_PLACE and not reason)
            targets.append(image if is_target else None)
            made = None if is_target or drawn is not None else self._history.result_of(image)
            anew = f"this is a fill of {image.name!r} itself: choose {made.name!r} to go on from that" if made else ""
            notes = [note for note in ("" if is_target else reason, anew) if note]
            jobs[index] = replace(jobs[index], notes=(*jobs[index].notes, *notes))
        holes = None if self.holes.value == INVALID else self.holes.value
        return Request(tuple(jobs), images, tuple(targets), self.read_settings(drawn is None), holes, drawn)

    def reset_choices(self, *arguments: Any) -> None:
        """Offer the layers that there are."""
        super().reset_choices(*arguments)
        self.advanced.reset_choices(*arguments)
        self.show_what_matters()

    def show_what_matters(self, _: object = None) -> None:
        """Hide what does not apply to the chosen layers."""
        align_labels(self.main, self.advanced)  # again, as napari's style has come meanwhile
        image = self.image.value
        self.holes.reset_choices()
        for each in (self.image, self.holes):
            each.tooltip = getattr(each.value, "name", "")  # of which a list may show a part
        self.label_id.visible = isinstance(self.holes.value, Labels)
        self.kind.visible = not isinstance(image, Labels)
        self.slices.visible = image is not None and image.ndim > 2
        self.range.visible = self.which == "range"
        self.repeat.visible = self.can_repeat
        with self.sources.changed.blocked():
            self.sources.reset_choices()
        self.sources.visible = self.can_stack
        with self.along.changed.blocked():
            self.along.reset_choices()
        self.along.visible = self.which == "range" and len(self.along.choices) > 1
        if image is None or self.along.value is None:
            return
        ranged = tuple(full_resolution(image).shape), self.along.value  # a result has its source's range
        if self._ranged != ranged:
            self._ranged = ranged
            self.first.value, self.last.value = 0, max(0, ranged[0][self.along.value] - 1)

    def _offer_holes(self, _: object) -> list[Any]:
        layers = self.viewer.layers
        drawn = [layer for kind in (Shapes, Labels, Points) for layer in reversed(layers) if isinstance(layer, kind)]
        drawn = [layer for layer in drawn if layer is not self.image.value]
        return [*(to_choices(drawn) or [(NO_HOLES, NO_HOLES)]), (INVALID, INVALID)]

    def _offer_axes(self, _: object) -> list[tuple[str, int]]:
        """Return the axes of the image that are not shown."""
        image, dims = self.image.value, self.viewer.dims
        if image is None:
            return []
        shown = {axis - dims.ndim + image.ndim for axis in dims.displayed}
        labels = getattr(image, "axis_labels", None) or [""] * image.ndim
        names = [label if label.strip("-0123456789") else f"axis {axis}" for axis, label in enumerate(labels)]
        return [(names[axis], axis) for axis in range(image.ndim) if axis not in shown]

    def _offer_sources(self, _: object) -> list[tuple[str, int]]:
        """Return the axes along which slices may be copied from those beside them: their places among the leading."""
        names = [f"slices along {name}" for name, _ in self._offer_axes(None)]
        return [("the slice itself", OWN_SLICE), *((name, place) for place, name in enumerate(names))]
