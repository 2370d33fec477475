"""The report of an evaluation: tables and a contact sheet."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from inpaint_training.evaluation.metrics import Scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from inpaint_training.evaluation.cases import Case
    from inpaint_training.evaluation.evaluator import Results

    Rows = Mapping[str, Mapping[str, float]]

SHEET_CELL = 160
"""Side of the contact sheet's pictures, in pixels."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    head: str
    places: int
    """Digits after the point."""
    best: Literal["low", "high", "one", ""]
    """Which value is bold: the lowest, the highest, the nearest to 1, none."""

    def badness(self, value: float) -> float:
        """Return a number that is lowest for the best value."""
        return {"low": value, "high": -value, "one": abs(math.log(max(value, 1e-9))), "": 0.0}[self.best]

    def format(self, value: float | None) -> str:
        """Return the value as text."""
        return "–" if value is None else f"{value:.{self.places}f}"


LEGEND = "Bold: the best of the column; of texture and rim jump the nearest to 1, which is the original's."
FEATURE_LEGEND = "lite0, lite2, kid_*: distance, and KID, of the features of EfficientNet-Lite0 and -Lite2."

COLUMNS = {
    "l1": Column("L1 % (hole)", 2, "low"),
    "psnr_hole": Column("PSNR (hole)", 2, "high"),
    "psnr": Column("PSNR", 2, "high"),
    "ssim": Column("SSIM", 4, "high"),
    "ms_ssim": Column("MS-SSIM", 4, "high"),
    "texture": Column("texture", 2, "one"),
    "rim": Column("rim jump", 2, "one"),
    "lite0": Column("lite0", 4, "low"),
    "lite2": Column("lite2", 4, "low"),
    "kid_lite0": Column("kid_lite0", 4, "low"),
    "kid_lite2": Column("kid_lite2", 4, "low"),
    "seconds": Column("s per crop", 3, ""),
}
"""All columns, by the name of the score; those that nothing was measured for are left out."""


def format_table(rows: Rows) -> str:
    """Return a Markdown table of mean scores; the best of every column is bold, seconds apart."""
    names = _measured(rows)
    return _markdown(["method", *(COLUMNS[c].head for c in names)], _body(rows, names))


def format_intervals(intervals: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Return a Markdown table of the ranges of mean scores."""
    names = _measured(intervals)
    body = [
        [
            method,
            *("–" if name not in row else "–".join(COLUMNS[name].format(end) for end in row[name]) for name in names),
        ]
        for method, row in intervals.items()
    ]
    return _markdown(["method", *(COLUMNS[name].head for name in names)], body)


def format_bins(bins: Mapping[str, tuple[int, Rows]]) -> str:
    """Return a Markdown table of the scores by hole area; the best within every bin is bold.

    Parameters
    ----------
    bins
        By the name of the bin: how many crops are in it, and every method's mean scores.
    """
    names = _measured({f"{bin_name} {name}": row for bin_name, (_, rows) in bins.items() for name, row in rows.items()})
    lines = [
        [bin_name, str(count), *line] for bin_name, (count, rows) in bins.items() for line in _body(rows, names)
    ]  # fmt: skip
    return _markdown(["hole", "crops", "method", *(COLUMNS[c].head for c in names)], lines)


def _measured(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [name for name in COLUMNS if any(name in row for row in rows.values())]


def _body(rows: Rows, names: Sequence[str]) -> list[list[str]]:
    best = {}
    for name in names:
        values = [row[name] for row in rows.values() if name in row]
        if values and COLUMNS[name].best:
            best[name] = COLUMNS[name].format(min(values, key=COLUMNS[name].badness))
    lines = []
    for method, row in rows.items():
        texts = {name: COLUMNS[name].format(row.get(name)) for name in names}
        lines.append([method, *(f"**{text}**" if best.get(name) == text else text for name, text in texts.items())])
    return lines


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *lines))


def contact_sheet(cases: Sequence[Case], pictures: Sequence[Mapping[str, np.ndarray]]) -> Image.Image:
    """Return a picture with a row for every case: with its hole, the original, what every method made of it."""
    names = ["hole", "original", *pictures[0]]
    sheet = Image.new("RGB", (len(names) * SHEET_CELL, len(cases) * SHEET_CELL + 18), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.text((column * SHEET_CELL + 4, 3), name, "black")
    for row, (case, fills) in enumerate(zip(cases, pictures, strict=True)):
        hidden = np.where(case.mask[..., None], np.uint8(128), case.image)
        cells = [hidden, case.image, *fills.values()]
        for column, cell in enumerate(cells):
            small = Image.fromarray(cell).resize((SHEET_CELL, SHEET_CELL), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * SHEET_CELL, row * SHEET_CELL + 18))
    return sheet


def write_report(folder: Path, protocol: dict[str, Any], title: str, results: Results) -> str:
    """Write the tables and the sheets of pictures into a folder; return what table.md says."""
    means = results.means()
    bins = {name: (len(numbers), results.means(numbers)) for name, numbers in results.bins().items()}
    legend = f"{LEGEND}\n{FEATURE_LEGEND}" if results.embeddings else LEGEND
    intervals = results.intervals()
    text = (
        f"{title}\n\n{format_table(means)}\n{legend}\n\nIn 95 % of samples of the photos (bootstrap):\n\n"
        f"{format_intervals(intervals)}\nBy the hole's share of the crop:\n\n{format_bins(bins)}"
    )
    (folder / "table.md").write_text(text, encoding="utf-8")
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "case", "area", *(field.name for field in fields(Scores))])
        for name, values in results.scores.items():
            for case, scores in zip(results.cases, values, strict=True):
                writer.writerow([name, case.name, case.area, *asdict(scores).values()])
    by_area = {name: {"cases": count, "means": rows} for name, (count, rows) in bins.items()}
    report = {"protocol": protocol, "means": means, "intervals": intervals, "bins": by_area}
    (folder / "table.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    for name, numbers in (("contact-sheet", results.sheet), ("worst", results.worst)):
        if numbers:
            cases, fills = [results.cases[i] for i in numbers], [results.pictures[i] for i in numbers]
            contact_sheet(cases, fills).save(folder / f"{name}.png")
    return text
