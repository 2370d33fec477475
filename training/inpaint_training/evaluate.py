"""The command inpaint-eval: models and classical methods, judged on the same holes."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from inpaint_training.dataset import INDEX, PhotoDataset
from inpaint_training.holes import random_box
from inpaint_training.networks import mean_fill, pullpush_fill
from inpaint_training.photos import BadPhotoError, decode_photo, iterate_photos
from inpaint_training.report import SHEET_CASES, write_report
from inpaint_training.scores import Case, Scores, score
from napari_inpaint import Inpainter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Filler = Callable[[np.ndarray, np.ndarray], np.ndarray]

SHORT_SIDE = 384
"""Photos are scaled to this short side before they are cropped, in pixels."""
MARGIN = 20
"""Least distance of a hole from the crop's border, in pixels."""


def fill_classically(name: str) -> Filler:
    """Return a classical method as a function of image (uint8, H x W x 3) and mask (bool, H x W).

    Raises
    ------
    ValueError
        When a package that it needs is not installed.
    """
    try:
        if name in ("telea", "ns"):
            import cv2

            flag = cv2.INPAINT_TELEA if name == "telea" else cv2.INPAINT_NS
            return lambda image, mask: cv2.inpaint(image, mask.astype(np.uint8), 5, flag)
        if name == "biharmonic":
            from skimage.restoration import inpaint_biharmonic

            return lambda image, mask: _to_uint8(inpaint_biharmonic(image / 255, mask, channel_axis=-1))
    except ImportError as error:
        raise ValueError(f"method {name!r} needs {error.name}: pip install 'napari-inpaint[eval]'") from error
    start = {"mean": mean_fill, "pullpush": pullpush_fill}[name]

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        return _to_uint8(start(tensor, torch.from_numpy(mask)[None, None])[0].permute(1, 2, 0).numpy())

    return fill


METHODS = ("mean", "pullpush", "telea", "ns", "biharmonic")


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def iterate_cases(photos: Path, crop: int, holes: tuple[int, int], crops: int, seed: int) -> Iterator[Case]:
    """Yield crops with one square hole each; the same ones for the same arguments.

    Parameters
    ----------
    photos
        A folder, a tar archive, or a packed data set.
    crop
        Side of the crops, in pixels.
    holes
        Smallest and largest side of the holes, in pixels.
    crops
        How many crops of every photo.
    """
    short_side = max(SHORT_SIDE, crop)
    for index, (name, photo) in enumerate(_iterate_scaled(photos, short_side)):
        if min(photo.size) < crop:
            continue
        rng = np.random.default_rng([seed, index])
        for number in range(crops):
            y0 = int(rng.integers(0, photo.height - crop + 1))
            x0 = int(rng.integers(0, photo.width - crop + 1))
            image = np.asarray(photo.crop((x0, y0, x0 + crop, y0 + crop)))
            yield Case(f"{name} {number}", image, random_box(crop, crop, *holes, MARGIN, rng, square=True))


def _iterate_scaled(photos: Path, short_side: int) -> Iterator[tuple[str, Image.Image]]:
    if (photos / INDEX).is_file():
        dataset = PhotoDataset(photos)
        for index, entry in enumerate(dataset.entries):
            photo = Image.fromarray(dataset.photo(index))
            scale = short_side / min(photo.size)
            if scale < 1:
                size = (max(short_side, round(photo.width * scale)), max(short_side, round(photo.height * scale)))
                photo = photo.resize(size, Image.Resampling.LANCZOS)
            yield entry.name, photo
        return
    for name, data in iterate_photos([photos]):
        try:
            yield name, decode_photo(data, short_side)
        except BadPhotoError as error:
            sys.stderr.write(f"inpaint-eval: {name} is left out, {error}\n")


