import numpy as np
import pytest


def test_rows_of_one_name_are_told_apart_by_their_paths(run, tmp_path):
    from inpaint_training.evaluation.comparison import add_models

    fillers = {"tiny": len}
    add_models(fillers, [str(run)], "cpu")
    assert list(fillers) == ["tiny", run.as_posix()]
    with pytest.raises(ValueError, match="auto, cpu or cuda, not 'tpu9'"):
        add_models({}, [str(run)], "tpu9")


def test_every_detail_is_a_row(photo):
    from inpaint_training.evaluation.comparison import add_models

    fillers = {}
    add_models(fillers, ["compact", "landscape"], "cpu", ["network", "copied", "copied"])
    assert list(fillers) == ["compact, network", "compact, copied", "landscape, network", "landscape, copied"]
    mask = np.zeros(photo.shape[:2], bool)
    mask[200:260, 300:360] = True
    network, copied = (fillers[f"compact, {detail}"](photo, mask) for detail in ("network", "copied"))
    assert (
        np.abs(np.diff(copied[mask].astype(float), axis=0)).mean()
        > 2 * np.abs(np.diff(network[mask].astype(float), axis=0)).mean()
    )
    with pytest.raises(ValueError, match="there is a row named"):
        add_models(fillers, ["compact"], "cpu")
