import sys

import cv2
import numpy as np
import pytest

from inpaint_training.evaluation.baselines import METHODS, MissingPackageError, load_method


@pytest.fixture(scope="module")
def image(photo):
    return photo[:80, :96].copy()


@pytest.fixture(scope="module")
def mask():
    mask = np.zeros((80, 96), bool)
    mask[30:50, 40:62] = True
    mask[50:54, 45] = True
    return mask


@pytest.mark.parametrize("name", METHODS)
def test_methods_fill_the_hole_only_and_never_look_under_it(name, image, mask):
    filler = load_method(name)
    before = image.copy()
    filled = filler(image, mask)
    assert (filled.dtype, filled.shape) == (image.dtype, image.shape)
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    np.testing.assert_array_equal(image, before)
    erased = np.where(mask[..., None], np.uint8(255), image)
    np.testing.assert_array_equal(filler(erased, mask), filled)  # and twice the same


@pytest.mark.parametrize("name", METHODS)
def test_methods_continue_a_flat_image(name, mask):
    image = np.full((80, 96, 3), (40, 120, 200), np.uint8)
    filled = load_method(name)(image, mask)
    assert np.abs(filled.astype(int) - image).max() <= 3  # Lab and back; Telea rounds


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "patchmatch_cython", None)
    with pytest.raises(MissingPackageError, match="'patchmatch' needs patchmatch_cython: pip install patchmatch-cyth"):
        load_method("patchmatch")
    monkeypatch.delattr(cv2, "xphoto")
    with pytest.raises(MissingPackageError, match=r"'shiftmap' needs cv2.xphoto: .*opencv-contrib-python-headless"):
        load_method("shiftmap")
    with pytest.raises(ValueError, match=r"one of mean, pullpush, .*not 'magic'"):
        load_method("magic")
