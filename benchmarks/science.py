"""Fills in images that are no landscapes: the samples of scikit-image, and of stardist, scored like photos.

    python benchmarks/science.py OUT [--stardist FOLDER]

FOLDER is ``stardist/data/images`` of an unpacked stardist wheel: nuclei (`img2d.tif`) and stained tissue (`histo.jpg`).
From every image come some random crops of 256 px with a square hole of 90 px. Writes the report of inpaint-eval into
OUT. These images are held out: no model may be trained, chosen or calibrated on them.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import skimage.data
import tifffile
from PIL import Image

from inpaint_training.evaluation.baselines import load_method
from inpaint_training.evaluation.cases import Case
from inpaint_training.evaluation.comparison import add_models, load_features
from inpaint_training.evaluation.evaluator import evaluate
from inpaint_training.evaluation.report import write_report

HELD_OUT = ("immunohistochemistry", "retina", "cell", "hubble_deep_field", "brick", "grass", "gravel", "moon", "coins",
            "camera", "coffee", "text")  # fmt: skip
STARDIST = ("img2d.tif", "histo.jpg")
CROP, HOLE, MARGIN = 256, 90, 20
METHODS = ("telea", "shiftmap", "patchmatch")


def read_images(stardist: Path | None) -> dict[str, np.ndarray]:
    """Return uint8 images (H, W, 3) by name."""
    images = {name: getattr(skimage.data, name)() for name in HELD_OUT}
    for name in STARDIST if stardist is not None else ():
        path = stardist / name
        images[name] = tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path).convert("RGB"))
    found = {}
    for name, image in images.items():
        if image.dtype != np.uint8:
            low, high = np.quantile(image, (0.001, 0.999))
            image = (np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        image = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
        short = min(image.shape[:2])
        if short < CROP:
            scale = CROP / short
            size = round(image.shape[1] * scale + 0.5), round(image.shape[0] * scale + 0.5)
            image = np.asarray(Image.fromarray(image[..., :3]).resize(size, Image.Resampling.LANCZOS))
        found[name] = image[..., :3]
    return found


def make_cases(images: dict[str, np.ndarray], crops: int) -> list[Case]:
    """Return random crops with a hole each."""
    cases = []
    for index, (name, image) in enumerate(images.items()):
        rng = np.random.default_rng([0, index])
        for number in range(crops):
            top, left = (int(rng.integers(0, length - CROP + 1)) for length in image.shape[:2])
            y, x = (int(corner) for corner in rng.integers(MARGIN, CROP - MARGIN - HOLE, 2, endpoint=True))
            mask = np.zeros((CROP, CROP), bool)
            mask[y : y + HOLE, x : x + HOLE] = True
            cases.append(Case(f"{name} {number}", image[top : top + CROP, left : left + CROP], mask))
    return cases


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stardist", type=Path)
    parser.add_argument("--crops", type=int, default=3, help="of every image")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    images = read_images(arguments.stardist)
    cases = make_cases(images, arguments.crops)
    fillers = {name: load_method(name) for name in METHODS}
    add_models(fillers, ["landscape"], "cpu", ["smooth", "network", "copied"])
    results = evaluate(fillers, cases, load_features(CROP, "cpu"), sheet=len(images))
    arguments.out.mkdir(parents=True, exist_ok=True)
    facts = {"images": list(images), "crop": CROP, "hole": HOLE, "crops": arguments.crops}
    title = f"{len(cases)} crops of {CROP} px, from {len(images)} images, square holes of {HOLE} px"
    sys.stdout.write(f"{write_report(arguments.out, facts, title, results)}\n")


if __name__ == "__main__":
    main()
