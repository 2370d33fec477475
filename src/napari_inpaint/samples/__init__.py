"""Sample photos, and where they come from; ``python -m napari_inpaint.samples photo.png`` writes one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from napari_inpaint.inference.inputs.boxes import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DATE = "DUNE 4  2007-08-19  07:42"
DATE_AT = 14, 16
"""x, y."""
DATE_BOX = Box(16, 8, 48, 296)


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


def dated_photo() -> tuple[NDArray[np.uint8], Box]:
    """Return a landscape with a date burnt in, as cameras do.

    Returns
    -------
    photo : uint8 array of shape (512, 640, 3)
        `THE_CREST`.
    box : Box
        Around the date: (16, 8, 48, 296).
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.open(THE_CREST.path)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(22)
    pen.text(DATE_AT, DATE, fill=(255, 190, 40), font=font, stroke_width=1, stroke_fill=(60, 30, 0))
    return np.asarray(picture), DATE_BOX
