"""Remove a date that is burnt into a photo, and write a picture of before and after."""

import time
from pathlib import Path

import numpy as np
from PIL import Image

from napari_inpaint import Inpainter
from napari_inpaint.samples import dated_photo

photo, box = dated_photo()
inpainter = Inpainter()
started = time.perf_counter()
filled = inpainter.fill(photo, boxes=[box])
print(f"removed the date from the sample photo on {inpainter.device} in {time.perf_counter() - started:.1f} s")

y0, x0, y1, x1 = box
before = photo.copy()
for edge in np.s_[y0:y1, x0 - 2 : x0], np.s_[y0:y1, x1 : x1 + 2], np.s_[y0 - 2 : y0, x0:x1], np.s_[y1 : y1 + 2, x0:x1]:
    before[edge] = 255, 0, 0
picture = Path("demo.png").resolve()
Image.fromarray(np.hstack([before, filled])).save(picture)
print(f"before and after: {picture}")
