"""The table of a self-check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractScrollArea,
    QDialog,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_inpaint.plugin.widget.worker import to_sentence

if TYPE_CHECKING:
    from napari_inpaint.inference.self_check import SelfCheck

COLUMNS = ("method", "L1 %", "PSNR dB", "SSIM", "texture", "noise")


class CheckDialog(QDialog):
    """Shows how close fills come to what was there, at known places beside the holes.

    Parameters
    ----------
    report
        Of `Inpainter.self_check`.
    parent
        What it is destroyed with.
    """

    def __init__(self, report: SelfCheck, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Inpaint: self-check")
        layout = QVBoxLayout(self)
        if report.places:
            heading = (
                f"{len(report.places)} known places beside the holes were hidden, filled, and compared with what was "
                "there. Lower L1 is better, and so are higher PSNR and SSIM. Texture and noise are 1 where they are as "
                "strong as what was there."
            )
            layout.addWidget(_to_label(heading))
            layout.addWidget(_to_table(report))
        for note in report.notes:
            layout.addWidget(_to_label(to_sentence(note)))
        self.adjustSize()


def _to_label(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setMinimumWidth(400)
    return label


def _to_table(report: SelfCheck) -> QTableWidget:
    """Return a row for every method, the fill's first."""
    from napari_inpaint.inference.self_check import OURS  # loads scipy, which opening the widget does not wait for

    table = QTableWidget(len(report.scores), len(COLUMNS))
    table.setHorizontalHeaderLabels(COLUMNS)
    rows: Any = table.verticalHeader()
    rows.hide()
    columns: Any = table.horizontalHeader()
    columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    columns.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
    table.setSizeAdjustPolicy(QAbstractScrollArea.SizeAdjustPolicy.AdjustToContents)
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    for row, (name, score) in enumerate(report.scores.items()):
        shown = f"fill ({report.model})" if name == OURS else name
        numbers = f"{score.l1:.2f} {score.psnr:.2f} {score.ssim:.3f} {score.texture:.2f} {score.noise:.2f}".split()
        for column, text in enumerate((shown, *numbers)):
            item = QTableWidgetItem(text)
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            table.setItem(row, column, item)
    return table
