"""The command inpaint-export."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from inpaint_export.targets import PROOFS, ExportSettings, check_targets
from napari_inpaint.errors import first_line, name_missing
from napari_inpaint.inference.runtime.contract import BYTE_LAYOUT, FLOAT_LAYOUT, LAYOUTS, PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """examples:
  inpaint-export runs/compact compact.onnx
  inpaint-export runs/compact compact.int8.onnx --precision int8 --calibrate data/landscapes
  inpaint-export runs/compact compact.bytes.onnx --layout nhwc-uint8
"""
LIBRARIES = ("onnx", "onnxruntime", "onnx_ir", "torch")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        "inpaint-export", description="Export a trained network to a self-describing ONNX file, and prove it equal.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument(
        "checkpoint", type=named_path, help="a checkpoint folder, or a run, which means its best checkpoint"
    )
    parser.add_argument("model", type=named_path, metavar="MODEL.onnx", help="the file to write")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the layers (default fp32)")
    parser.add_argument(
        "--calibrate", type=named_path, metavar="PHOTOS",
        help="for int8: training photos, as a folder, tar or data set; never those it is judged on",
    )  # fmt: skip
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default=FLOAT_LAYOUT,
                        help=f"{FLOAT_LAYOUT} (default): batches of float images, as napari-inpaint uses them; "
                        f"{BYTE_LAYOUT}: one picture as other programs hold it")  # fmt: skip
    parser.add_argument("--opset", type=int, metavar="N", help="ONNX opset; default: the oldest possible, 18 or 19")
    parser.add_argument("--bioimageio", type=named_path, metavar="ZIP", help="write a BioImage Model Zoo package too")
    parser.add_argument("--proof", choices=PROOFS, default="quick" if sys.stdout.isatty() else "full",
                        help="what is compared with PyTorch: pictures of up to 2048 x 2048 px (full), or only small "
                        "ones, in a tenth of the time (quick, the default in a terminal)")  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    parser.add_argument("--version", action="version", version=f"napari-inpaint {version('napari-inpaint')}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    settings = ExportSettings(**vars(arguments))
    try:
        settings.check()
    except ValueError as error:
        parser.error(str(error))
    try:
        check_targets(settings.targets, settings.overwrite)
        from inpaint_export.pipeline import export  # after the cheap checks: torch and onnx take seconds to import

        export(settings, say)
    except ImportError as error:
        return fail(name_missing(error, "export"))
    except (ValueError, OSError) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return fail("stopped, nothing written")
    except Exception as error:  # the libraries raise many kinds of their own
        if not isinstance(error, RuntimeError | MemoryError) and type(error).__module__.split(".")[0] not in LIBRARIES:
            raise
        return fail(f"{first_line(error)} (is there enough memory?); nothing written")
    return 0


def say(text: str) -> None:
    """Print it at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def fail(sentence: str) -> int:
    """Say what went wrong, in one line; return the exit status."""
    sys.stderr.write(f"inpaint-export: {' '.join(sentence.split())}\n")
    return 1


def named_path(text: str) -> Path:
    """Return a path; an empty word, as of a variable that is not set, would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
