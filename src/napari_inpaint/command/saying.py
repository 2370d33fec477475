"""What the command says: results go to standard output, all else to standard error."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from napari_inpaint.command.files import Outcome
    from napari_inpaint.command.tasks import Task


def open_streams() -> None:
    """Let no closed stream, and no name of a file that a stream cannot show, end the work."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        getattr(sys, name).reconfigure(errors="backslashreplace")


def stream(task: Task) -> TextIO:
    """Return where the line about a file goes: not to the image, when that goes to standard output."""
    return sys.stderr if str(task.output) == "-" else sys.stdout


def describe(outcome: Outcome, as_json: bool) -> str:
    """Return a line about a filled file."""
    record = outcome.record
    if as_json:
        return json.dumps({"output": str(outcome.task.output), "record": record})
    copied = any(copy["offsets"] for copy in record["copies"])
    how = record["provider"] or ("copied" if copied else "filled smoothly")
    how = "labels of the rims" if record["values"] == "labels" else how
    ran = f"{how}, {record['seconds'] * 1000:.0f} ms" if record["holes"] else "nothing to fill"
    return f"{outcome.task.output}: {record['filled_pixels']} pixels filled, {ran}"


def say(sentence: str) -> None:
    """Tell the user something on stderr."""
    sys.stderr.write(f"inpaint-fill: {sentence}\n")
