import pytest

from inpaint_training.recipes.library import bundled_recipes, load_recipe, split_overrides, to_plain, write_recipe
from inpaint_training.trainer.fit import fit


def differences(a, b, key=""):
    """Return the keys under which two nested structures differ."""
    if type(a) is not type(b) or not isinstance(a, dict | list) or (isinstance(a, list) and len(a) != len(b)):
        return set() if a == b else {key}
    pairs = ((k, a.get(k), b.get(k)) for k in a | b) if isinstance(a, dict) else zip(range(len(a)), a, b, strict=True)
    return set().union(*(differences(x, y, f"{key}.{k}".strip(".")) for k, x, y in pairs))


@pytest.mark.parametrize("name", bundled_recipes())
def test_bundled_recipes_load_and_round_trip(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.name == name
    write_recipe(recipe, tmp_path / "r.yaml")
    assert load_recipe(tmp_path / "r.yaml") == recipe
    assert recipe.phase_ends()[-1] == recipe.train.steps
    assert recipe.phase_ends() == sorted(recipe.phase_ends())


LONG = ("two-stage", "compact-two-stage")
"""They take longest, and tests of the trainer train two stages too."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in bundled_recipes()]
)
def test_every_recipe_trains_for_two_steps_of_every_phase(name, dataset, tmp_path):
    phases, critics = load_recipe(name).phases, load_recipe(name).critics
    words = ["--train.steps", str(2 * len(phases)), "--network.width", "0.03125", "--train.held_out", "1"]
    for index in range(len(phases)):
        words += [f"--phases.{index}.batch", "2", f"--phases.{index}.share", "1"]
    for index in range(len(critics)):
        words += [f"--critics.{index}.width", "0.03125"]
    progress = fit(load_recipe(name, words), dataset, tmp_path / "run")
    assert (progress.step, progress.images) == (2 * len(phases), 4 * len(phases))
    assert progress.l1_hole < 1


@pytest.mark.parametrize(
    ("name", "other", "where"),
    [
        ("report-stable", "report", {"adversarial.balance", "phases.1.update.warmup", "phases.1.critic_update.warmup",
                                     "train.ema_half_life", "train.watchdog"}),
        ("random-mask", "report-stable", {"phases.0.holes", "phases.1.holes"}),
        ("dcgan-loss", "report", {"critics.0.loss"}),
        ("wgan", "report", {"critics.0.loss"}),
    ],
)  # fmt: skip
def test_recipes_differ_from_their_neighbours_only_where_they_say_so(name, other, where):
    a, b = (to_plain(load_recipe(n)) for n in (name, other))
    found = differences(a, b) - {"name", "description"}
    assert {next(w for w in where if f.startswith(w)) for f in found} == where


def test_overrides_win_in_any_order():
    for words in (["--train.steps", "7", "--network.width=0.5"], ["--network.width", "0.5", "--train.steps=7"]):
        recipe = load_recipe("compact", words)
        assert (recipe.train.steps, recipe.network.width) == (7, 0.5)
        assert recipe.train.check_steps == load_recipe("compact").train.check_steps


def test_overrides_reach_into_phases_and_critics():
    recipe = load_recipe(
        "report", ["--phases.1.update.lr", "5e-5", "--critics.0.loss.penalty=1", "--loss.l1_hole", "1"]
    )
    assert recipe.phases[1].update.lr == 5e-5
    assert recipe.phases[0].update.lr == 1e-4
    assert recipe.critics[0].loss.penalty == 1
    assert recipe.loss == {"mse": 10, "l1_hole": 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train.stepz", "7"], "stepz"), (["--train.steps", "x"], r"train\.steps.*integer"),
        (["--train.steps", "0"], "not 0"), (["--train.steps", "1" + "0" * 400], "at most"),
        (["--phases.0.update.lr", ".inf"], "not inf"), (["--phases.0.batch", "99999999"], "at most 65536"),
        (["--network.act", "swish"], "relu.*leaky"),
        (["--network.width", "-1"], "-1"), (["--phases", "[]"], "phase"), (["--phases.9.batch", "1"], "no '9'"),
        (["--phases.0.crop", "64", "--phases.0.holes.side_max", "40"], "64 x 64"), (["--train.steps"], "needs a value"),
        (["--phases.0.holes.side_max", "400"], "400 px do not fit"), (["--train"], "needs a value"),
        (["--loss.l1_known", "0.2"], "l1_known is 0.2"), (["--train.seed", "-1"], "seed must be at least 0, not -1"),
        (["--critics", "[]"], "needs critics"), (["--critics.0.kind", "oracle"], "oracle"), (["7"], "'7'"),
        (["--critics.0.side", "300"], "sees 300 px"), (["--critics.0.norm", "batch"], "one by one"),
        (["--critics.0", "{kind: dcgan, loss: {kind: wgan-gp}}"], "one by one"),
        (["--loss.l1_hole", ".nan"], "not nan"),
        (["--loss.l3", "1"], "no reconstruction loss 'l3'"), (["--phases.0.update.schedule", "up"], "no schedule 'up'"),
        (["--adversarial.augment", "[blur]"], "no augmentation 'blur'"), (["--train.steps", "[3"], "is no YAML"),
    ],
)  # fmt: skip
def test_wrong_overrides_are_named(words, message):
    with pytest.raises(ValueError, match=message):
        load_recipe("compact", words)


def test_unknown_recipes_and_broken_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no recipe 'nonsense'.*compact"):
        load_recipe("nonsense")
    for text in (
        "name: [", "- 1", "name: x\nbase: nonsense", "\x00", "base: 5", "base: report\nchanges: 5", "[" * 5000,
        "base: report\nchanges: {5: 3}", "base: report\nchanges: {phases.7.batch: 3}", "name: a\nname: b",
        "base: r.yaml",
    ):  # fmt: skip
        (tmp_path / "r.yaml").write_text(text)
        with pytest.raises(ValueError, match="recipe"):
            load_recipe(tmp_path / "r.yaml")


def test_a_base_may_lie_beside_its_recipe(tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\nbase: report\nchanges: {train.steps: 7}")
    (tmp_path / "b.yaml").write_text("name: b\nbase: a.yaml\ndescription: mine")
    recipe = load_recipe(tmp_path / "b.yaml", ["--train.seed", "3"])
    assert (recipe.name, recipe.train.steps, recipe.train.seed, recipe.description) == ("b", 7, 3, "mine")


def test_single_keys_find_the_defaults_of_a_part_that_is_replaced():
    phase = "[{share: 1, crop: 72, batch: 2, holes: {kind: centre, side: 8}}]"
    for words in (["--phases", phase, "--phases.0.update.optimizer.betas", "[0.5, 0.9]"],
                  ["--phases.0.update.lr", "0.5", "--phases", phase]):  # fmt: skip
        update = load_recipe("report", words).phases[0].update
        assert (update.optimizer.kind, update.lr) in {("adam", 1e-3), ("adam", 0.5)}


def test_values_are_yaml():
    assert list(split_overrides(["--a.b", "[1, 2]", "--c=null"])) == [("a.b", [1, 2]), ("c", None)]
