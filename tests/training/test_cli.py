import pytest
import torch

from inpaint_training.cli import main
from inpaint_training.evaluation.cli import main as evaluate


def test_errors_are_sentences_and_nothing_is_overwritten(run, dataset, tmp_path, capsys, reconstruction):
    fit_words = ["fit", "--recipe", "compact", "--data", str(dataset), *reconstruction]
    x = str(tmp_path / "x")
    for words, message in [
        (["--out", str(run)], "--resume"),
        (["--out", str(dataset)], "is not empty"),
        (["--out", x, "--from", str(run), "--network.width", "0.25"], "another network"),
        (["--out", x, "--data", str(tmp_path)], "is no data set"),
        (["--out", str(tmp_path / "empty"), "--resume"], "no checkpoint to go on from"),
        (["--out", x, "--max-minutes", "inf"], "not inf"),
        (["--out", str(run), "--resume", "--from", str(run)], "leave out --from"),
        (["--out", x, "--train.stepz", "1"], "stepz"),
        (["--out", x, "--precision", "16-true"], "no precision '16-true'"),
        (["--out", x, "--devices", "many"], "devices many"),
        (["--out", x, "--devices", "999"], "not 999"),
        (["--out", x, "--devices", "0"], "not 0"),
    ]:
        assert main([*fit_words, *words]) == 1, message
        assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    for words in (["pack"], ["recipes", "--nonsense"], ["blend", "a", "b"]):
        with pytest.raises(SystemExit, match="2"):
            main(words)


def test_pack_and_recipes_from_the_command_line(photos, tmp_path, capsys):
    assert main(["pack", str(photos), str(tmp_path / "data")]) == 0
    out = capsys.readouterr().out
    assert "3 photos (3 colour, uint8), 3 left out" in out
    assert "sub/broken.jpg" in out
    assert main(["recipes"]) == 0
    out = capsys.readouterr().out
    assert {"report", "glcic", "landscape", "compact", "pggan"} <= {line.split()[0] for line in out.splitlines()}


@pytest.mark.parametrize(
    "error",
    [RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
     MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")],
    ids=["cpu", "python", "cuda"],
)  # fmt: skip
def test_too_little_memory_is_a_sentence(dataset, tmp_path, capsys, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("inpaint_training.trainer.fit.fit", fail)
    assert main(["fit", "--recipe", "compact", "--data", str(dataset), "--out", str(tmp_path / "x")]) == 1
    said = capsys.readouterr().err
    assert said == "inpaint-train: the memory is too small: set a smaller --phases.N.batch, or --phases.N.accumulate\n"
    monkeypatch.setattr("inpaint_training.evaluation.comparison.compare", fail)
    assert evaluate(["--photos", str(dataset), "--out", str(tmp_path / "x")]) == 1
    assert capsys.readouterr().err == "inpaint-eval: the memory is too small: set a smaller --crop\n"
