"""A blind look: can somebody who has not seen the originals tell which square of a photo was filled?

    python benchmarks/blind.py make PHOTOS benchmarks/blind     # a folder for each method, with pictures and a key
    python benchmarks/blind.py score benchmarks/blind           # once each has an answers.json: {"1": "A", ...}

Every method fills a square hole in each photo, at a place of its own. A picture shows the filled crop without marks,
and beside it the same crop, smaller, with four squares of the hole's size, one of which is the hole: they do not
overlap, and all places are drawn alike. Whoever guesses is right in a quarter of the cases. Nobody may see the pictures
of more than one method: they show the same photos.
"""

import argparse
import json
import sys
import warnings
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from inpaint_training.data.photos import decode_photo
from inpaint_training.data.sources import iterate_sources
from inpaint_training.evaluation.baselines import load_method
from napari_inpaint import Inpainter

METHODS = {"network": "landscape", "copied": "landscape", "shiftmap": None}
CROP, SIDES = 384, (88, 128)
MARGIN = 16
"""Of the squares, in pixels: from the crop's border, and from one another."""
PER_SHEET = 6
LETTERS = "ABCD"


def draw_squares(rng: np.random.Generator) -> np.ndarray:
    """Return y, x of four squares, and their side."""
    while True:
        side = int(rng.integers(*SIDES, endpoint=True))
        corners = rng.integers(MARGIN, CROP - MARGIN - side, (4, 2), endpoint=True)
        apart = np.abs(corners[:, None] - corners).max(-1) + (side + MARGIN) * np.eye(4)
        if apart.min() >= side + MARGIN:
            return np.column_stack([corners, np.full(4, side)])


def make(photos: Path, folder: Path, seed: int, count: int) -> None:
    """Write the pictures and the key."""
    warnings.simplefilter("ignore")
    fillers = {name: load_method(name) if model is None else Inpainter(model, "cpu") for name, model in METHODS.items()}
    rng = np.random.default_rng(seed)
    decoded = [(each.name, decode_photo(each.read(), CROP)) for each in islice(iterate_sources([photos]), count)]
    for method, filler in fillers.items():
        pictures, key = [], {}
        for number, index in enumerate(rng.permutation(len(decoded)), 1):
            name, photo = decoded[index]
            left, top = (int(rng.integers(0, length - CROP + 1)) for length in photo.size)
            image = np.asarray(photo.crop((left, top, left + CROP, top + CROP)))
            squares, truth = draw_squares(rng), int(rng.integers(4))
            y, x, side = squares[truth]
            mask = np.zeros((CROP, CROP), bool)
            mask[y : y + side, x : x + side] = True
            filled = filler(image, mask) if METHODS[method] is None else filler.fill(image, mask, detail=method)
            pictures.append(draw_picture(number, filled, squares))
            key[str(number)] = {"photo": Path(name).name, "square": LETTERS[truth]}
        where = folder / method
        where.mkdir(parents=True, exist_ok=True)
        (where / "key.json").write_text(json.dumps({"seed": seed, "pictures": key}, indent=1) + "\n", encoding="utf-8")
        for first in range(0, len(pictures), PER_SHEET):
            rows = pictures[first : first + PER_SHEET]
            pairs = [np.hstack(rows[i : i + 2]) for i in range(0, len(rows), 2)]
            Image.fromarray(np.vstack(pairs)).save(where / f"{first // PER_SHEET + 1}.jpg", quality=92)


def draw_picture(number: int, filled: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return the crop, and half as large with its squares."""
    canvas = Image.new("RGB", (CROP + CROP // 2 + 24, CROP + 24), "white")
    canvas.paste(Image.fromarray(filled), (0, 20))
    draw = ImageDraw.Draw(canvas)
    draw.text((4, 4), f"picture {number}", "black")
    small = Image.fromarray(filled).resize((CROP // 2, CROP // 2), Image.Resampling.LANCZOS)
    marks = ImageDraw.Draw(small)
    for letter, (y, x, side) in zip(LETTERS, squares // 2, strict=True):
        marks.rectangle((x, y, x + side, y + side), outline="red")
        marks.rectangle((x + 1, y + 1, x + 10, y + 12), fill="white")
        marks.text((x + 3, y + 1), letter, "red")
    canvas.paste(small, (CROP + 8, 20))
    return np.asarray(canvas)


def score(folder: Path) -> None:
    """Print how many holes were found, by method."""
    sys.stdout.write("| method | pictures | holes found | by chance |\n|---|---|---|---|\n")
    for method in METHODS:
        key = json.loads((folder / method / "key.json").read_text(encoding="utf-8"))["pictures"]
        answers = json.loads((folder / method / "answers.json").read_text(encoding="utf-8"))
        found = sum(answers.get(number) == facts["square"] for number, facts in key.items())
        sys.stdout.write(f"| {method} | {len(key)} | {found} | {len(key) / len(LETTERS):.0f} |\n")


def main() -> None:
    """Make the pictures, or score the answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make")
    maker.add_argument("photos", type=Path)
    maker.add_argument("folder", type=Path)
    maker.add_argument("--seed", type=int, default=0)
    maker.add_argument("--count", type=int, default=24, help="photos")
    commands.add_parser("score").add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.photos, arguments.folder, arguments.seed, arguments.count)
    else:
        score(arguments.folder)


if __name__ == "__main__":
    main()
