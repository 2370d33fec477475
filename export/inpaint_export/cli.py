"""The command inpaint-export."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = """example:
  inpaint-export runs/compact compact.onnx
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        "inpaint-export", description="Export a trained network to a self-describing ONNX file, and prove it equal.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("checkpoint", type=Path, help="a checkpoint folder, or a run, which means its best checkpoint")
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="the file to write")
    parser.add_argument("--opset", type=int, default=18, metavar="N", help="ONNX opset, 18 or newer (default 18)")
    parser.add_argument("--overwrite", action="store_true", help="replace MODEL.onnx")
    parser.add_argument("--version", action="version", version=f"napari-inpaint {version('napari-inpaint')}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        return export(arguments.checkpoint, arguments.model, arguments.opset, arguments.overwrite)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"inpaint-export: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("inpaint-export: stopped\n")
        return 1


def export(checkpoint_path: Path, model_path: Path, opset: int, overwrite: bool) -> int:
    """Export, check and compare; the file appears only when everything passed.

    Returns
    -------
    int
        0, or 1 when ONNX Runtime does not compute what PyTorch computes.
    """
    if model_path.suffix != ".onnx":
        raise ValueError(f"{model_path}: name a file that ends in .onnx")
    if model_path.exists() and not overwrite:
        raise ValueError(f"{model_path} exists: name another file, or add --overwrite")
    if not model_path.parent.is_dir():
        raise ValueError(f"{model_path.parent} is no folder")
    import onnx  # after the cheap checks: torch and onnx take seconds to import

    from inpaint_export.convert import describe, to_onnx
    from inpaint_export.verify import TABLE_HEAD, compare, table_row
    from inpaint_training.checkpoint import read_checkpoint
    from inpaint_training.context_encoder import ContextEncoder

    checkpoint = read_checkpoint(checkpoint_path)
    network = checkpoint.network
    if isinstance(network, ContextEncoder):
        raise ValueError(
            f"{checkpoint.folder} holds a context encoder, which completes {network.fixed_side} x {network.fixed_side} "
            "pixels only: a model file must take images of any size, so it cannot be exported"
        )
    spec = describe(checkpoint)
    started = time.monotonic()
    model = to_onnx(network, spec, opset)
    onnx.checker.check_model(model, full_check=True)
    with tempfile.TemporaryDirectory(prefix=f".{model_path.name}-", dir=model_path.parent) as folder:
        partial = Path(folder) / model_path.name
        onnx.save_model(model, partial)
        sys.stdout.write(TABLE_HEAD + "\n")
        passed = True
        for parity in compare(network, partial):
            passed &= parity.passed
            sys.stdout.write(table_row(parity) + "\n")
            sys.stdout.flush()
        if not passed:
            sys.stderr.write("inpaint-export: ONNX Runtime does not compute what PyTorch computes; nothing written\n")
            return 1
        partial.replace(model_path)
    size = model_path.stat().st_size / 1e6
    sys.stdout.write(
        f"{model_path}: {spec.name}, {spec.parameters:,} parameters, {size:.1f} MB, opset {opset}, "
        f"from {checkpoint.folder}, in {time.monotonic() - started:.0f} s\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
