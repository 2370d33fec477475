import os

import hypothesis
import numpy as np
import pytest
from PIL import Image

from napari_inpaint import Inpainter
from napari_inpaint.samples import THE_CREST

hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def photo():
    """A real photo: uint8, (512, 640, 3)."""
    image = np.asarray(Image.open(THE_CREST.path))
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def inpainter():
    return Inpainter("compact", device="cpu")


@pytest.fixture(autouse=True, scope="session")
def small_default_model():
    """Who names no model gets the small one here: the best one takes ten times as long."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("napari_inpaint.inference.loading.DEFAULT", "compact")
        yield
