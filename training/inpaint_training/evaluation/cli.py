"""The command inpaint-eval."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from inpaint_training.evaluation.baselines import METHODS
from napari_inpaint.errors import is_out_of_memory, name_missing
from napari_inpaint.inference.options import Detail

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """examples:
  inpaint-eval --photos val.tar --model compact --out report
  inpaint-eval --photos val.tar --model landscape --detail network --detail copied --method shiftmap --out report
  inpaint-eval --photos val.tar --model runs/mine --method pullpush --masks strokes --out report
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        "inpaint-eval", description="Compare models and classical methods on the same holes.", allow_abbrev=False,
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR|TAR|DATASET", help="never those trained on")
    parser.add_argument(
        "--native", action="store_true", help="do not scale photos of 8 bits; all other images keep their scale anyhow"
    )
    parser.add_argument(
        "--model", action="append", default=[], metavar="FILE|NAME|RUN",
        help="an .onnx file, a bundled model, a checkpoint, or a run (its best checkpoint); can be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--detail", action="append", choices=get_args(Detail),
        help="what of the model's fill is evaluated: its completion (network, the default), that replaced by copies of "
        "known pixels, as fills are by default (copied), or no network at all (smooth); can be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--method", action="append", choices=tuple(METHODS),
        help="can be repeated; all that can run when none is named",
    )  # fmt: skip
    parser.add_argument(
        "--masks", choices=("box", "strokes"), default="box", help="one square hole (default), or thick brush strokes"
    )
    parser.add_argument(
        "--holes", type=int, nargs=2, default=(88, 128), metavar=("MIN", "MAX"), help="sides of boxes, in pixels"
    )
    parser.add_argument("--crop", type=int, default=256, metavar="PX", help="side of the crops (default 256)")
    parser.add_argument("--crops", type=int, default=2, metavar="N", help="crops of every photo (default 2)")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--sheet", type=int, default=8, metavar="N", help="crops on the contact sheet (default 8)")
    parser.add_argument("--worst", type=int, default=0, metavar="N",
                        help="another sheet, of the crops that the first model fills worst, by PSNR")  # fmt: skip
    parser.add_argument("--device", default="auto", help="for models and features: auto, cpu, cuda")
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT", help="folder for tables and pictures")
    parser.add_argument("--version", action="version", version=f"napari-inpaint {version('napari-inpaint')}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        from inpaint_training.evaluation.comparison import (
            run,  # after the usage is checked: torch takes seconds to import
        )

        return run(arguments)
    except ImportError as error:
        sys.stderr.write(f"inpaint-eval: {name_missing(error, 'eval')}\n")
        return 1
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        reason = "the memory is too small: set a smaller --crop" if is_out_of_memory(error) else error
        sys.stderr.write(f"inpaint-eval: {reason}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("inpaint-eval: stopped\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
