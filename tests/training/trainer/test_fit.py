import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inpaint_training.checkpoints.checkpoint import (
    read_checkpoint,
    read_training_state,
    resolve_checkpoint,
)
from inpaint_training.checkpoints.start import read_model_weights
from inpaint_training.cli import main
from inpaint_training.data.mask_files import read_masks
from inpaint_training.data.pack import PackSettings, pack
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fit import fit, lock, refuse_uneven_batches
from napari_inpaint.models import bundled_models


def log_lines(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_resume_keeps_the_steps_and_from_starts_anew(run, dataset, tmp_path, reconstruction):
    recipe = load_recipe("compact", reconstruction)
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert fit(recipe, dataset, copy, resume=True).step == 6  # finished already
    longer = load_recipe("compact", [*reconstruction, "--train.steps", "10"])
    assert fit(longer, dataset, copy, resume=True).step == 6
    assert fit(longer, dataset, copy, resume=True, fix_steps=False).step == 10
    third = fit(recipe, dataset, tmp_path / "new", start_from=run)
    assert third.step == 6
    start, end = (read_checkpoint(path).network.layers.conv_5.conv.weight for path in (run, tmp_path / "new"))
    assert 0 < (start - end).abs().max() < 0.05


def test_fine_tuning_takes_the_critics_along(gan, dataset, tmp_path, adversarial, capsys):
    words = [*adversarial, "--train.steps", "1", "--phases.0.share", "0", "--phases.1.share", "0"]
    fit(load_recipe("compact", words), dataset, tmp_path / "tuned", start_from=gan)
    before, after = read_checkpoint(gan).critics, read_checkpoint(tmp_path / "tuned").critics
    name = "0.score.weight"
    assert 0 < (before[name] - after[name]).abs().max() < 0.01
    assert "start anew" not in capsys.readouterr().err
    other = load_recipe("compact", [*words, "--critics.0.width", "0.125"])
    fit(other, dataset, tmp_path / "other", start_from=gan)
    assert "start anew" in capsys.readouterr().err


def test_max_minutes_fixes_the_steps_once(dataset, tmp_path, reconstruction):
    recipe = load_recipe("compact", [*reconstruction, "--train.steps", "1000000"])
    progress = fit(recipe, dataset, tmp_path / "run", max_minutes=0.04)
    assert 0 < progress.step < 1_000_000
    fixed = read_checkpoint(tmp_path / "run").recipe.train.steps
    assert progress.step <= fixed < 1_000_000
    fit(recipe, dataset, tmp_path / "run", resume=True, max_minutes=0.5)
    assert read_checkpoint(tmp_path / "run").recipe.train.steps == fixed


def test_max_minutes_with_steps_only_stops(dataset, tmp_path, reconstruction):
    recipe = load_recipe("compact", [*reconstruction, "--train.steps", "1000000"])
    progress = fit(recipe, dataset, tmp_path / "run", max_minutes=0.02, fix_steps=False)
    assert 0 < progress.step < 1000
    assert read_checkpoint(tmp_path / "run").recipe.train.steps == 1_000_000


def test_fine_tuning_with_critics_alone_has_a_reference(gan, dataset, tmp_path, adversarial):
    words = [*adversarial, "--train.steps", "2", "--phases.0.share", "0", "--phases.1.share", "0"]
    fit(load_recipe("compact", words), dataset, tmp_path / "tuned", start_from=gan)
    assert 10 < read_training_state(resolve_checkpoint(tmp_path / "tuned"))["watchdog"]["psnr"] < 40


def test_more_steps_go_to_the_last_phase_when_the_others_are_over(gan, dataset, tmp_path, adversarial):
    run = tmp_path / "run"
    shutil.copytree(gan, run)
    longer = load_recipe("compact", [*adversarial, "--train.steps", "20"])
    assert fit(longer, dataset, run, resume=True, fix_steps=False).step == 20
    made = read_checkpoint(run).recipe
    assert made.phase_ends() == [4, 8, 20]
    assert fit(load_recipe("compact", adversarial), dataset, run, resume=True).step == 20  # finished
    assert fit(longer, dataset, run, resume=True, fix_steps=False).step == 20
    longest = load_recipe("compact", [*adversarial, "--train.steps", "22"])
    assert fit(longest, dataset, run, resume=True, fix_steps=False).step == 22
    assert read_checkpoint(run).recipe.phase_ends() == [4, 8, 22]


def test_steps_that_move_the_phases_are_refused(gan, dataset, tmp_path, adversarial):
    words = [*adversarial, "--train.checkpoint_seconds", "0.001", "--train.keep", "9"]
    run = tmp_path / "run"
    fit(load_recipe("compact", words), dataset, run)
    for folder in run.glob("step-*"):
        if folder.name > "step-0000008":
            shutil.rmtree(folder)
    longer = load_recipe("compact", [*words, "--train.steps", "60"])
    with pytest.raises(ValueError, match="would not be in phase 1"):
        fit(longer, dataset, run, resume=True, fix_steps=False)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_model_file_is_started_from(dataset, tmp_path, precision, reconstruction, monkeypatch, capsys):
    """Its weights are the checkpoint's: exactly in fp32, rounded in fp16."""
    monkeypatch.chdir(tmp_path)  # no clone
    file = bundled_models()["compact"][precision]
    words = [*reconstruction, "--network.width", "0.25", "--train.steps", "1", "--train.ema_half_life", "0",
             "--phases.0.update", "{lr: 1.0e-12}", "--phases.1.share", "0"]  # fmt: skip
    if precision == "fp32":
        file = Path("compact")  # by its name the better file
    fit(load_recipe("compact", words), dataset, tmp_path / "run", start_from=file)
    weights = read_model_weights(bundled_models()["compact"][precision], load_recipe("compact").network)
    trained = read_checkpoint(tmp_path / "run").network.state_dict()
    assert all(torch.allclose(trained[name], weights[name], atol=1e-9) for name in weights)


def test_two_runs_do_not_share_a_folder(dataset, tmp_path, reconstruction):
    recipe = load_recipe("compact", reconstruction)
    with lock(tmp_path / "run", wanted=True), pytest.raises(ValueError, match="another run is at work"):
        fit(recipe, dataset, tmp_path / "run")
    assert fit(recipe, dataset, tmp_path / "run").step == 6


def test_another_data_set_is_refused(run, photos, tmp_path, reconstruction):
    pack([photos], tmp_path / "more", PackSettings(keep_duplicates=True))
    with pytest.raises(ValueError, match="was trained on 2 photos"):
        fit(load_recipe("compact", reconstruction), tmp_path / "more", run, resume=True)


@pytest.mark.parametrize(
    ("trains", "moved"), [("refine", {"refine"}), ("coarse", {"coarse"}), ("all", {"coarse", "refine"})]
)
def test_a_phase_trains_the_stages_that_it_names(dataset, run, tmp_path, reconstruction, trains, moved):
    """From a checkpoint of the first stage alone: what the phase does not train stays as it was, bit for bit."""
    words = [*reconstruction, "--network", "{kind: two-stage, width: 0.125}", "--phases.0.trains", trains,
             "--phases.1.trains", trains, "--train.ema_half_life", "0"]  # fmt: skip
    assert main(["fit", "--recipe", "compact", "--data", str(dataset), "--out", str(tmp_path / "two"), "--from",
                 str(run), *words]) == 0  # fmt: skip
    before, after = read_checkpoint(run).network.state_dict(), read_checkpoint(tmp_path / "two").network
    fresh = load_recipe("compact", words).network.build()  # the same seed draws the same second stage
    changed = {"coarse"} if any(not torch.equal(x, before[k]) for k, x in after.coarse.state_dict().items()) else set()
    output = after.refine.layers["output_17"].conv.weight
    changed |= {"refine"} if not torch.equal(output, fresh.refine.layers["output_17"].conv.weight) else set()
    assert changed == moved


def test_a_run_of_two_stages_resumes_bit_for_bit(dataset, run, tmp_path, adversarial):
    """In the middle of a phase that holds stage one."""
    words = [*adversarial, "--network", "{kind: two-stage, width: 0.125}", "--phases.0.trains", "refine",
             "--train.checkpoint_seconds", "0.001", "--train.check_steps", "2"]  # fmt: skip
    command = ["fit", "--recipe", "compact", "--data", str(dataset)]
    words += ["--train.keep", "9"]
    assert main([*command, "--out", str(tmp_path / "whole"), "--from", str(run), *words]) == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    newest = json.loads((tmp_path / "parts" / "checkpoints.json").read_text(encoding="utf-8"))["newest"]
    folders = sorted(path for path in (tmp_path / "parts").glob("step-*"))
    assert folders[0].name == "step-0000002"
    for folder in folders[1:]:
        shutil.rmtree(folder)
    assert main([*command, "--out", str(tmp_path / "parts"), *words, "--resume"]) == 0
    whole, parts = (read_checkpoint(tmp_path / run / newest).network.state_dict() for run in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_second_stage_without_a_first_one_is_refused(dataset, tmp_path, capsys):
    assert main(["fit", "--recipe", "compact-two-stage", "--data", str(dataset), "--out", str(tmp_path / "x")]) == 1
    assert "start --from a checkpoint of the first" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_devices_with_an_odd_number_of_crops_are_refused():
    recipe = load_recipe("compact-two-stage")
    refuse_uneven_batches(recipe, 2)
    with pytest.raises(ValueError, match=r"batch of 8 gives each of 8 an odd number.*multiple of 16"):
        refuse_uneven_batches(recipe, 8)
    refuse_uneven_batches(load_recipe("compact-two-stage", ["--network.halved", "false"]), 8)
    with pytest.raises(ValueError, match=r"among 2 devices in 3 parts each: set --phases.0.batch to a multiple of 6"):
        refuse_uneven_batches(load_recipe("compact", ["--phases.0.accumulate", "3"]), 2)


@pytest.fixture
def own_holes(tmp_path):
    (tmp_path / "masks").mkdir()
    for number in range(2):
        mask = np.zeros((50, 60), np.uint8)
        mask[10 : 20 + 5 * number, 10:40] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    return tmp_path / "masks"


def test_holes_of_ones_own_are_trained_with_and_resumed_bit_for_bit(dataset, tmp_path, reconstruction, own_holes):
    words = [*reconstruction, "--phases.0.holes", f"{{kind: masks, folder: {own_holes}}}", "--train.checkpoint_seconds",
             "0.001", "--train.check_steps", "2", "--train.keep", "9"]  # fmt: skip
    recipe = load_recipe("compact", words)
    fit(recipe, dataset, tmp_path / "whole")
    trained = read_checkpoint(tmp_path / "whole").recipe
    assert trained.phases[0].holes.range == (30, 30)
    assert trained.phases[0].holes.count == 2
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    for folder in sorted((tmp_path / "parts").glob("step-*"))[1:]:
        shutil.rmtree(folder)
    fit(recipe, dataset, tmp_path / "parts", resume=True)
    whole, parts = (
        read_checkpoint(resolve_checkpoint(tmp_path / name, "newest")).network for name in ("whole", "parts")
    )
    assert all(torch.equal(*pair) for pair in zip(whole.parameters(), parts.parameters(), strict=True))

    read_masks.cache_clear()
    (own_holes / "1.png").unlink()
    with pytest.raises(ValueError, match=r"phases.0.holes.count is 2, not 1"):
        fit(recipe, dataset, tmp_path / "parts", resume=True)
    shutil.rmtree(own_holes)
    read_masks.cache_clear()
    assert read_checkpoint(tmp_path / "whole").recipe == trained  # a checkpoint needs no masks
    with pytest.raises(ValueError, match="is no folder of masks"):
        fit(recipe, dataset, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_images_of_all_kinds_are_trained_on(tmp_path, micrograph, reconstruction, capsys):
    damaged = np.ma.masked_less(micrograph(1), 900)
    pack([*map(micrograph, range(10, 14)), damaged, micrograph(2)[:100, :98], np.stack([micrograph(5)] * 3, -1)],
         tmp_path / "data")  # fmt: skip
    words = [*reconstruction, "--data.native", "true", "--data.turn", "1", "--phases.1.crop", "104"]
    progress = fit(load_recipe("compact", words), tmp_path / "data", tmp_path / "run")
    assert progress.step == 6
    assert 0 < progress.l1_hole < 1
    said = capsys.readouterr().err
    assert "1 of 7 images" in said
    assert "add --data.native true" not in said
    fit(load_recipe("compact", [*reconstruction, "--train.steps", "1"]), tmp_path / "data", tmp_path / "zoomed")
    assert "add --data.native true" in capsys.readouterr().err
