"""Fine-tuning on images of one kind: is it better than the bundled model on other images of that kind?

    python benchmarks/fine_tuning.py OUT [--kind nuclei fibres] [--seeds 3] [--minutes 15] [--images 60]

Makes images of nuclei and of fibres (16 bits, grey, 512 px), packs them, trains the recipe fine-tune on them, and fills
holes of 88 to 128 px and of 30 to 60 px in other images of the same kind, through the engine, without copies.
Prints a Markdown table: hole PSNR of the bundled model and of the fine-tuned ones, one row for each seed.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from inpaint_training import evaluate, fit, pack

SIDE = 512
HELD_OUT = 24
HOLES = {"88-128 px": (88, 128), "30-60 px": (30, 60)}


def make_nuclei(rng: np.random.Generator) -> np.ndarray:
    """Return a fluorescence image of nuclei: bright ellipses with chromatin on a dark background."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    texture = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), 2.5)
    texture /= texture.std()
    size = rng.uniform(11, 17)
    for _ in range(rng.integers(90, 160)):
        cy, cx, angle = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(0, np.pi)
        long, short = size * rng.uniform(0.9, 1.4), size * rng.uniform(0.7, 1)
        dy, dx = y - cy, x - cx
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        inside = np.clip((1 - np.hypot(along / long, across / short)) * 5, 0, 1)
        image = np.maximum(image, inside * rng.uniform(0.5, 1) * (1 + 0.18 * texture))
    return add_camera(ndimage.gaussian_filter(image, 1), rng)


def make_fibres(rng: np.random.Generator) -> np.ndarray:
    """Return an image of fibres: long smooth lines that mostly run one way, of a few pixels' width."""
    image = np.zeros((SIDE, SIDE))
    main = rng.uniform(0, np.pi)
    for _ in range(rng.integers(60, 110)):
        angle = main + rng.normal(0, 0.35)
        bend = np.cumsum(rng.normal(0, 0.012, 4 * SIDE)) + rng.uniform(-0.1, 0.1)
        steps = np.stack([np.sin(angle + bend), np.cos(angle + bend)]) / 2
        place = np.cumsum(steps, 1) + rng.uniform(-SIDE / 3, SIDE * 4 / 3, (2, 1)) - 0.5 * SIDE * steps[:, :1] * 2
        rows, columns = np.rint(place).astype(int)
        seen = (rows >= 0) & (rows < SIDE) & (columns >= 0) & (columns < SIDE)
        line = np.zeros((SIDE, SIDE))
        line[rows[seen], columns[seen]] = 1
        line = ndimage.gaussian_filter(line, rng.uniform(1.1, 2.2))
        image = np.maximum(image, rng.uniform(0.4, 1) * line / max(line.max(), 1e-9))
    return add_camera(image, rng)


def add_camera(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return what a camera of 12 bits sees of a signal of 0 to about 1: uneven light, shot and read noise."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    light = 1 + rng.uniform(-0.4, 0.4) * y + rng.uniform(-0.4, 0.4) * x
    electrons = rng.poisson(np.clip(60 + 900 * signal * light + 40 * light, 0, None))
    return np.clip(electrons * 2 + 100 + rng.normal(0, 4, signal.shape), 0, 4095).astype(np.uint16)


KINDS = {"nuclei": make_nuclei, "fibres": make_fibres}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="a new folder for data sets and runs")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--model", default="landscape")
    arguments = parser.parse_args()
    print("| kind | holes | seed | bundled, dB | fine-tuned, dB | gain |\n|---|---|---|---|---|---|", flush=True)
    for kind in arguments.kind:
        rng = np.random.default_rng([0, sum(kind.encode())])
        images = [KINDS[kind](rng) for _ in range(arguments.images + HELD_OUT)]
        dataset = pack(images[HELD_OUT:], arguments.out / kind)
        bundled = {name: score(images[:HELD_OUT], arguments.model, holes) for name, holes in HOLES.items()}
        for seed in range(arguments.seeds):
            run = fit("fine-tune", dataset, arguments.out / f"{kind}-{seed}", start_from=arguments.model,
                      max_minutes=arguments.minutes, overrides={"train.seed": seed})  # fmt: skip
            for name, holes in HOLES.items():
                before, after = bundled[name], score(images[:HELD_OUT], run, holes)
                print(f"| {kind} | {name} | {seed} | {before:.2f} | {after:.2f} | {after - before:+.2f} |", flush=True)


def score(images: list[np.ndarray], model: object, holes: tuple[int, int]) -> float:
    """Return the mean PSNR over the holes, in dB."""
    (row,) = evaluate(images, model, methods=(), holes=holes).table.values()
    return row["psnr_hole"]


if __name__ == "__main__":
    main()
