"""Pictures of other formats as TIFF."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_inpaint.io.codecs.tiff.layout import ORIENTATION_TAG
from napari_inpaint.io.formats import Metadata
from napari_inpaint.io.orientation import UPRIGHT

if TYPE_CHECKING:
    from napari_inpaint.io.formats import ImageFile

DESCRIPTION_TAG, SOFTWARE_TAG, XMP_TAG = 270, 305, 700
OWN_SOFTWARE, SHAPE = "tifffile.py", '{"shape": '
"""What tifffile writes unasked."""
BYTE, SHORT = 1, 3
LARGE = 1 << 32
"""Bytes from which on places of pieces take more than 32 bits."""
INCH, CENTIMETRE = 2, 3
NOT_NAMED = {
    254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 292, 293, 296, 297, 317,
    320, 322, 323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 529, 530, 531, 532, 700, 34675, 42113, 65260,
}  # fmt: skip
"""Tags of how pixels are stored, and of what is said elsewhere."""


def to_tiff(source: ImageFile) -> dict[str, Any]:
    """Return the options to write an image of another format, whose channels come last: a TIFF of it as it was."""
    pixels, metadata = np.asarray(source.pixels), source.metadata
    channels = 1 if source.channel_axis is None else pixels.shape[-1]
    photometric = tifffile.PHOTOMETRIC.RGB if channels in (3, 4) else tifffile.PHOTOMETRIC.MINISBLACK
    colours = 3 if channels in (3, 4) else 1
    if metadata.inks:
        photometric, colours = tifffile.PHOTOMETRIC.SEPARATED, 4
    extra = [0] * (channels - colours)
    if source.alpha:
        extra[-1] = 2  # not multiplied with the colours
    tags: list[tuple[int, int, int, Any, bool]] = []
    if source.orientation != UPRIGHT:
        tags.append((ORIENTATION_TAG, SHORT, 1, source.orientation, True))
    if metadata.xmp is not None:
        tags.append((XMP_TAG, BYTE, len(metadata.xmp), metadata.xmp, True))
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=pixels.nbytes > LARGE // 2) as tiff:
        tiff.write(
            pixels, photometric=photometric, planarconfig="contig" if channels > 1 else None, metadata=None,
            compression="ADOBE_DEFLATE", extrasamples=extra or None, iccprofile=metadata.icc, software=False,
            resolution=metadata.dpi, resolutionunit=INCH if metadata.dpi else None, extratags=tags,
        )  # fmt: skip
    return {"data": buffer.getvalue(), "photometric": photometric}


def read_metadata(page: tifffile.TiffPage) -> Metadata:
    """Return what other formats can hold too; what is in no other format is named by its tags."""
    xmp = page.tags.get(XMP_TAG)
    dpi = None
    unit = {INCH: 1.0, CENTIMETRE: 2.54}.get(page.resolutionunit)
    values = [page.tags[code].value for code in (282, 283) if code in page.tags]
    if unit and len(values) == 2 and all(all(value) for value in values):
        across, down = (value[0] / value[1] * unit for value in values)
        dpi = across, down
    own = {(DESCRIPTION_TAG, SHAPE), (SOFTWARE_TAG, OWN_SOFTWARE)}
    others = [tag.name for tag in page.tags if tag.code not in NOT_NAMED
              and not any(tag.code == code and str(tag.value).startswith(start) for code, start in own)]  # fmt: skip
    data = None if xmp is None else xmp.value if isinstance(xmp.value, bytes) else str(xmp.value).encode()
    return Metadata(None, page.iccprofile, data, dpi, others=tuple(others))
