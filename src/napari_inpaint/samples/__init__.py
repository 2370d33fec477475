"""Sample photos, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from napari_inpaint.inference.boxes import Box


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo, and a thing in it to remove."""

    path: Path
    box: Box
    """Around a weathered post."""
    credit: str


THE_CREST = Sample(
    path=Path(str(files(__name__))) / "the_crest.jpg",
    box=Box(278, 464, 512, 494),
    credit='"The Crest" by m0g1c1an (AOSC community wallpapers), CC BY 4.0, scaled down',
)
