from dataclasses import replace

import torch

from inpaint_training.checkpoints.checkpoint import Progress, read_checkpoint, write_checkpoint
from inpaint_training.cli import main


def test_a_second_stage_is_joined_to_another_first_one(run, dataset, tmp_path, reconstruction, capsys):
    network = ["--network", "{kind: two-stage, width: 0.0625, refine_width: 1.0}", "--network.width", "0.0625"]
    words = [*reconstruction, *network, "--train.steps", "2"]
    assert main(["fit", "--recipe", "compact", "--data", str(dataset), "--out", str(tmp_path / "two"), *words]) == 0
    capsys.readouterr()
    assert main(["join", str(run), str(tmp_path / "two"), str(tmp_path / "joined")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'joined'}\n"
    joined, first, second = (read_checkpoint(path) for path in (tmp_path / "joined", run, tmp_path / "two"))
    assert (joined.recipe.network.width, joined.recipe.network.refine_width) == (0.125, 0.5)
    assert joined.recipe.name == "compact-refined"
    for own, parent in ((joined.network.coarse, first.network), (joined.network.refine, second.network.refine)):
        assert all(torch.equal(own.state_dict()[name], x) for name, x in parent.state_dict().items())
    assert main(["join", str(tmp_path / "joined"), str(tmp_path / "two"), str(tmp_path / "again")]) == 0
    again = read_checkpoint(tmp_path / "again")  # of a pair, its first stage counts
    assert again.recipe.network == joined.recipe.network
    assert all(torch.equal(again.network.state_dict()[name], x) for name, x in joined.network.state_dict().items())
    other = replace(first.recipe, network=replace(first.recipe.network, padding="zero"))
    write_checkpoint(tmp_path / "other", other, Progress(), first.network.state_dict())
    capsys.readouterr()
    for words, sentence in (
        ([str(run), str(tmp_path / "two"), str(tmp_path / "joined")], "exists already"),
        ([str(run), str(run), str(tmp_path / "x")], "no network of two stages"),
        ([str(tmp_path / "other"), str(tmp_path / "two"), str(tmp_path / "x")], "cannot be stage one"),
    ):
        assert main(["join", *words]) == 1
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
