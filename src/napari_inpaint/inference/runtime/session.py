"""A model file, loaded into ONNX Runtime: check it, run it, stop it, and say which provider really runs."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.errors import first_line
from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.runtime.contract import COMPLETION, FLOAT_LAYOUT, IMAGE, LAYOUTS, MASK, ModelSpec
from napari_inpaint.inference.runtime.providers import (
    CPU,
    CUDA,
    choose_providers,
    find_reason,
    import_onnxruntime,
    make_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event

LARGEST_MODEL = 1 << 31
"""Bytes; a protobuf message cannot be larger."""
BATCH_MEMORY = 2 << 30
"""Bytes of a device that a batch may take; when it has fewer, the batch is halved."""
EXTERNAL_WEIGHTS = b"\x0a\x08location\x12"
"""How a tensor of an ONNX file begins to name another file that holds it."""
POLL = 0.01
"""Seconds between two looks at whether a running call is to be stopped."""
MEMORY_ERRORS = ("failed to allocate", "out of memory", "alloc_failed", "bfcarena", "not enough memory")
"""How providers say that a device has too little memory, in lower case."""


class Session:
    """A model file, loaded. Several threads can use it.

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
        Why CUDA is not used although it was preferred; empty when it is used or was not asked for.
    threads : int or None
        As given.
    sha256 : str
        Of the model file.
    runtime : onnxruntime.InferenceSession
        What runs it.
    version : str
        Of ONNX Runtime.

    Raises
    ------
    ValueError
        When the file is no ONNX model, not one of ours, or the device cannot be used; the message says what to do.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int | None = None) -> None:
        self._ort = ort = import_onnxruntime()
        data = _read_model(path)
        self.sha256 = hashlib.sha256(data).hexdigest()
        providers, self.cuda_problem = choose_providers(device, ort)
        self.threads = threads
        self._open_on_cpu = functools.partial(Session, path, "cpu", threads)
        self._lock, self._memory = threading.Lock(), BATCH_MEMORY
        try:
            usual = providers[0] in (CPU, CUDA)  # others must not fall back to them, which is announced on stdout
            self.runtime = ort.InferenceSession(
                data, make_options(ort, threads), providers=providers, enable_fallback=usual
            )
        except Exception as error:  # ONNX Runtime raises many kinds of its own
            if not usual:
                raise ValueError(
                    f"device {device!r} cannot be used: it does not open {path}: {find_reason(str(error))}; use "
                    "device='auto' or 'cpu'"
                ) from error
            raise ValueError(f"{path} is not a model that ONNX Runtime can load: {first_line(error)}") from error
        self.version: str = ort.__version__
        self.provider: str = self.runtime.get_providers()[0]
        if self.provider != providers[0]:
            sentence = f"{providers[0]} did not start, {self.provider} would run instead"
            if device != "auto":
                raise ValueError(f"device {device!r} cannot be used: {sentence}; use device='auto' or 'cpu'")
            self.cuda_problem = sentence
        self.spec = self._check(path)

    def _check(self, path: Path) -> ModelSpec:
        try:
            spec = ModelSpec.from_metadata(self.runtime.get_modelmeta().custom_metadata_map)
        except ValueError as error:
            raise ValueError(f"{path} is not a napari-inpaint model: {error}; make one with inpaint-export") from None
        if spec.layout != FLOAT_LAYOUT:
            raise ValueError(
                f"{path} has the layout {spec.layout!r}, for programs that run ONNX Runtime themselves; here "
                f"only {FLOAT_LAYOUT!r} can be used: export it with --layout {FLOAT_LAYOUT}"
            )
        layout = LAYOUTS[FLOAT_LAYOUT]
        tensors = [(x.name, x.type, len(x.shape)) for x in (*self.runtime.get_inputs(), *self.runtime.get_outputs())]
        expected = [(name, f"tensor({layout.element})", len(axes))
                    for name, axes in (*layout.inputs.items(), *layout.outputs.items())]  # fmt: skip
        if tensors != expected:
            raise ValueError(f"{path} has tensors {tensors}, not {expected} (name, type, axes)")
        return spec

    def complete(
        self, image: NDArray[np.float32], mask: NDArray[np.float32], cancel: Event | None = None
    ) -> NDArray[np.float32]:
        """Run the network.

        A batch for which a device has too little memory is halved; a window for which it has too little goes to the
        CPU, as all later ones do, with a warning.

        Parameters
        ----------
        image : float32 array of shape (N, 3, H, W)
            RGB in [0, 1].
        mask : float32 array of shape (N, 1, H, W)
            1 inside holes.
        cancel
            Ends a running call as soon as it is set.

        Returns
        -------
        float32 array of shape (N, 3, H, W)
            The completion, in [0, 1].

        Raises
        ------
        FillCancelledError
            When ``cancel`` is set.
        RuntimeError
            When the provider fails.

        Warns
        -----
        RuntimeWarning
            When the CPU takes over.
        """
        stop_if(cancel)
        with self._stopping(cancel) as options:
            try:
                return self._complete(image, mask, options)
            except RuntimeError:
                stop_if(cancel)
                raise

    def _complete(
        self, image: NDArray[np.float32], mask: NDArray[np.float32], options: Any | None
    ) -> NDArray[np.float32]:
        provider = self.provider
        try:
            completion = self._run(image, mask, options)
        except Exception as error:  # ONNX Runtime raises many kinds of its own
            if provider != CPU and any(words in str(error).lower() for words in MEMORY_ERRORS):
                if len(image) > 1:
                    self._memory //= 2  # for later batches too
                    half = len(image) // 2
                    parts = (self._complete(image[part], mask[part], options) for part in (np.s_[:half], np.s_[half:]))
                    return np.concatenate(list(parts))
                self._move_to_cpu(provider, error)
                return self._complete(image, mask, options)
            window = f"{provider} could not complete a window of {image.shape[2]} x {image.shape[3]} pixels"
            if provider not in (CPU, CUDA):
                raise RuntimeError(f"{window}: {find_reason(str(error))}; use device='auto' or 'cpu'") from error
            raise RuntimeError(f"{window} (is there enough memory?): {first_line(error)}") from error
        if completion.shape != image.shape or not np.isfinite(completion).all():
            raise RuntimeError(
                f"the model is damaged: for an image of shape {image.shape} its completion has shape "
                f"{completion.shape}" + ("" if np.isfinite(completion).all() else " and is not finite")
            )
        return completion

    def _run(self, image: NDArray[np.float32], mask: NDArray[np.float32], options: Any | None) -> NDArray[np.float32]:
        feeds = {IMAGE: image, MASK: mask}
        if self.provider != CUDA:
            return np.asarray(self.runtime.run([COMPLETION], feeds, options)[0])
        binding = self.runtime.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        binding.bind_output(COMPLETION)
        self.runtime.run_with_iobinding(binding, options)
        return np.asarray(binding.copy_outputs_to_cpu()[0])

    def _move_to_cpu(self, provider: str, error: Exception) -> None:
        with self._lock:
            if self.provider != provider:
                return  # another thread did
            replacement = self._open_on_cpu()
            self.runtime, self.provider = replacement.runtime, replacement.provider
            self.cuda_problem = f"{provider} ran out of memory"
        warnings.warn(
            f"{provider} has too little memory ({first_line(error)}): {self.provider} goes on, more slowly",
            RuntimeWarning, stacklevel=4,
        )  # fmt: skip

    @contextlib.contextmanager
    def _stopping(self, cancel: Event | None) -> Iterator[Any]:
        """Give the options of a call that ends as soon as the event is set."""
        if cancel is None:
            yield None
            return
        options, done = self._ort.RunOptions(), threading.Event()

        def watch() -> None:
            while not done.wait(POLL):
                if cancel.is_set():
                    options.terminate = True
                    return

        watcher = threading.Thread(target=watch, name="inpaint-cancel", daemon=True)
        watcher.start()
        try:
            yield options
        finally:
            done.set()
            watcher.join()

    def batch_size(self, height: int, width: int) -> int:
        """Return how many windows of this size go into one call.

        One on a CPU, whose cores one window keeps busy; on other devices as many as fit into `BATCH_MEMORY`, or half of
        it after each time that they did not.
        """
        if self.provider == CPU:
            return 1
        # the widest layers hold 64 channels per pixel in a network of 6 million parameters, in a few buffers
        bytes_per_pixel = 0.6 * math.sqrt(self.spec.parameters)
        if self.spec.has_attention:
            bytes_per_pixel += 768  # attention: up to 4096 weights for every cell of 64 pixels, in three buffers
        return max(1, int(self._memory / (bytes_per_pixel * height * width)))


def _read_model(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_MODEL:
            raise ValueError(f"{path} is larger than 2 GiB: not a model")
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if EXTERNAL_WEIGHTS in data:
        raise ValueError(f"{path} keeps weights in other files, which is refused: save it with all weights inside")
    return data
