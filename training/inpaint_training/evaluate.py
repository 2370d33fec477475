"""The command inpaint-eval: models and classical methods, judged on the same holes."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from tqdm import tqdm

from inpaint_training.dataset import INDEX, PhotoDataset
from inpaint_training.holes import random_box
from inpaint_training.losses import ssim_map
from inpaint_training.networks import mean_fill, pullpush_fill
from inpaint_training.photos import BadPhotoError, decode_photo, iterate_photos
from napari_inpaint import Inpainter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Filler = Callable[[np.ndarray, np.ndarray], np.ndarray]

SHORT_SIDE = 384
"""Photos are scaled to this short side before they are cropped, in pixels."""
MARGIN = 20
"""Least distance of a hole from the crop's border, in pixels."""
SHEET_CASES = 8
SHEET_CELL = 160


@dataclass(frozen=True, slots=True)
class Case:
    """A crop with one square hole."""

    name: str
    image: np.ndarray
    """uint8 array of shape (H, W, 3)"""
    box: tuple[int, int, int, int]

    @property
    def mask(self) -> np.ndarray:
        """Bool array of shape (H, W), True inside the hole."""
        mask = np.zeros(self.image.shape[:2], bool)
        y0, x0, y1, x1 = self.box
        mask[y0:y1, x0:x1] = True
        return mask


@dataclass(frozen=True, slots=True)
class Scores:
    """How one method did on one case, or on average."""

    l1: float
    """Mean absolute difference over the hole, in percent of white."""
    psnr_hole: float
    """Peak signal-to-noise ratio over the hole, in dB."""
    psnr: float
    """Of the composite, in dB."""
    ssim: float
    """Structural similarity of the composite; Wang et al. 2004, uniform window of 7 pixels."""
    texture: float
    """Gradient energy inside the hole, relative to the original's: 1 is as detailed, less is blurred."""
    seconds: float


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


def score(case: Case, filled: np.ndarray, seconds: float) -> Scores:
    """Compare a filled crop with the original."""
    mask = case.mask
    original, result = case.image.astype(np.float64) / 255, filled.astype(np.float64) / 255
    error = result - original
    a, b = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in (original, result))
    return Scores(
        l1=100 * float(np.abs(error[mask]).mean()),
        psnr_hole=_psnr(error[mask]),
        psnr=_psnr(error),
        ssim=float(ssim_map(a, b).mean()),
        texture=_gradient_energy(result, case.box) / max(_gradient_energy(original, case.box), 1e-9),
        seconds=seconds,
    )


def _psnr(error: np.ndarray) -> float:
    # Half a grey level of 8 bits bounds the error from below, so that a perfect fill does not make the mean infinite.
    return float(-10 * np.log10(max(float(np.mean(error**2)), (0.5 / 255) ** 2)))


def _gradient_energy(image: np.ndarray, box: tuple[int, int, int, int]) -> float:
    y0, x0, y1, x1 = box
    hole = image[y0:y1, x0:x1]
    return float(np.abs(np.diff(hole, axis=0)).mean() + np.abs(np.diff(hole, axis=1)).mean())


def average(scores: Sequence[Scores]) -> Scores:
    """Return the mean of every score; the texture's median, since an original without texture divides by nothing."""
    means = {name: float(np.mean([getattr(s, name) for s in scores])) for name in Scores.__slots__}
    return Scores(**means | {"texture": float(np.median([s.texture for s in scores]))})


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


def format_table(rows: dict[str, Scores]) -> str:
    """Return a Markdown table; the best of every column is bold, seconds and texture apart."""
    best = {
        "l1": min(s.l1 for s in rows.values()),
        **{name: max(getattr(s, name) for s in rows.values()) for name in ("psnr_hole", "psnr", "ssim")},
    }
    digits = {"l1": 2, "psnr_hole": 2, "psnr": 2, "ssim": 4, "texture": 2, "seconds": 3}
    lines = [
        "| method | L1 % (hole) | PSNR (hole) | PSNR | SSIM | texture | s per crop |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, scores in rows.items():
        cells = []
        for column, places in digits.items():
            value = getattr(scores, column)
            text = f"{value:.{places}f}"
            cells.append(f"**{text}**" if best.get(column) == value else text)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def contact_sheet(cases: Sequence[Case], pictures: dict[str, list[np.ndarray]]) -> Image.Image:
    """Return a picture with a row for every case: with its hole, the original, every method."""
    names = ["hole", "original", *pictures]
    count = min(SHEET_CASES, len(cases))
    sheet = Image.new("RGB", (len(names) * SHEET_CELL, count * SHEET_CELL + 18), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.text((column * SHEET_CELL + 4, 3), name, "black")
    for row, case in enumerate(cases[:count]):
        hidden = np.where(case.mask[..., None], np.uint8(128), case.image)
        cells = [hidden, case.image, *(pictures[name][row] for name in pictures)]
        for column, cell in enumerate(cells):
            small = Image.fromarray(cell).resize((SHEET_CELL, SHEET_CELL), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * SHEET_CELL, row * SHEET_CELL + 18))
    return sheet


def write_report(
    folder: Path, protocol: dict[str, Any], cases: Sequence[Case], scores: dict[str, list[Scores]],
    pictures: dict[str, list[np.ndarray]],
) -> str:  # fmt: skip
    """Write table.md, table.csv, table.json and contact-sheet.png; return the table."""
    rows = {name: average(values) for name, values in scores.items()}
    table = format_table(rows)
    (folder / "table.md").write_text(table)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "case", *Scores.__slots__])
        for name, values in scores.items():
            writer.writerows([name, c.name, *asdict(v).values()] for c, v in zip(cases, values, strict=True))
    report = {"protocol": protocol, "means": {name: asdict(row) for name, row in rows.items()}}
    (folder / "table.json").write_text(json.dumps(report, indent=1))
    order = np.random.default_rng(protocol["seed"]).permutation(min(len(cases), SHEET_CASES)).tolist()
    shuffled = {name: [pictures[name][i] for i in order] for name in pictures}
    contact_sheet([cases[i] for i in order], shuffled).save(folder / "contact-sheet.png")
    return table


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
