"""What a checkpoint says about itself, in the words of the model file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inpaint_training.networks.completion import count_parameters
from napari_inpaint.inference.runtime.contract import ONE_STAGE, TWO_STAGES, ModelSpec

if TYPE_CHECKING:
    from inpaint_training.checkpoints.checkpoint import Checkpoint


def describe(checkpoint: Checkpoint) -> ModelSpec:
    """Return what the model file will say about itself: the facts of the checkpoint's recipe and progress."""
    recipe, progress, network = checkpoint.recipe, checkpoint.progress, checkpoint.network
    return ModelSpec(
        name=recipe.name,
        recipe=recipe.name,
        window=recipe.active_phases[-1].crop,
        hole_min=min(phase.hole_min for phase in recipe.active_phases),
        hole_max=recipe.active_phases[-1].hole_max,
        size_multiple=network.size_multiple,
        minimum_side=network.minimum_side,
        parameters=count_parameters(network),
        data=f"{progress.images} random crops of {progress.photos} photos",
        licence=recipe.licence,
        stages=TWO_STAGES if network.stages else ONE_STAGE,
    )
