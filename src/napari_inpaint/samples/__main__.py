"""Write a landscape with a date burnt in, to try things on: python -m napari_inpaint.samples photo.png."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from napari_inpaint.samples import THE_CREST, dated_photo


def main() -> int:
    """Write the photo; return the exit status."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.stderr.write("usage: python -m napari_inpaint.samples photo.png\n")
        return 2
    path = Path(sys.argv[1])
    photo, box = dated_photo()
    if path.exists():
        is_same = _shows(path, photo)
        sys.stderr.write(f"{path} is there already: {'use it' if is_same else 'name another file'}\n")
        return 0 if is_same else 1
    try:
        Image.fromarray(photo).save(path)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{path} cannot be written: {error}\n")
        return 1
    sys.stdout.write(f"{path}: {THE_CREST.credit}; the date lies in --box {' '.join(map(str, box))}\n")
    return 0


def _shows(path: Path, photo: np.ndarray) -> bool:
    """Return whether a file shows the photo."""
    try:
        with Image.open(path) as image:
            return np.array_equal(np.asarray(image), photo)
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(main())
