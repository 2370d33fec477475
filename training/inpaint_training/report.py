"""The report of an evaluation: tables and a contact sheet."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from inpaint_training.scores import Case, Scores, average

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHEET_CASES = 8
"""Rows of the contact sheet."""
SHEET_CELL = 160
"""Side of its pictures, in pixels."""


def format_table(rows: dict[str, Scores]) -> str:
    """Return a Markdown table; the best of every column is bold, seconds and texture apart."""
    best = {
        "l1": min(s.l1 for s in rows.values()),
        **{name: max(getattr(s, name) for s in rows.values()) for name in ("psnr_hole", "psnr", "ssim")},
    }
    digits = {"l1": 2, "psnr_hole": 2, "psnr": 2, "ssim": 4, "texture": 2, "seconds": 3}
    lines = [
        "| method | L1 % (hole) | PSNR (hole) | PSNR | SSIM | texture | s per crop |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, scores in rows.items():
        cells = []
        for column, places in digits.items():
            value = getattr(scores, column)
            text = f"{value:.{places}f}"
            cells.append(f"**{text}**" if best.get(column) == value else text)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def contact_sheet(cases: Sequence[Case], pictures: dict[str, list[np.ndarray]]) -> Image.Image:
    """Return a picture with a row for every case: with its hole, the original, every method."""
    names = ["hole", "original", *pictures]
    count = min(SHEET_CASES, len(cases))
    sheet = Image.new("RGB", (len(names) * SHEET_CELL, count * SHEET_CELL + 18), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.text((column * SHEET_CELL + 4, 3), name, "black")
    for row, case in enumerate(cases[:count]):
        hidden = np.where(case.mask[..., None], np.uint8(128), case.image)
        cells = [hidden, case.image, *(pictures[name][row] for name in pictures)]
        for column, cell in enumerate(cells):
            small = Image.fromarray(cell).resize((SHEET_CELL, SHEET_CELL), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * SHEET_CELL, row * SHEET_CELL + 18))
    return sheet


def write_report(
    folder: Path, protocol: dict[str, Any], cases: Sequence[Case], scores: dict[str, list[Scores]],
    pictures: dict[str, list[np.ndarray]],
) -> str:  # fmt: skip
    """Write table.md, table.csv, table.json and contact-sheet.png; return the table."""
    rows = {name: average(values) for name, values in scores.items()}
    table = format_table(rows)
    (folder / "table.md").write_text(table)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "case", *Scores.__slots__])
        for name, values in scores.items():
            writer.writerows([name, c.name, *asdict(v).values()] for c, v in zip(cases, values, strict=True))
    report = {"protocol": protocol, "means": {name: asdict(row) for name, row in rows.items()}}
    (folder / "table.json").write_text(json.dumps(report, indent=1))
    order = np.random.default_rng(protocol["seed"]).permutation(min(len(cases), SHEET_CASES)).tolist()
    shuffled = {name: [pictures[name][i] for i in order] for name in pictures}
    contact_sheet([cases[i] for i in order], shuffled).save(folder / "contact-sheet.png")
    return table
