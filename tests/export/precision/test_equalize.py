"""Rewrites of the float model change nothing but the ranges."""

import numpy as np
import pytest

from inpaint_export.precision.calibrate import sample, to_feeds
from inpaint_export.precision.equalize import convolutions, equalize, iterate_links, split_signs


def complete(session, case):
    return session.run(["completion"], to_feeds(case))[0]


@pytest.mark.parametrize("rewrite", ["split_signs", "equalize"])
def test_a_rewrite_of_the_float_model_is_exact(compact, open_model, crops, rewrite):
    wanted = complete(open_model(compact), crops[1])
    split_signs(compact) if rewrite == "split_signs" else equalize(compact, crops[::2])
    np.testing.assert_allclose(complete(open_model(compact), crops[1]), wanted, atol=2e-5)


def test_equalizing_brings_ranges_nearer(compact, crops):
    values = [link.act.outputs[0] for link in iterate_links(compact)]
    assert len(values) == 16

    def spread():
        return np.array(
            [np.ptp(np.log(np.maximum(x.high, -x.low) + 1e-6)) for x in sample(compact, values, crops[::2])]
        )

    before = spread()
    equalize(compact, crops[::2])
    assert (spread() < before).all()


def test_signs_get_channels_of_their_own_in_front_of_the_last_layer(compact):
    channels = convolutions(compact)[-2].inputs[1].shape[0]
    split_signs(compact)
    assert convolutions(compact)[-2].inputs[1].shape[0] == 2 * channels
    assert [node.op_type for node in compact.graph if node.name == "conv_16.act"] == ["Relu"]
