"""What lies in a folder and is not filled: nothing is left out without a word."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from napari_inpaint.io.codecs.avif import HEIC_WAY_OUT
from napari_inpaint.io.images import FORMATS, find_format
from napari_inpaint.io.zarr import is_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAMED = 10
"""Files that one sentence names."""


def why_skipped(path: Path) -> str:
    """Return why something in a folder is not filled; nothing when it is an image."""
    if path.is_dir() and not is_zarr(path):
        return "links to folders are not followed"
    suffix = path.suffix.lower()
    if path.exists() and not path.is_file() and not path.is_dir():
        return "pipes and devices are no files"
    if suffix in FORMATS:
        return ""  # broken links too, which are named when their turn comes
    kind = _format_inside(path)
    if kind == "HEIC":
        return HEIC_WAY_OUT
    if kind is not None:
        return f"as they hold {kind}, give them a suffix of that: of {', '.join(FORMATS)}"
    return "by their suffix they are no images"


def describe_skipped(skipped: Mapping[Path, str]) -> Iterator[str]:
    """Yield a sentence for each reason, with the files that it holds for."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path, reason in sorted(skipped.items()):
        groups[reason].append(str(path))
    for reason, names in groups.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"skipped, {reason}: {', '.join(names[:NAMED])}{more}"


def _format_inside(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return None
    kind = find_format(head)
    return None if kind == "TIFF" and head[:4] not in (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+") else kind
