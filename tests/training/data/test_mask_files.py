import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inpaint_training.data.mask_files import read_masks, to_hole_mask
from inpaint_training.data.masks import MaskFiles, render_masks


@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 60), st.integers(1, 60), st.floats(0.01, 1))
def test_a_hole_is_inside_and_not_everything_is_one(seed, size, height, width, share):
    rng = np.random.default_rng(seed)
    hole = rng.random((height, width)) < share
    mask = to_hole_mask(hole)
    if mask is None:
        assert not hole.any()
        return
    part = mask.place(size, rng)
    assert part.shape == (size, size)
    assert 0 < part.sum() < size * size


@pytest.fixture
def folder(tmp_path):
    """Three masks: two blobs as labels, a scratch, and a stack whose second plane is empty."""
    scratch = np.zeros((100, 200), np.uint8)
    scratch[50:53, 20:180] = 255
    Image.fromarray(scratch).save(tmp_path / "scratch.png")
    labels = np.zeros((60, 60), np.uint16)
    labels[5:10, 5:10], labels[30:50, 30:40] = 1, 2
    Image.fromarray(labels).save(tmp_path / "labels.png")
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([labels, labels * 0]), photometric="minisblack")
    (tmp_path / "readme.txt").write_text("masks")
    return tmp_path


def test_masks_are_read_once_and_in_order(folder):
    masks = read_masks(str(folder))
    assert [mask.hole.shape for mask in masks] == [(45, 35), (3, 160), (45, 35)]
    assert [(mask.side_min, mask.side_max) for mask in masks] == [(5, 20), (160, 160), (5, 20)]
    assert read_masks(str(folder)) is masks


def test_outlines_are_the_masks_at_random_places(folder):
    policy = MaskFiles(str(folder)).measure(64)
    assert (policy.range, policy.count) == ((5, 63), 3)
    outlines = [policy.draw(64, np.random.default_rng(seed)) for seed in range(100)]
    masks = render_masks(outlines, 64)
    assert len({mask.numpy().tobytes() for mask in masks}) > 90
    for outline, mask in zip(outlines, masks[:, 0], strict=True):
        assert mask[outline.centre] == 1
        assert 0 < mask.sum() < 64 * 64
        y0, x0, y1, x1 = outline.box
        assert mask.sum() == mask[y0:y1, x0:x1].sum() == outline.bitmap.sum()
    again = [policy.draw(64, np.random.default_rng(seed)) for seed in range(100)]
    assert all(np.array_equal(a.bitmap, b.bitmap) and a.box == b.box for a, b in zip(outlines, again, strict=True))


def test_what_holds_no_hole_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no folder of masks"):
        read_masks(str(tmp_path / "nowhere"))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "empty.png")
    with pytest.raises(ValueError, match="holds no mask with a hole"):
        read_masks(str(tmp_path))