def evaluate(
    fillers: dict[str, Filler], cases: Sequence[Case]
) -> tuple[dict[str, list[Scores]], dict[str, list[np.ndarray]]]:
    """Fill every case with every method.

    Returns
    -------
    scores, pictures
        For every method: the scores of all cases, and what it made of the first `SHEET_CASES`.
    """
    scores: dict[str, list[Scores]] = {name: [] for name in fillers}
    pictures: dict[str, list[np.ndarray]] = {name: [] for name in fillers}
    for name, filler in fillers.items():
        filler(cases[0].image, cases[0].mask)  # loading does not count
        for case in tqdm(cases, name, unit=" crops"):
            started = time.perf_counter()
            filled = filler(case.image, case.mask)
            scores[name].append(score(case, filled, time.perf_counter() - started))
            if len(pictures[name]) < SHEET_CASES:
                pictures[name].append(filled)
    return scores, pictures


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        "inpaint-eval", description="Compare models and classical methods on the same holes.", allow_abbrev=False,
        epilog="example:\n  inpaint-eval --photos val.tar --model compact --out report",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR|TAR|DATASET", help="never those trained on")
    parser.add_argument("--model", action="append", default=[], metavar="FILE|NAME", help="can be repeated")
    parser.add_argument("--method", action="append", choices=METHODS, help="can be repeated; all when none is named")
    parser.add_argument(
        "--holes", type=int, nargs=2, default=(88, 128), metavar=("MIN", "MAX"), help="sides, in pixels"
    )
    parser.add_argument("--crop", type=int, default=256, metavar="PX", help="side of the crops (default 256)")
    parser.add_argument("--crops", type=int, default=2, metavar="N", help="crops of every photo (default 2)")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--device", default="auto", help="for the models: auto, cpu, cuda")
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT", help="folder for tables and pictures")
    parser.add_argument("--version", action="version", version=f"napari-inpaint {version('napari-inpaint')}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        return run(arguments)
    except (ValueError, OSError, RuntimeError) as error:
        sys.stderr.write(f"inpaint-eval: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("inpaint-eval: stopped\n")
        return 1


def run(arguments: argparse.Namespace) -> int:
    """Make the cases, fill them, write and print the table."""
    if not 2 <= arguments.holes[0] <= arguments.holes[1]:
        raise ValueError(f"--holes must be 2 <= MIN <= MAX, not {arguments.holes[0]} {arguments.holes[1]}")
    for name, least in (("crops", 1), ("crop", 8), ("seed", 0)):
        if getattr(arguments, name) < least:
            raise ValueError(f"--{name} must be at least {least}, not {getattr(arguments, name)}")
    fillers = {name: fill_classically(name) for name in arguments.method or METHODS}
    for model in arguments.model:
        inpainter = Inpainter(model, arguments.device)
        if Path(model).stem in fillers:
            raise ValueError(f"--model {model}: there is a row named {Path(model).stem!r} already, rename the file")
        _ = inpainter.session  # refuses now what is no model
        fillers[Path(model).stem] = inpainter.fill
    cases = list(
        iterate_cases(arguments.photos, arguments.crop, tuple(arguments.holes), arguments.crops, arguments.seed)
    )
    if not cases:
        raise ValueError(f"{arguments.photos} has no photo of at least {arguments.crop} x {arguments.crop} pixels")
    arguments.out.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one warning per case that a hole is larger than trained
        scores, pictures = evaluate(fillers, cases)
    protocol = {
        "photos": arguments.photos.name, "cases": len(cases), "short_side": max(SHORT_SIDE, arguments.crop),
        "crop": arguments.crop, "holes": list(arguments.holes), "margin": MARGIN, "seed": arguments.seed,
    }  # fmt: skip
    table = write_report(arguments.out, protocol, cases, scores, pictures)
    sys.stdout.write(f"{len(cases)} crops of {arguments.crop} px, square holes of {arguments.holes[0]}-"
                     f"{arguments.holes[1]} px\n{table}{arguments.out / 'contact-sheet.png'}\n")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
