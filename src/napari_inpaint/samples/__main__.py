"""Write a landscape with a date burnt in, to try things on: python -m napari_inpaint.samples photo.png."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from napari_inpaint.samples import THE_CREST, dated_photo


def main() -> int:
    """Write the photo; return the exit status."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.stderr.write("usage: python -m napari_inpaint.samples photo.png\n")
        return 2
    path = Path(sys.argv[1])
    if path.exists():
        sys.stderr.write(f"{path} is there already: use it, or name another file\n")
        return 1
    photo, box = dated_photo()
    try:
        Image.fromarray(photo).save(path)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{path} cannot be written: {error}\n")
        return 1
    sys.stdout.write(f"{path}: {THE_CREST.credit}; the date lies in --box {' '.join(map(str, box))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
