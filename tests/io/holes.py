"""A hole in every image, and what must be true of its fill."""

import numpy as np

BOX = ["--box", "30", "40", "70", "90", "--device", "cpu"]
HOLE = np.s_[30:70, 40:90]


def check(before, after, hole=HOLE):
    """The hole changed, and nothing else."""
    assert (before.dtype, before.shape) == (after.dtype, after.shape)
    changed = before != after
    assert changed[hole].any()
    changed[hole] = False
    assert not changed.any()
