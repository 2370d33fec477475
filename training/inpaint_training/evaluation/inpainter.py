"""A checkpoint inside the engine that ships: what an exported file would do, without exporting it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch

from inpaint_training.checkpoints.checkpoint import GENERATOR, Checkpoint, read_checkpoint
from inpaint_training.checkpoints.describe import describe
from inpaint_training.networks.padding import complete_window
from napari_inpaint import Inpainter
from napari_inpaint.inference.cancelling import stop_if

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_inpaint.inference.cancelling import Event


class CheckpointSession:
    """A checkpoint's network, with the interface of the engine's session of a model file.

    Parameters
    ----------
    checkpoint
        Its network is moved to the device.
    device
        ``auto`` (CUDA when there is one, else the CPU), or what PyTorch calls a device.

    Attributes
    ----------
    spec : ModelSpec
        What the exported file would say about itself.
    provider : str
        What runs: ``torch-cpu`` or ``torch-cuda``.
    sha256 : str
        Of the weights' file.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.spec = describe(checkpoint)
        self.provider, self.cuda_problem = f"torch-{self.device.type}", ""
        self.threads = None
        self.version = f"PyTorch {torch.__version__}"
        self.sha256 = hashlib.sha256((checkpoint.folder / GENERATOR).read_bytes()).hexdigest()
        self.network = checkpoint.network.to(self.device)

    def batch_size(self, height: int, width: int) -> int:
        """Return how many windows go into one call: one."""
        return 1

    def complete(self, image: np.ndarray, mask: np.ndarray, cancel: Event | None = None) -> np.ndarray:
        """Run the network.

        Parameters
        ----------
        image : float32 array of shape (N, 3, H, W)
            RGB in [0, 1]; any H, W >= 1.
        mask : float32 array of shape (N, 1, H, W)
            1 inside holes.
        cancel
            Is looked at before the call: PyTorch cannot be stopped in one.

        Returns
        -------
        float32 array of shape (N, 3, H, W)
            The completion, in [0, 1].

        Raises
        ------
        FillCancelledError
            When ``cancel`` is set.
        RuntimeError
            When the completion is not finite.
        """
        stop_if(cancel)
        x, m = (torch.from_numpy(array).to(self.device) for array in (image, mask))
        with torch.inference_mode():
            completion = complete_window(self.network, x, m).clamp(0, 1).cpu().numpy()
        if not torch.from_numpy(completion).isfinite().all():
            raise RuntimeError(f"checkpoint of {self.spec.name!r} is damaged: its completion is not finite")
        return completion


class CheckpointInpainter(Inpainter):
    """Fills holes with a checkpoint: windows, seam and composite are the engine's.

    Parameters
    ----------
    checkpoint
        A checkpoint folder, or a run, which stands for its best checkpoint.
    device
        See `CheckpointSession`.

    Raises
    ------
    ValueError
        When there is no checkpoint, or it is damaged, or there is no such device.
    """

    def __init__(self, checkpoint: Path, device: str = "auto") -> None:
        read = read_checkpoint(checkpoint)
        super().__init__(read.folder / GENERATOR, device)
        self._folder, self._checkpoint_session = read.folder, CheckpointSession(read, device)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._folder, self._arguments[1])

    @property
    def session(self) -> Any:
        """The network; here it is opened at once."""
        return self._checkpoint_session


def choose_device(device: str) -> torch.device:
    """Return PyTorch's device for the words of ``--device``.

    Raises
    ------
    ValueError
        When there is no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be auto, cpu or cuda, not {device!r}") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' cannot be used: PyTorch finds no GPU; use 'auto' or 'cpu'")
    return chosen
