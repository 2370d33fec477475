"""The command inpaint-fill."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import napari_inpaint
from napari_inpaint.command.arguments import RECORDED, cell, number
from napari_inpaint.command.saying import describe, open_streams, say, stream
from napari_inpaint.inference.options import Detail, FillOptions, Sources, Values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_inpaint.command.tasks import Task

EXAMPLES = """examples:
  inpaint-fill photo.png -o filled.png --box 120 80 200 260
  inpaint-fill plate.tif -o filled.tif --mask dust.png --grow 2 --record
  inpaint-fill scans/ -o filled/ --mask masks/ --jobs 4        # finished files are skipped on a second run
  inpaint-fill plate.tif --mask dust.png --plan
  inpaint-fill plate.tif --mask dust.png --self-check           # how far the fills are from the truth, on this image
  inpaint-fill --check-devices
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        "inpaint-fill", usage="inpaint-fill INPUT... -o OUTPUT [--box Y0 X0 Y1 X1]... [--mask FILE|DIR] [options]",
        description="Fill holes in images. Pixels outside the holes do not change.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("input", type=Path, nargs="*", metavar="INPUT",
                        help="png, jpg, webp, tif, npy, zarr, jp2, jxl, avif, gif, bmp; stacks too; or folders of "
                        "them; - is stdin")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="OUTPUT",
                        help="a file, also of another format; a folder for several inputs; - is stdout")  # fmt: skip
    parser.add_argument("--box", type=int, nargs=4, action="append", default=[], metavar=("Y0", "X0", "Y1", "X1"),
                        help="a rectangle to fill: top, left, bottom and right, in stored pixels; the last "
                        "two are exclusive; can be repeated")  # fmt: skip
    parser.add_argument("--mask", type=Path, metavar="FILE|DIR",
                        help="an image of the same size, not black in holes; or a folder of them, named like the "
                        "images: photo.png, photo.jpg.png, photo_mask.png")  # fmt: skip
    parser.add_argument("--mask-pattern", metavar="GLOB",
                        help="other names for the masks in a folder, such as '{stem}_hole*'; without --mask, "
                        "masks lie beside their images")  # fmt: skip
    parser.add_argument("--mask-threshold", type=number, metavar="V",
                        help="masks are brighter than this in holes; by default not 0 in masks of two values and in "
                        "labels, and above half of the range in others")  # fmt: skip
    parser.add_argument("--orientation", choices=("displayed", "stored"),
                        help="how boxes and masks are meant in photos that are stored turned; by default masks as "
                        "displayed, boxes as stored, unless only the other fits")  # fmt: skip
    parser.add_argument("--model", metavar="NAME|FILE", help="a bundled model or an .onnx file")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, or an ONNX Runtime provider")
    parser.add_argument("--grow", type=int, default=0, metavar="PX", help="extend every hole by this many pixels")
    parser.add_argument("--detail", choices=get_args(Detail), default="copied",
                        help="what holes are filled with: copies of known pixels, which the network's completion "
                        "chooses (default), that completion as it is, or the smoothest surface")  # fmt: skip
    parser.add_argument("--no-seam", dest="seam", action="store_false", help="do not correct the rim of the fill")
    parser.add_argument("--nan", action="store_true", help="fill NaN and infinite pixels too")
    parser.add_argument("--nodata", type=number, metavar="V",
                        help="a value that stands for none: such pixels are not known; by default, what a tif "
                        "declares")  # fmt: skip
    parser.add_argument("--alpha", action="store_true",
                        help="take the last channel for transparency, also where the file does not say so")  # fmt: skip
    parser.add_argument("--sources", choices=get_args(Sources), default="plane",
                        help="where copies come from: the plane itself, or first the same place in the planes before "
                        "and after it, where these show the same")  # fmt: skip
    parser.add_argument("--stack-axis", type=int, metavar="N",
                        help="of --sources stack: the axis of time or depth, 0 is the first")  # fmt: skip
    parser.add_argument("--values", choices=get_args(Values), default="intensity",
                        help="what numbers mean: intensities (default), labels, which are never mixed, or a phase in "
                        "radians")  # fmt: skip
    parser.add_argument("--mosaic", type=cell, metavar="RxC",
                        help="rows and columns of a colour filter array's cells, 2x2 for Bayer's")  # fmt: skip
    parser.add_argument("--wrap", choices=["x"], help="a 360° panorama: it goes on at its other edge")
    parser.add_argument("--series", type=int, metavar="N",
                        help="which image of a tif or zarr that holds several; 0 is the first")  # fmt: skip
    parser.add_argument("--record", action="store_true",
                        help="write how it was filled to OUTPUT.json, and into tif and zarr themselves")  # fmt: skip
    parser.add_argument(
        "--replay", type=Path, metavar="RECORD", help="repeat the fill of a record, and say if it is the same"
    )
    parser.add_argument("--synthetic-mask", type=Path, metavar="FILE|DIR",
                        help="write which pixels were made up, as a png that is white there")  # fmt: skip
    parser.add_argument("--offsets", type=Path, metavar="FILE|DIR",
                        help="write where every pixel was copied from: planes, rows down and columns right to its "
                        "source, 0 where it was known, -2147483648 where it is no copy; as a tif, an npy, or an npz, "
                        "which has the shares of copies too")  # fmt: skip
    parser.add_argument("--plan", action="store_true", help="print what would be done, and do nothing")
    parser.add_argument(
        "--self-check", action="store_true", help="hide known places near the holes, and print how close fills come"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="files to fill at once, each in a process")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    parser.add_argument("--json", action="store_true", help="print the results as JSON, a line for each file")
    parser.add_argument("--check-devices", action="store_true",
                        help="print what ONNX Runtime offers, what really works, and what fixes it")  # fmt: skip
    parser.add_argument("--version", action="version", version=f"napari-inpaint {napari_inpaint.__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = build_parser()
    words = list(sys.argv[1:] if argv is None else argv)
    end = words.index("--") if "--" in words else len(words)  # the parser takes what follows for options
    arguments = parser.parse_intermixed_args(words[:end])
    arguments.input += map(Path, words[end + 1 :])
    if arguments.check_devices:
        return print_devices()
    if not arguments.input:
        parser.error("name an image to fill")
    only_look = arguments.plan or arguments.self_check
    if arguments.replay is not None and (
        only_look or any(getattr(arguments, name) != parser.get_default(name) for name in RECORDED)
    ):
        parser.error("--replay takes the holes, and how they were filled, from the record: of the options leave only "
                     "--model, --device, --record, --synthetic-mask, --offsets, --overwrite and --json")  # fmt: skip
    names_holes = arguments.box or arguments.mask or arguments.mask_pattern or arguments.nan
    if not names_holes and arguments.replay is None:
        parser.error("nothing to fill: name a rectangle, such as --box 16 8 48 296, a --mask, --nan or --replay")
    if (arguments.sources == "stack") != (arguments.stack_axis is not None):
        parser.error("--sources stack and --stack-axis N go together: N is the axis of time or depth, 0 the first")
    if arguments.output is None and not only_look:
        parser.error("say where to write with --output, or add --plan or --self-check to write nothing")
    if only_look and any((arguments.output, arguments.record, arguments.synthetic_mask, arguments.offsets)):
        parser.error("--plan and --self-check write nothing: leave out --output, --record, --synthetic-mask and "
                     "--offsets")  # fmt: skip
    if arguments.synthetic_mask is not None and arguments.synthetic_mask.suffix.lower() not in ("", ".png"):
        parser.error(f"--synthetic-mask writes a png, not {arguments.synthetic_mask}")
    if arguments.plan and arguments.self_check:
        parser.error("--plan and --self-check are two questions: ask one at a time")
    if arguments.output is not None and not arguments.output.name and not arguments.output.is_dir():
        parser.error(f"--output must name a file or a folder, not {str(arguments.output)!r}")
    if arguments.grow < 0:
        parser.error(f"--grow must not be negative, not {arguments.grow}")
    if arguments.series is not None and arguments.series < 0:
        parser.error(f"--series counts images from 0, not {arguments.series}")
    if arguments.jobs < 1:
        parser.error(f"--jobs must be at least 1, not {arguments.jobs}")
    open_streams()
    logging.basicConfig(format="inpaint-fill: %(message)s", stream=sys.stderr)
    logging.getLogger("napari_inpaint").setLevel(logging.INFO)
    logging.getLogger("tifffile").addFilter(lambda record: record.levelno >= logging.CRITICAL)  # we say what matters
    with contextlib.suppress(ValueError):  # in a thread that is not the main one
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(arguments)
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        say(str(error))
        return 1
    except MemoryError:
        say("an image does not fit into memory")
        return 1
    except KeyboardInterrupt:
        say("stopped; what is finished is kept, nothing is half-written")
        return 1


def run(arguments: argparse.Namespace) -> int:
    """Plan or fill all files, and report."""
    # imported here, so that --help and wrong usage answer at once
    from napari_inpaint.command.skipped import describe_skipped
    from napari_inpaint.command.tasks import is_finished, plan_tasks
    from napari_inpaint.io.atomic import tidy

    options = FillOptions(arguments.grow, arguments.seam, nan_is_hole=arguments.nan, detail=arguments.detail,
                          nodata=arguments.nodata, alpha=arguments.alpha, sources=arguments.sources,
                          stack_axis=arguments.stack_axis, values=arguments.values, mosaic=arguments.mosaic,
                          wrap=arguments.wrap)  # fmt: skip
    only_look = arguments.plan or arguments.self_check
    output = None if only_look else arguments.output
    tasks, many, skipped = plan_tasks(arguments.input, output, arguments.mask, arguments.synthetic_mask,
                                      arguments.record, arguments.overwrite, arguments.mask_pattern,
                                      arguments.offsets)  # fmt: skip
    for sentence in describe_skipped(skipped):
        say(sentence)
    if only_look:
        return print_answers(tasks, options, arguments, many)
    if arguments.replay is not None:
        return replay(arguments, tasks)
    finished = {task for task in tasks if many and not arguments.overwrite and is_finished(task)}
    for task in finished:
        for path in task.written:
            tidy(path)
    if not many:
        refuse_existing(tasks[0].written, arguments.overwrite)
    for task in tasks:
        for path in task.written if many else ():
            path.parent.mkdir(parents=True, exist_ok=True)
    left = [task for task in tasks if task not in finished]
    failed, empty = fill_all(left, options, arguments, many)
    if many:
        counts = {"were there": len(finished), "skipped": len(skipped), "had an empty mask": empty, "failed": failed}
        others = "".join(f", {count} {what}" for what, count in counts.items() if count)
        say(f"{len(left) - failed - empty} of {len(tasks)} files filled{others}")
    return 1 if failed else 0


def print_answers(tasks: Sequence[Task], options: FillOptions, arguments: argparse.Namespace, many: bool) -> int:
    """Print what is asked about every file; name those that cannot be looked at on stderr, and then return 1."""
    from napari_inpaint.command.files import ask_about_file
    from napari_inpaint.command.holes import Wanted
    from napari_inpaint.inference.inpainter import Inpainter

    inpainter, status = Inpainter(arguments.model, arguments.device), 0
    wanted = Wanted(arguments.box, arguments.mask_threshold, arguments.orientation, arguments.series)
    ask = inpainter.plan if arguments.plan else inpainter.self_check
    for task in tasks:
        try:
            answer = ask_about_file(task, wanted, options, ask, say)
        except (ValueError, OSError) as error:
            say(str(error) if str(task.input) in str(error) else f"{task.input}: {error}")
            status = 1
            continue
        text = json.dumps({"input": str(task.input), **answer.to_dict()}) if arguments.json else str(answer)
        heading = f"{task.input}: " if many and not arguments.json else ""
        sys.stdout.write(f"{heading}{text}\n")
    return status


def replay(arguments: argparse.Namespace, tasks: Sequence[Task]) -> int:
    """Repeat the fill of a record; return 1 when it fails, or the result is another one."""
    from napari_inpaint.command.files import replay_file
    from napari_inpaint.io.formats import FileError
    from napari_inpaint.io.images import read_record

    if len(tasks) != 1:
        raise FileError(f"a record is of one image, not of {len(tasks)}")
    refuse_existing(tasks[0].written, arguments.overwrite)
    record = read_record(arguments.replay)
    outcome = replay_file(tasks[0], record, arguments.model, arguments.device)
    for note in outcome.notes:
        say(note)
    if outcome.error:
        say(outcome.error)
        return 1
    stream(outcome.task).write(describe(outcome, arguments.json) + "\n")
    return 0 if record.get("result_sha256") == outcome.record["result_sha256"] else 1


def fill_all(tasks: Sequence[Task], options: FillOptions, arguments: argparse.Namespace, many: bool) -> tuple[int, int]:
    """Fill files, here or in processes; name those that fail on stderr; return how many they are, and empty masks."""
    from tqdm import tqdm

    from napari_inpaint.command.batch import fill_files
    from napari_inpaint.command.holes import Wanted

    failed = empty = 0
    wanted = Wanted(arguments.box, arguments.mask_threshold, arguments.orientation, arguments.series)
    outcomes = fill_files(tasks, wanted, options, arguments.model, arguments.device, arguments.jobs)
    with tqdm(total=len(tasks), unit="file", disable=None if many else True, leave=False) as bar:
        for outcome in outcomes:
            bar.update()
            with bar.external_write_mode(sys.stderr):
                for note in outcome.notes:
                    say(note)
                if outcome.error:
                    failed += 1
                    say(outcome.error)
                    continue
            empty += outcome.has_empty_mask
            file = stream(outcome.task)
            with bar.external_write_mode(file):
                file.write(describe(outcome, arguments.json) + "\n")
    return failed, empty


def refuse_existing(paths: Sequence[Path], overwrite: bool) -> None:
    """Refuse to write to what is there.

    Raises
    ------
    FileError
        Names it, and the remedy.
    """
    from napari_inpaint.io.formats import FileError

    for path in paths:
        if str(path) == "-":
            continue
        if path.is_dir() and path.suffix != ".zarr":
            raise FileError(f"{path} is a folder: name a file")
        if path.exists() and not overwrite:
            raise FileError(f"{path} exists: name another file, or add --overwrite")


def print_devices() -> int:
    """Print what works on this machine; return 1 when there is something to fix."""
    from napari_inpaint.inference.runtime.devices import check_devices

    report = check_devices(lambda sentence: sys.stderr.write(f"inpaint-fill: {sentence}\n"))
    sys.stdout.write(f"{report}\n")
    return 0 if report.healthy else 1


if __name__ == "__main__":
    sys.exit(main())
