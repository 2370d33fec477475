"""ONNX Runtime: find a model file, check it, choose a provider, and say which one really runs."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.contract import COMPLETION, FLOAT_LAYOUT, IMAGE, LAYOUTS, MASK, ModelSpec
from napari_inpaint.models import DEFAULT, bundled_models

if TYPE_CHECKING:
    from numpy.typing import NDArray

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
LARGEST_MODEL = 1 << 31
"""Bytes; a protobuf message cannot be larger."""
MEND = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"


def find_model(model: str | Path | None) -> Path:
    """Return the file of a model.

    Parameters
    ----------
    model
        A bundled model's name, the path of an ``.onnx`` file, or None for the best bundled model.

    Raises
    ------
    ValueError
        When there is no such model.
    """
    bundled = bundled_models()
    if model is None or str(model) in bundled:
        return bundled[str(model or DEFAULT)]
    path = Path(model)
    if not path.is_file():
        raise ValueError(f"no model {str(model)!r}: name an .onnx file or a bundled model ({', '.join(bundled)})")
    return path


class Session:
    """A model file, loaded.

    Parameters
    ----------
    path
        The model file.
    device
        ``auto`` (CUDA when it works, else the CPU), ``cpu``, ``cuda``, or an ONNX Runtime provider's name.
    threads
        Threads of the CPU provider; all cores when it is None.

    Attributes
    ----------
    spec : ModelSpec
        What the file says about itself.
    provider : str
        The provider that really runs.
    cuda_problem : str
        Why CUDA is not used although ``auto`` would prefer it; empty when it is used or was not asked for.
    sha256 : str
        Of the model file.

    Raises
    ------
    ValueError
        When the file is no ONNX model, not one of ours, or the device cannot be used; the message says what to do.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int | None = None) -> None:
        ort = import_onnxruntime()
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        data = _read_model(path)
        self.sha256 = hashlib.sha256(data).hexdigest()
        providers, self.cuda_problem = choose_providers(device, ort)
        options = ort.SessionOptions()
        options.log_severity_level = 4  # failures are raised; warnings would reach the user's terminal
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(data, options, providers=providers)
        except Exception as error:  # ONNX Runtime raises many kinds of its own
            raise ValueError(f"{path} is not a model that ONNX Runtime can load: {_first_line(error)}") from error
        self.provider: str = self._session.get_providers()[0]
        if self.provider != providers[0]:
            sentence = f"{providers[0]} did not start, {self.provider} runs instead"
            if device != "auto":
                raise ValueError(f"device {device!r} cannot be used: {sentence}; use device='auto' or 'cpu'")
            self.cuda_problem = sentence
        self.spec = self._check(path)

    def _check(self, path: Path) -> ModelSpec:
        try:
            spec = ModelSpec.from_metadata(self._session.get_modelmeta().custom_metadata_map)
        except ValueError as error:
            raise ValueError(f"{path} is not a napari-inpaint model: {error}; make one with inpaint-export") from None
        if spec.layout != FLOAT_LAYOUT:
            raise ValueError(
                f"{path} has the layout {spec.layout!r}, for programs that run ONNX Runtime themselves; here "
                f"only {FLOAT_LAYOUT!r} can be used: export it with --layout {FLOAT_LAYOUT}"
            )
        layout = LAYOUTS[FLOAT_LAYOUT]
        tensors = [(x.name, x.type, len(x.shape)) for x in (*self._session.get_inputs(), *self._session.get_outputs())]
        expected = [(name, f"tensor({layout.element})", len(axes))
                    for name, axes in (*layout.inputs.items(), *layout.outputs.items())]  # fmt: skip
        if tensors != expected:
            raise ValueError(f"{path} has tensors {tensors}, not {expected} (name, type, axes)")
        return spec

    def complete(self, image: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network.

        Parameters
        ----------
        image : float32 array of shape (N, 3, H, W)
            RGB in [0, 1].
        mask : float32 array of shape (N, 1, H, W)
            1 inside holes.

        Returns
        -------
        float32 array of shape (N, 3, H, W)
            The completion, in [0, 1].

        Raises
        ------
        RuntimeError
            When the provider fails, for example for want of memory.
        """
        try:
            completion: NDArray[np.float32] = self._session.run([COMPLETION], {IMAGE: image, MASK: mask})[0]
        except Exception as error:  # ONNX Runtime raises many kinds of its own
            raise RuntimeError(
                f"{self.provider} could not complete a window of {image.shape[2]} x {image.shape[3]} pixels (is there "
                f"enough memory?): {_first_line(error)}"
            ) from error
        if completion.shape != image.shape or not np.isfinite(completion).all():
            raise RuntimeError(
                f"the model is damaged: for an image of shape {image.shape} its completion has shape "
                f"{completion.shape}" + ("" if np.isfinite(completion).all() else " and is not finite")
            )
        return completion


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, and recognise an installation that two wheels have broken.

    Raises
    ------
    ImportError
        With the command that mends it.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"ONNX Runtime cannot be imported ({error}); mend it with: {MEND}") from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise ImportError(f"ONNX Runtime is only half installed; mend it with: {MEND}")
    return onnxruntime


def choose_providers(device: str, ort: Any) -> tuple[list[str], str]:
    """Return the providers to ask for, best first, and why CUDA is not among them when it could have been.

    Raises
    ------
    ValueError
        When the device is unknown, or cannot be used.
    """
    available = ort.get_available_providers()
    if device == "cpu":
        return [CPU], ""
    if device in ("auto", "cuda"):
        problem = find_cuda_problem(available)
        if not problem:
            if hasattr(ort, "preload_dlls"):
                with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find, and goes on
                    ort.preload_dlls()
            return [CUDA, CPU], ""
        if device == "cuda":
            raise ValueError(f"device 'cuda' cannot be used: {problem}; use device='auto' or 'cpu'")
        return [CPU], problem
    if device in available:
        return [device] if device == CPU else [device, CPU], ""
    raise ValueError(f"unknown device {device!r}: use auto, cpu, cuda or one of {', '.join(available)}")


def find_cuda_problem(available: list[str]) -> str:
    """Return why CUDA cannot be used, or an empty string.

    ONNX Runtime lists its CUDA provider on machines without a GPU too, and complains loudly when it is asked for it;
    so the driver is asked first.
    """
    if CUDA not in available:
        return "the installed ONNX Runtime has no CUDA support"
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return "no NVIDIA driver is installed"
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value < 1:
        return "the NVIDIA driver finds no GPU"
    return ""


def _read_model(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_MODEL:
            raise ValueError(f"{path} is larger than 2 GiB: not a model")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
