import shutil

import pytest
import torch

from inpaint_training.checkpoints.blend import blend
from inpaint_training.checkpoints.checkpoint import (
    read_checkpoint,
    resolve_checkpoint,
)
from inpaint_training.cli import main


def test_blending_interpolates_weights(gan, tmp_path, windows):
    a, b = resolve_checkpoint(gan, "reconstruction"), resolve_checkpoint(gan, "newest")
    name = "layers.conv_5.conv.weight"
    start, end = (read_checkpoint(path).network.state_dict()[name] for path in (a, b))
    assert not torch.equal(start, end)
    for share in (0.0, 0.4, 1.0):
        out = blend(a, b, share, tmp_path / str(share))
        blended = read_checkpoint(out)
        torch.testing.assert_close(blended.network.state_dict()[name], (1 - share) * start + share * end)
        assert f"{share:g} of {b}" in blended.progress.blend
        assert blended.progress.l1_hole == float("inf")  # not measured
    with pytest.raises(ValueError, match="exists already"):
        blend(a, b, 0.5, tmp_path / "0.4")
    with pytest.raises(ValueError, match=r"not 1\.5"):
        blend(a, b, 1.5)


def test_blend_from_the_command_line(gan, run, capsys):
    a, b = str(gan / "step-0000004"), str(gan / "step-0000012")
    assert main(["blend", a, b, "--share", "0.4"]) == 0
    assert capsys.readouterr().out.strip() == str(gan / "blend-0000012-0.4")
    assert main(["blend", a, "nowhere", "--share", "0.4"]) == 1
    assert "neither a checkpoint nor a run" in capsys.readouterr().err
    shutil.rmtree(gan / "blend-0000012-0.4")
