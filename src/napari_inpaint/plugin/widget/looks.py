"""How the widget looks: what magicgui leaves to Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, Label
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QFrame, QScrollArea, QSizePolicy
from superqt import QCollapsible

if TYPE_CHECKING:
    from collections.abc import Iterable

    import napari
    from magicgui.widgets import PushButton, Widget

LONGEST_NAME = 28
"""Letters of a layer's name in a list; the middle of a longer one is left out."""


def in_row(*widgets: Widget, label: str = "") -> Container[Any]:
    """Return widgets side by side."""
    row: Container[Any] = Container(widgets=widgets, layout="horizontal", labels=False, label=label)
    row.margins = (0, 0, 0, 0)
    return row


def in_column(*widgets: Widget) -> Container[Any]:
    """Return widgets below one another, at the top of what room there is."""
    column: Container[Any] = Container(widgets=widgets, labels=False)
    column.native.layout().addStretch()
    return column


class WidthKeeper(QObject):
    """Keeps a scroll area as wide as the column in it, which styles and new rows change."""

    def __init__(self, area: QScrollArea, column: Any) -> None:
        super().__init__(area)
        column.installEventFilter(self)
        self._area, self._bar = area, area.verticalScrollBar()

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Follow the width of the column."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            margins = self._area.contentsMargins()
            bar: Any = self._bar
            self._area.setMinimumWidth(
                watched.minimumSizeHint().width() + bar.sizeHint().width() + margins.left() + margins.right()
            )
        return False


def to_scroll_area(column: Container[Any]) -> QScrollArea:
    """Return what scrolls a column up and down where a window is too low for it, and is never narrower than it."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(column.native)
    WidthKeeper(area, column.native)
    return area


def align_labels(*containers: Container[Any]) -> None:
    """Give the labels of containers' rows one width, so that what they name stands in one column."""
    rows = [each.native.layout().itemAt(index).widget() for each in containers for index in range(len(each))]
    labels = [row.layout().itemAt(0).widget() for row in rows if row.layout() is not None]
    width = max((label.sizeHint().width() for label in labels), default=0)
    for label in labels:
        label.setFixedWidth(width)


def to_choices(layers: Iterable[Any]) -> list[tuple[str, Any]]:
    """Return layers for a list, each with its name; the middle of long ones is left out where they stay different."""
    layers = list(layers)
    short = [shorten(layer.name) for layer in layers]
    return [(short[i] if short.count(short[i]) == 1 else layer.name, layer) for i, layer in enumerate(layers)]


def shorten(name: str) -> str:
    """Return a name without its middle, if it is long."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


class WheelGuard(QObject):
    """Keeps lists and numbers as they are when the mouse wheel scrolls over them: only a focused one changes.

    Parameters
    ----------
    root
        All in it is guarded.
    """

    def __init__(self, root: Any) -> None:
        super().__init__(root)
        for kind in (QComboBox, QAbstractSpinBox):
            for each in root.findChildren(kind):
                each.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                each.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Give the wheel to what is below."""
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


class StatusLine(Label):
    """A status line: of a fixed height, so that nothing below it moves; what does not fit is in the tooltip."""

    def __init__(self, value: str = "", lines: int = 4) -> None:
        super().__init__(value=value)
        self.native.setWordWrap(True)
        self.native.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.native.setFixedHeight(lines * self.native.fontMetrics().lineSpacing() + 4)
        self.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def say(self, sentence: str) -> None:
        """Show a sentence."""
        self.value = self.tooltip = sentence


def let_wrap(label: Label) -> None:
    """Let a text use several lines, and never widen what it is in."""
    label.native.setWordWrap(True)
    label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)


def emphasize(button: PushButton, viewer: napari.viewer.Viewer) -> None:
    """Give a button the colour that napari's theme has for what is chosen."""
    theme = get_theme(viewer.theme)
    button.native.setStyleSheet(
        f"QPushButton:enabled {{ background-color: {theme.current.as_hex()}; color: {theme.text.as_hex()};"
        " font-weight: bold; }"
        f"QPushButton:enabled:hover {{ background-color: {theme.highlight.as_hex()}; }}"
    )


def keep_room(widget: Widget) -> None:
    """Keep the room of a widget while it is hidden, so that nothing moves when it shows."""
    policy = widget.native.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    widget.native.setSizePolicy(policy)


class Section(QCollapsible):
    """Rows under a title that opens and closes them; closed at first."""

    def __init__(self, title: str, rows: Container[Any]) -> None:
        super().__init__("", expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.setDuration(0)
        layout: Any = self.layout()
        layout.setContentsMargins(0, 0, 0, 0)
        rows.margins = (0, 0, 0, 0)
        self.setContent(rows.native)
        self.toggleButton().setStyleSheet("text-align: left; border: none; background: transparent; padding: 4px;")
        self.toggled.connect(self._show_state)
        self.collapse(animate=False)
        self._show_state(False)

    def _show_state(self, is_open: bool) -> None:
        self.content().setVisible(is_open)  # else the keyboard would reach what is hidden
        self.setText(f"{'▾' if is_open else '▸'} {self._title}")
