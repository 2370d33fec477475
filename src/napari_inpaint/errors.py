"""Other libraries' errors in a sentence of ours."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Return an error's first line, with the second when that ends in a colon; its kind when it says nothing."""
    first, *others = str(error).splitlines() or [type(error).__name__]
    return f"{first} {others[0].strip()}" if first.endswith(":") and others else first


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory does not suffice: Python's, PyTorch's of a GPU, or its of the CPU."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported everywhere
        or "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


def name_missing(error: ImportError, extra: str) -> str:
    """Return a sentence about a package that is not installed, with the extra that brings it.

    Parameters
    ----------
    error
        What importing it raised; raised again when what is missing is a module of ours.
    extra
        Of napari-inpaint.
    """
    package = (error.name or "").partition(".")[0]
    if package in ("napari_inpaint", "inpaint_training", "inpaint_export"):
        raise error
    if not package:  # it says more itself, as ONNX Runtime's that is half installed
        return str(error)
    return f'{package} is missing or too old: pip install "napari-inpaint[{extra}]"'
