import pytest

from inpaint_training.recipes import bundled_recipes, load_recipe, write_recipe


@pytest.mark.parametrize("name", bundled_recipes())
def test_bundled_recipes_load_and_round_trip(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.name == name
    write_recipe(recipe, tmp_path / "r.yaml")
    assert load_recipe(tmp_path / "r.yaml") == recipe
    assert recipe.phase_ends()[-1] == recipe.train.steps
    assert recipe.phase_ends() == sorted(recipe.phase_ends())


def test_overrides_win_in_any_order():
    for words in (["--train.steps", "7", "--network.width=0.5"], ["--network.width", "0.5", "--train.steps=7"]):
        recipe = load_recipe("compact", words)
        assert (recipe.train.steps, recipe.network.width) == (7, 0.5)
        assert recipe.train.lr == load_recipe("compact").train.lr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train.stepz", "7"], "stepz"), (["--train.steps", "x"], "train.steps"), (["--train.steps", "0"], "not 0"),
        (["--network.act", "swish"], "swish"), (["--network.width", "-1"], "-1"), (["--phases", "[]"], "phase"),
        (["--phases", "[{share: 1, crop: 64, batch: 1, hole_min: 8, hole_max: 16}]"], "64 x 64"),
        (["--loss.known", "0.2"], "loss.known is 0.2"), (["--train.seed", "-1"], "seed must not be negative"),
    ],
)  # fmt: skip
def test_wrong_overrides_are_named(words, message):
    with pytest.raises(ValueError, match=message):
        load_recipe("compact", words)


def test_unknown_recipes_and_broken_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no recipe 'nonsense'.*compact"):
        load_recipe("nonsense")
    (tmp_path / "r.yaml").write_text("name: [")
    with pytest.raises(ValueError, match=r"r\.yaml"):
        load_recipe(tmp_path / "r.yaml")
