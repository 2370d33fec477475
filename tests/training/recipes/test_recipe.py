import pytest

from inpaint_training.recipes.library import load_recipe


def test_a_stage_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no stage 'refine'"):
        load_recipe("compact", ["--phases.0.trains", "refine"])
    with pytest.raises(ValueError, match="known pixels come back"):
        load_recipe("two-stage", ["--loss.l1_known", "1"])
    for width in ("0", "9"):
        with pytest.raises(ValueError, match="width must be"):
            load_recipe("two-stage", ["--network.refine_width", width])


def test_the_reports_schedules_are_options():
    many_critics = load_recipe("report", ["--adversarial.critic_turns", "3"]).adversarial
    assert [many_critics.turns(step) for step in range(5)] == [
        (True, False), (True, False), (True, False), (False, True), (True, False),
    ]  # fmt: skip
    one_critic = load_recipe("report", ["--adversarial.network_turns", "10"]).adversarial
    assert sum(one_critic.turns(step)[0] for step in range(110)) == 10
    assert all(a != b for a, b in map(one_critic.turns, range(110)))
    assert load_recipe("report").adversarial.turns(7) == (True, True)
