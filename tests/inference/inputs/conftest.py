"""What tests of several kinds of arrays share."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def grey(photo):
    """(96, 128), uint8."""
    return photo[:96, 100:228, 1].copy()


@pytest.fixture(scope="module")
def mask(grey):
    drawn = np.zeros(grey.shape, bool)
    drawn[20:60, 30:80] = drawn[80, 5:100] = True
    return drawn


@pytest.fixture(scope="module")
def fill(inpainter):
    """Quick: the surface of the holes does not matter here."""
    return lambda *arguments, **options: inpainter.fill(*arguments, detail="smooth", **options)
