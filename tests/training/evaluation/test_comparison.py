import pytest


def test_rows_of_one_name_are_told_apart_by_their_paths(run, tmp_path):
    from inpaint_training.evaluation.comparison import add_models

    fillers = {"tiny": len}
    add_models(fillers, [str(run)], "cpu")
    assert list(fillers) == ["tiny", run.as_posix()]
    with pytest.raises(ValueError, match="auto, cpu or cuda, not 'tpu9'"):
        add_models({}, [str(run)], "tpu9")
