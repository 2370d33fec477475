"""Remove a post from a photo, and write a picture of before and after."""

import time
from pathlib import Path

import numpy as np
from PIL import Image

from napari_inpaint import Inpainter
from napari_inpaint.samples import THE_CREST

photo = np.asarray(Image.open(THE_CREST.path))
inpainter = Inpainter()
print(f"model {inpainter.path.name} runs on {inpainter.provider}")

started = time.perf_counter()
filled = inpainter.fill(photo, boxes=[THE_CREST.box])
print(f"filled {tuple(THE_CREST.box)} in {1000 * (time.perf_counter() - started):.0f} ms")

y0, x0, y1, x1 = THE_CREST.box
before = photo.copy()
for edge in (np.s_[y0 - 2 : y0, x0 - 2 : x1 + 2], np.s_[y0:y1, x0 - 2 : x0], np.s_[y0:y1, x1 : x1 + 2]):
    before[edge] = 255, 0, 0
picture = Path("demo.png").resolve()
Image.fromarray(np.hstack([before, filled])).save(picture)
print(picture)
