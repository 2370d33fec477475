"""Dust, dead columns, scratches and text on scikit-image's bundled images: the smooth fill against its alternatives.

Prints the mean PSNR in the holes, in dB, of the engine's choice (plate or membrane, by the noise near the holes), of
either for all holes, and of scikit-image's biharmonic equations; as they are, and with white noise of 5 % added.
``python benchmarks/narrow_holes.py``
"""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont
from skimage.restoration import inpaint_biharmonic

from napari_inpaint import Inpainter
from napari_inpaint.inference.blending.biharmonic import MOST_NOISE
from napari_inpaint.inference.windows import crop

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("camera", "coins", "moon", "cell", "page", "text", "brick", "grass", "gravel", "clock", "microaneurysms",
         "retina", "hubble_deep_field", "coffee")  # fmt: skip
SIDE = 384
NOISE = 0.05
METHODS = ("smooth", "plate", "membrane", "biharmonic")


def read_image(name: str, noise: float) -> np.ndarray:
    """Return a grey float image in [0, 1], but for its noise."""
    image = np.asarray(getattr(skimage.data, name)(), float)
    image = (image[..., :3].mean(-1) if image.ndim == 3 else image)[:SIDE, :SIDE] / 255
    return image + np.random.default_rng(5).normal(0, noise, image.shape) if noise else image


def make_masks(height: int, width: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield kinds of damage, and masks of it."""
    rng = np.random.default_rng(1)
    y, x = np.ogrid[:height, :width]
    dust = np.zeros((height, width), bool)
    for row, column, radius in zip(rng.integers(0, height, 60), rng.integers(0, width, 60), rng.uniform(1, 4, 60),
                                   strict=True):  # fmt: skip
        dust |= (y - row) ** 2 + (x - column) ** 2 <= radius**2
    yield "dust", dust
    columns = np.zeros((height, width), bool)
    for column in rng.integers(5, width - 5, 8):
        columns[:, column : column + rng.integers(1, 3)] = True
    yield "dead columns", columns
    canvas = Image.new("1", (width, height))
    for _ in range(4):
        ends = [tuple(int(value) for value in rng.integers(0, width, 2)) for _ in range(2)]
        ImageDraw.Draw(canvas).line(ends, fill=1, width=int(rng.integers(2, 5)))
    yield "scratch", np.array(canvas)
    canvas = Image.new("1", (width, height))
    for row in range(30, height, 70):
        ImageDraw.Draw(canvas).text((20, row), "Sample 12  scale 50 um", fill=1, font=ImageFont.load_default(26))
    yield "text", np.array(canvas)


def fill(method: str, image: np.ndarray, mask: np.ndarray, inpainter: Inpainter) -> tuple[np.ndarray | None, float]:
    """Return the filled image, None when the method fails, and the seconds that it took."""
    visible = np.where(mask, 0.0, image)
    started = time.perf_counter()
    filled: Any = None
    if method == "biharmonic":
        with contextlib.suppress(ValueError):  # scikit-image 0.26 fails on some masks
            filled = inpaint_biharmonic(visible, mask)
    else:
        limit = {"smooth": MOST_NOISE, "plate": np.inf, "membrane": -1.0}[method]
        with mock.patch.object(crop, "MOST_NOISE", limit):
            filled = inpainter.fill(visible, mask, detail="smooth", channel_axis=None)
    return filled, time.perf_counter() - started


def to_mean(values: list[float]) -> str:
    """Return the mean of those that are numbers."""
    numbers = [value for value in values if value == value]
    return f"{np.mean(numbers):.2f}" if numbers else "–"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", default=NAMES, choices=NAMES)
    arguments = parser.parse_args()
    inpainter = Inpainter("compact", "cpu")
    print(f"| images | holes | {' | '.join(METHODS)} | biharmonic fails |\n|---|---|{'---|' * (len(METHODS) + 1)}")
    seconds = dict.fromkeys(METHODS, 0.0)
    for title, noise in (("as they are", 0.0), (f"noise {NOISE:.0%}", NOISE)):
        scores: dict[str, dict[str, list[float]]] = {}
        for name in arguments.images:
            image = read_image(name, noise)
            for kind, mask in make_masks(*image.shape):
                row = scores.setdefault(kind, {method: [] for method in METHODS})
                for method in METHODS:
                    filled, took = fill(method, image, mask, inpainter)
                    seconds[method] += took
                    error = np.nan if filled is None else np.square(filled - image)[mask].mean()
                    row[method].append(-10 * np.log10(max(error, 1e-9)) if error == error else np.nan)
        for kind, row in scores.items():
            means = " | ".join(to_mean(row[method]) for method in METHODS)
            print(f"| {title} | {kind} | {means} | {np.isnan(row['biharmonic']).sum()} of {len(arguments.images)} |")
        together = {method: [value for row in scores.values() for value in row[method]] for method in METHODS}
        whole = ~np.isnan(together["biharmonic"])
        means = " | ".join(f"{np.mean(np.array(together[method])[whole]):.2f}" for method in METHODS)
        print(f"| {title} | all where biharmonic works | {means} | |")
    print("\nseconds: " + ", ".join(f"{method} {value:.1f}" for method, value in seconds.items()))


if __name__ == "__main__":
    main()
