"""Devices, processes and precision: the settings with which Lightning Fabric launches a run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision as FabricMixedPrecision
from lightning_fabric.strategies import DDPStrategy  # type: ignore[attr-defined]
from lightning_fabric.utilities.exceptions import MisconfigurationException

PRECISIONS = ("32-true", "bf16-mixed")
"""float16 would need its losses scaled, and pure bfloat16 cannot hold an average of weights."""


class MixedPrecision(FabricMixedPrecision):
    """Fabric's, but images stay float32 on their way into the networks.

    Half-precision images would lose known pixels, the smooth start and the penalty's accuracy; autocast converts what
    convolutions take by itself.
    """

    def __init__(self, precision: Any) -> None:
        super().__init__(precision, "cuda" if torch.cuda.is_available() else "cpu")

    def convert_input(self, data: Any) -> Any:
        """Return the data as they are."""
        return data


@dataclass(frozen=True, slots=True)
class LaunchSettings:
    """What a run is launched with."""

    devices: int | str = 1
    """Processes on every node, one a device; ``auto`` takes all GPUs."""
    nodes: int = 1
    """Computers."""
    precision: str | None = None
    """One of `PRECISIONS`; bf16-mixed where the hardware computes it, else 32-true, when it is None."""

    @property
    def processes(self) -> int:
        """How many there are, on all computers."""
        devices = self.devices if isinstance(self.devices, int) else max(1, torch.cuda.device_count())
        return devices * self.nodes

    def check(self) -> None:
        """Raise `ValueError` for what this computer cannot do."""
        most = torch.cuda.device_count() or os.cpu_count() or 1
        if isinstance(self.devices, int) and not 1 <= self.devices <= most:
            raise ValueError(f"--devices must be 1 to {most} on this computer, not {self.devices}")
        if self.nodes < 1:
            raise ValueError(f"--num-nodes must be at least 1, not {self.nodes}")
        if self.precision not in (None, *PRECISIONS):
            raise ValueError(f"no precision {self.precision!r}: choose one of {', '.join(PRECISIONS)}")

    def launch(self, partly: bool = False) -> Fabric:
        """Start the processes.

        Parameters
        ----------
        partly
            Not all weights get gradients in every step; several processes must know.
        """
        self.check()
        precision: Any = self.precision or fast_precision()
        torch.backends.cudnn.benchmark = True  # a phase has one size of crops
        try:
            chosen: dict[str, Any] = (
                {"plugins": [MixedPrecision(precision)]} if precision.endswith("-mixed") else {"precision": precision}
            )
            if partly and self.processes > 1:
                chosen["strategy"] = DDPStrategy(find_unused_parameters=True)
            fabric = Fabric(devices=self.devices, num_nodes=self.nodes, **chosen)
        except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
            raise ValueError(f"devices {self.devices}, nodes {self.nodes}, precision {precision}: {error}") from error
        fabric.launch()
        return fabric


def fast_precision() -> str:
    """Return bf16-mixed where bfloat16 is computed by the hardware, else 32-true."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("avx512_bf16") else "32-true"
