from inpaint_training.checkpoints.checkpoint import read_checkpoint
from inpaint_training.checkpoints.describe import describe


def test_the_checkpoints_facts_are_the_files(run):
    spec = describe(read_checkpoint(run))
    assert spec.name == spec.recipe == "compact"
    assert (spec.window, spec.hole_min, spec.hole_max) == (80, 10, 40)
    assert (spec.size_multiple, spec.minimum_side, spec.has_attention) == (4, 68, False)
    assert spec.data == "9 random crops of 2 photos"
