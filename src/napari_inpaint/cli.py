"""The command inpaint-fill."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import napari_inpaint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_inpaint.inference.boxes import Box

EXAMPLES = """examples:
  inpaint-fill photo.png -o filled.png --box 120 80 200 260
  inpaint-fill plate.tif -o filled.tif --mask dust.png --grow 2 --record
  inpaint-fill plate.tif --mask dust.png --plan
  inpaint-fill --check-devices
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        "inpaint-fill", description="Fill holes in an image. Pixels outside the holes do not change.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument(
        "input", type=Path, nargs="?", metavar="INPUT", help="png, jpg or tif; any real dtype, stacks too"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="OUTPUT", help="a file of the same format")
    parser.add_argument("--box", type=int, nargs=4, action="append", default=[], metavar=("Y0", "X0", "Y1", "X1"),
                        help="a rectangle to fill, half-open, in stored pixels; can be repeated")  # fmt: skip
    parser.add_argument("--mask", type=Path, metavar="FILE", help="an image of the same size, not black inside holes")
    parser.add_argument("--model", metavar="NAME|FILE", help="a bundled model or an .onnx file")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, or an ONNX Runtime provider")
    parser.add_argument("--grow", type=int, default=0, metavar="PX", help="extend every hole by this many pixels")
    parser.add_argument("--no-seam", dest="seam", action="store_false", help="do not correct the rim of the fill")
    parser.add_argument("--nan", action="store_true", help="fill NaN and infinite pixels too")
    parser.add_argument("--record", action="store_true", help="write how it was filled to OUTPUT.json")
    parser.add_argument("--plan", action="store_true", help="print what would be done, and do nothing")
    parser.add_argument("--overwrite", action="store_true", help="replace OUTPUT")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--check-devices", action="store_true",
                        help="print what ONNX Runtime offers, what really works, and what mends it")  # fmt: skip
    parser.add_argument("--version", action="version", version=f"napari-inpaint {napari_inpaint.__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.check_devices:
        return print_devices()
    if arguments.input is None:
        parser.error("name an image to fill")
    if not arguments.box and arguments.mask is None and not arguments.nan:
        parser.error("nothing to fill: give --box, --mask or --nan")
    if arguments.output is None and not arguments.plan:
        parser.error("say where to write with --output, or add --plan to write nothing")
    if arguments.output is not None and not arguments.output.name:
        parser.error(f"--output must name a file, not {str(arguments.output)!r}")
    if arguments.grow < 0:
        parser.error(f"--grow must not be negative, not {arguments.grow}")
    try:
        return run(arguments)
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        sys.stderr.write(f"inpaint-fill: {error}\n")
        return 1
    except MemoryError:
        sys.stderr.write(f"inpaint-fill: {arguments.input} does not fit into memory\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("inpaint-fill: stopped, nothing written\n")
        return 1


def run(arguments: argparse.Namespace) -> int:
    """Read, fill, write, report."""
    # imported here, so that --help and wrong usage answer at once
    from tqdm import tqdm

    from napari_inpaint.files import FileError, check_output, read_image, read_mask, write_atomically, write_image
    from napari_inpaint.inference.inpainter import Inpainter

    inpainter = Inpainter(arguments.model, arguments.device)
    if not arguments.plan:
        inpainter.warm_up()  # while the image is read
        record_path = arguments.output.with_name(arguments.output.name + ".json")
        for path in (arguments.output, *([record_path] if arguments.record else [])):
            if path.is_dir():
                raise FileError(f"{path} is a folder: name a file")
            if path.exists() and not arguments.overwrite:
                raise FileError(f"{path} exists: name another file, or add --overwrite")
    source = read_image(arguments.input)
    if not arguments.plan:
        check_output(arguments.output, source)
        for note in source.notes:
            say(note)
    pixels, axis = source.pixels, source.channel_axis
    if pixels.ndim - (axis is not None) < 2:
        raise FileError(f"{arguments.input} has shape {pixels.shape}: no rows and columns")
    height, width = [length for i, length in enumerate(pixels.shape) if i != axis][-2:]
    mask = None if arguments.mask is None else read_mask(arguments.mask, (height, width))
    boxes = clip_boxes(arguments.box, height, width)
    visible: list[slice] = [slice(None)] * pixels.ndim
    if source.alpha and axis is not None:
        visible[axis] = slice(0, -1)  # transparency is kept
    options = {"grow": arguments.grow, "channel_axis": axis, "nan_is_hole": arguments.nan}
    if arguments.plan:
        plan = inpainter.plan(pixels[*visible], mask, boxes, **options)
        sys.stdout.write((json.dumps(plan.to_dict()) if arguments.json else str(plan)) + "\n")
        return 0

    with warnings.catch_warnings(), tqdm(unit="window", disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        warnings.simplefilter("ignore", UserWarning)  # the record has them too
        filled = pixels.copy()
        filled[*visible] = inpainter.fill(
            pixels[*visible], mask, boxes, seam=arguments.seam, on_progress=show, **options
        )
    record = inpainter.last_record or {}
    for note in record["notes"]:
        say(note)
    write_image(arguments.output, source, filled)
    if arguments.record:
        write_atomically(record_path, json.dumps(record, indent=1).encode())
    if arguments.json:
        sys.stdout.write(json.dumps({"output": str(arguments.output), "record": record}) + "\n")
    else:
        how = record["provider"] or "interpolated from the rim"
        ran = f"{how}, {record['seconds'] * 1000:.0f} ms" if record["windows"] else "nothing to fill"
        sys.stdout.write(f"{arguments.output}: {record['filled_pixels']} pixels filled, {ran}\n")
    return 0


def print_devices() -> int:
    """Print what works on this machine; return 1 when there is something to mend."""
    from napari_inpaint.inference.devices import check_devices

    report = check_devices()
    sys.stdout.write(f"{report}\n")
    return 0 if report.healthy else 1


def clip_boxes(boxes: Sequence[Sequence[int]], height: int, width: int) -> list[Box]:
    """Clip boxes to the image and say so.

    Raises
    ------
    ValueError
        When a box has no pixel in the image.
    """
    from napari_inpaint.inference.boxes import to_box

    clipped = []
    for box in map(to_box, boxes):
        inside = box.clip(height, width)
        if inside is None:
            raise ValueError(f"the box {tuple(box)} lies outside the image of {height} x {width} pixels")
        if inside != box:
            say(f"the box {tuple(box)} is clipped to {tuple(inside)}, the image has {height} x {width} pixels")
        clipped.append(inside)
    return clipped


def say(sentence: str) -> None:
    """Tell the user something on stderr."""
    sys.stderr.write(f"inpaint-fill: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
