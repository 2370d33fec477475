"""The command inpaint-train."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from napari_inpaint.errors import is_out_of_memory, name_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """examples:
  inpaint-train pack photos/ data/landscapes
  inpaint-train fit --recipe compact --data data/landscapes --out runs/compact --max-minutes 60
  inpaint-train fit --recipe compact --data data/landscapes --out runs/wide --network.width 0.5 --phases.0.batch 8
  inpaint-train fit --recipe compact --data data/landscapes --out runs/compact --resume
  inpaint-train blend runs/compact/step-0004800 runs/compact --share 0.4
  inpaint-train widen weights/compact runs/start --width 1
  inpaint-train join weights/landscape runs/compact-two-stage runs/refined
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; words that it does not know are overrides of the recipe."""
    parser = argparse.ArgumentParser(
        "inpaint-train", description="Train completion networks on your own photos.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"napari-inpaint {version('napari-inpaint')}")
    commands = parser.add_subparsers(dest="command", required=True)

    pack = commands.add_parser("pack", help="decode photos into a data set", allow_abbrev=False)
    pack.add_argument("photos", nargs="+", type=Path, help="images, folders, zarr stores or tar archives")
    pack.add_argument("dataset", type=Path, help="folder to write; new or empty")
    pack.add_argument("--short-side", type=int, default=768, metavar="PX", help="scale larger photos down to this")
    pack.add_argument(
        "--native", action="store_true",
        help="keep pixels at their own scale; images of at least 96 px: micrographs and the like",
    )  # fmt: skip
    pack.add_argument("--masks", type=Path, metavar="FILE|DIR", help="damage in the images, not 0 there: not learnt")
    pack.add_argument("--mask-pattern", metavar="P", help="names of masks, such as '{stem}_mask*'")
    pack.add_argument("--keep-duplicates", action="store_true", help="keep photos that repeat an earlier one")
    pack.add_argument("--jobs", type=int, metavar="N", help="cores to use; default: all")

    fit = commands.add_parser(
        "fit", help="train a network", allow_abbrev=False,
        epilog="Every key of the recipe is an option too, for example --train.steps 1000 or --network.width 0.5.",
    )  # fmt: skip
    fit.add_argument("--recipe", required=True, help="a bundled recipe's name, or a YAML file")
    fit.add_argument("--data", required=True, type=Path, metavar="DATASET", help="what 'pack' wrote")
    fit.add_argument("--out", required=True, type=Path, metavar="RUN", help="folder for checkpoints, logs and samples")
    fit.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in RUN")
    fit.add_argument(
        "--from", dest="start_from", type=Path, metavar="START",
        help="weights to start with: a checkpoint, a run, an .onnx file, or a bundled name such as landscape",
    )  # fmt: skip
    fit.add_argument("--max-minutes", type=float, metavar="M", help="time that this call may take")
    fit.add_argument("--devices", default="1", metavar="D", help="processes on every node, one a device; or auto")
    fit.add_argument("--num-nodes", type=int, default=1, metavar="N", help="computers")
    fit.add_argument("--precision", metavar="P", help="32-true or bf16-mixed; the default is the fast one")

    blend = commands.add_parser("blend", help="interpolate the weights of two checkpoints", allow_abbrev=False)
    blend.add_argument("a", type=Path, help="a checkpoint, for example the last one before adversarial training")
    blend.add_argument("b", type=Path, help="one that grew from it")
    blend.add_argument("--share", type=float, required=True, help="of B, 0 to 1")
    blend.add_argument("--out", type=Path, metavar="CHECKPOINT", help="folder to write; beside B when left out")

    widen = commands.add_parser("widen", help="grow a trained network; it completes as before", allow_abbrev=False)
    widen.add_argument("checkpoint", type=Path, help="of a narrower network, or a run")
    widen.add_argument("out", type=Path, help="folder to write, for fit --from")
    widen.add_argument("--width", type=float, required=True, help="of the new network; 1 is that of the paper")

    join = commands.add_parser("join", help="put one network's second stage behind another network", allow_abbrev=False)
    join.add_argument("first", type=Path, help="checkpoint whose (first) stage to take, or a run")
    join.add_argument("second", type=Path, help="checkpoint whose second stage to take, or a run")
    join.add_argument("out", type=Path, help="folder to write")

    commands.add_parser("recipes", help="list the bundled recipes", allow_abbrev=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = build_parser()
    arguments, overrides = parser.parse_known_args(argv)
    if overrides and arguments.command != "fit":
        parser.error(f"unrecognized arguments: {' '.join(overrides)}")
    try:
        return COMMANDS[arguments.command](arguments, overrides)
    except ImportError as error:
        say(sys.stderr, f"inpaint-train: {name_missing(error, 'train')}\n")
        return 1
    except (ValueError, OSError) as error:
        say(sys.stderr, f"inpaint-train: {error}\n")
        return 1
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        fit = "set a smaller --phases.N.batch, or --phases.N.accumulate"
        remedy = fit if arguments.command == "fit" else "close other programs"
        say(sys.stderr, f"inpaint-train: the memory is too small: {remedy}\n")
        return 1
    except KeyboardInterrupt:
        resumable = arguments.command == "fit" and any(arguments.out.glob("step-*"))
        how = "; go on with --resume" if resumable else ""
        say(sys.stderr, f"inpaint-train: stopped{how}\n")
        return 1


def say(stream: TextIO, text: str) -> None:
    """Write, in the first of the processes that train together."""
    if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0":
        stream.write(text)


def run_pack(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    """Pack photos and report what was left out."""
    from inpaint_training.data.dataset import describe
    from inpaint_training.data.pack import PackSettings, pack, summarise

    settings = PackSettings(
        arguments.short_side, arguments.native, arguments.keep_duplicates, arguments.masks, arguments.mask_pattern,
        arguments.jobs,
    )  # fmt: skip
    packed = pack(arguments.photos, arguments.dataset, settings)
    for note in packed.notes:
        sys.stderr.write(f"{note}\n")
    for name, reason in packed.left_out.items():
        sys.stdout.write(f"left out {name}: {reason}\n")
    reasons = f" ({summarise(packed.left_out)})" if packed.left_out else ""
    sys.stdout.write(f"{arguments.dataset}: {len(packed.entries)} photos ({describe(packed.entries)}), "
                     f"{len(packed.left_out)} left out{reasons}\n")  # fmt: skip
    return 0


def run_fit(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Train and name the checkpoint."""
    from inpaint_training.recipes.library import load_recipe

    recipe = load_recipe(arguments.recipe, overrides)
    from inpaint_training.checkpoints.checkpoint import resolve_checkpoint
    from inpaint_training.trainer.fabric import LaunchSettings
    from inpaint_training.trainer.fit import fit

    devices = int(arguments.devices) if arguments.devices.isdecimal() else arguments.devices
    progress = fit(
        recipe, arguments.data, arguments.out, resume=arguments.resume, start_from=arguments.start_from,
        max_minutes=arguments.max_minutes,
        fix_steps=not any(word.partition("=")[0] == "--train.steps" for word in overrides),
        launch=LaunchSettings(devices, arguments.num_nodes, arguments.precision),
    )  # fmt: skip
    say(
        sys.stdout,
        f"{progress.step} steps, {progress.images} images, {progress.minutes:.1f} minutes on {progress.device}; "
        f"L1 over the holes of held-out photos: {progress.l1_hole:.4f}\n"
        f"newest checkpoint: {resolve_checkpoint(arguments.out, 'newest')}\n"
        f"best checkpoint: {resolve_checkpoint(arguments.out, 'best')}\n",
    )
    return 0


def run_blend(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    """Interpolate and name the new checkpoint."""
    from inpaint_training.checkpoints.blend import blend

    sys.stdout.write(f"{blend(arguments.a, arguments.b, arguments.share, arguments.out)}\n")
    return 0


def run_widen(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    """Grow a network and name the new checkpoint."""
    from inpaint_training.checkpoints.widen import widen

    sys.stdout.write(f"{widen(arguments.checkpoint, arguments.width, arguments.out)}\n")
    return 0


def run_join(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    """Put two stages together and name the new checkpoint."""
    from inpaint_training.checkpoints.join import join

    sys.stdout.write(f"{join(arguments.first, arguments.second, arguments.out)}\n")
    return 0


def run_recipes(_: argparse.Namespace, __: Sequence[str]) -> int:
    """List the bundled recipes."""
    from inpaint_training.recipes.library import bundled_recipes, load_recipe

    for name in bundled_recipes():
        sys.stdout.write(f"{name:16} {load_recipe(name).description}\n")
    return 0


COMMANDS = {
    "pack": run_pack,
    "fit": run_fit,
    "blend": run_blend,
    "widen": run_widen,
    "join": run_join,
    "recipes": run_recipes,
}

if __name__ == "__main__":
    sys.exit(main())
