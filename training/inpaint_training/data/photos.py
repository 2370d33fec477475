"""Photos of 8 bits: decoded upright, and scaled down while that is fast."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

STILL = ("PNG", "WEBP", "TIFF", "BMP")
FORMATS = (*STILL, "JPEG", "MPO")
"""MPO is what phones and cameras call a JPEG with previews, or a map of brightness, behind it."""
GREY = ("1", "L", "LA")
NODATA_TAG = 42113
"""GDAL's, in a TIFF: some value stands for none, which the other reader knows."""
SPREAD = 4
"""So many pixels a scaled photo mixes at most: Lanczos reaches 3, and decoding JPEG at a fraction of the size 1."""


class BadPhotoError(ValueError):
    """An image that cannot be used, and why."""


def is_photo(image: Image.Image) -> bool:
    """Return whether Pillow shows all that a file holds: one picture, grey or colours, of 8 bits."""
    if image.format not in FORMATS or image.mode.startswith(("I", "F")):
        return False
    if image.format in STILL and getattr(image, "n_frames", 1) != 1:
        return False
    tiles = getattr(image, "tile", None) or [("", None, 0, "")]
    raw = str(tiles[0][3])  # "RGB;16B": Pillow narrows colours of 16 bits to 8
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        samples, alphas = tags.get(277, 1), [kind for kind in tags.get(338, ()) if kind in (1, 2)]
        colours = 1 if image.mode in (*GREY, "P") else 4 if image.mode == "CMYK" else 3
        deep = max(tags.get(258, (1,))) > 8
        if deep or NODATA_TAG in tags or samples != colours + len(alphas):
            return False
    return ";16" not in raw


def decode_photo(data: bytes, short_side: int | None = None) -> Image.Image:
    """Decode a photo to upright RGB.

    Parameters
    ----------
    data
        The file's bytes.
    short_side
        Scale the photo down so that its short side has this many pixels; smaller photos stay as they are.

    Raises
    ------
    BadPhotoError
        When the bytes are no photo of 8 bits, or a broken one.
    """
    photo = decode_upright(data, short_side)
    if photo is None:
        raise BadPhotoError("not readable: no photo of 8 bits in a known format")
    upright = photo[0].convert("RGB")
    return scale_down(upright, short_side) if short_side else upright


def decode_upright(data: bytes, short_side: int | None = None) -> tuple[Image.Image, NDArray[np.bool_] | None] | None:
    """Decode a photo upright; None when the bytes are none of 8 bits, so that another reader must look at them.

    Parameters
    ----------
    data
        The file's bytes.
    short_side
        Decode at a fraction of the size, where that is fast and leaves this many pixels.

    Returns
    -------
    photo
        Of mode RGB or L.
    hidden : bool array of shape (H, W), or None
        Where it is wholly transparent; None when it is nowhere.

    Raises
    ------
    BadPhotoError
        When it is broken.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if not is_photo(image):
                return None
            if short_side:
                image.draft("RGB", (short_side, short_side))  # JPEG: decode at a fraction of the size
            grey = image.mode in GREY
            try:
                upright = ImageOps.exif_transpose(image)
            except (OSError, ValueError):
                if image.format == "TIFF":  # of a compression that Pillow has no decoder for
                    return None
                raise
            hidden = None
            if upright.has_transparency_data:
                alpha = np.asarray(upright.convert("RGBA").getchannel("A"))
                hidden = alpha == 0 if not alpha.all() else None
            return upright.convert("L" if grey else "RGB"), hidden
    except UnidentifiedImageError:
        return None
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise BadPhotoError(f"not readable: {error}") from error


def scale_down(photo: Image.Image, short_side: int) -> Image.Image:
    """Scale a photo so that its short side has this many pixels; smaller photos stay as they are."""
    scale = short_side / min(photo.size)
    if scale >= 1:
        return photo
    size = (max(short_side, round(photo.width * scale)), max(short_side, round(photo.height * scale)))
    return photo.resize(size, Image.Resampling.LANCZOS)


def scale_hidden(hidden: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where a photo that was scaled to a width and height shows anything of its hidden pixels."""
    if hidden.shape == size[::-1]:
        return hidden
    small = Image.fromarray(hidden.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return np.asarray(ndimage.binary_dilation(np.asarray(small) > 0, np.ones((3, 3)), SPREAD))
