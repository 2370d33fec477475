import torch

from inpaint_training.checkpoints.checkpoint import (
    read_checkpoint,
)
from inpaint_training.checkpoints.widen import widen
from inpaint_training.cli import main


def test_a_widened_network_completes_alike(run, tmp_path):
    narrow = read_checkpoint(run)
    wide = read_checkpoint(widen(run, 0.3, tmp_path / "wide"))
    assert wide.recipe.network.width == 0.3
    image, mask = torch.rand(2, 3, 80, 88), torch.zeros(2, 1, 80, 88)
    mask[..., 20:60, 30:70] = 1
    with torch.inference_mode():
        torch.testing.assert_close(wide.network(image, mask), narrow.network(image, mask), rtol=0, atol=1e-5)
    completion = wide.network.train()(image, mask)
    completion.square().mean().backward()
    unused = [name for name, x in wide.network.named_parameters() if x.grad is None or not x.grad.any()]
    assert not unused


def test_what_was_trained_with_critics_can_be_widened_too(gan, tmp_path):
    wide = read_checkpoint(widen(gan, 0.25, tmp_path / "wide"))
    assert wide.recipe.network.width == 0.25
    assert wide.critics is None


def test_widen_from_the_command_line(run, gan, tmp_path, capsys):
    out = tmp_path / "wide"
    assert main(["widen", str(run), str(out), "--width", "0.25"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    for words, sentence in (
        ([str(run), str(out), "--width", "0.25"], "exists already"),
        ([str(run), str(tmp_path / "w"), "--width", "0.1"], "must be at least"),
        ([str(run), str(tmp_path / "w"), "--width", "9"], "--width must be at most 4, not 9.0"),
    ):
        assert main(["widen", *words]) == 1
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "w").exists()
