"""Every bundled model file fills a hole in a photo as it did when it was bundled.

A file whose weights were mixed up, a preprocessing that changed, a seam that broke: all show here, and in nothing that
only compares one provider with another. ``python tests/inference/test_golden.py`` writes the numbers anew.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_inpaint import Box, Inpainter
from napari_inpaint.models import bundled_models
from napari_inpaint.samples import THE_CREST

BOX = Box(250, 180, 350, 280)
"""Grass, sand and the edge between them, 100 pixels wide."""
CELL = 20
POINTS = ((0, 0), (50, 50), (99, 99), (25, 75))
GOLDEN = Path(__file__).with_name("golden.json")
FILES = [f"{name}.{precision}" for name, files in bundled_models().items() for precision in files]
CELLS_MAY_DIFFER, PIXELS_MAY_DIFFER = 1.5, 8
"""Grey levels: sums of 8-bit products are rounded differently on other CPUs."""


def describe(model):
    """The mean colours of cells of the filled hole, and a few of its pixels."""
    photo = np.asarray(Image.open(THE_CREST.path))
    filled = Inpainter(model, device="cpu").fill(photo, boxes=[BOX], detail="network")[BOX.slices].astype(float)
    side = BOX.height // CELL
    cells = filled.reshape(side, CELL, side, CELL, 3).mean((1, 3)).round(2)
    return {"cells": cells.tolist(), "pixels": [filled[point].tolist() for point in POINTS]}


@pytest.mark.parametrize("model", FILES)
def test_a_model_fills_as_it_did(model):
    golden, found = json.loads(GOLDEN.read_text())[model], describe(model)
    np.testing.assert_allclose(found["cells"], golden["cells"], atol=CELLS_MAY_DIFFER)
    np.testing.assert_allclose(found["pixels"], golden["pixels"], atol=PIXELS_MAY_DIFFER)


def test_the_numbers_tell_models_apart():
    golden = {model: np.array(each["cells"]) for model, each in json.loads(GOLDEN.read_text()).items()}
    assert golden.keys() == set(FILES)
    first, second = (golden[next(file for file in FILES if file.startswith(name))] for name in ("compact", "landscape"))
    assert np.abs(first - second).max() > 1.5 * CELLS_MAY_DIFFER


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    GOLDEN.write_text(json.dumps({model: describe(model) for model in FILES}, indent=1) + "\n")
