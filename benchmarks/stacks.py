"""Copies from one plane against copies from the planes beside: still and moving scenes, volumes.

    python benchmarks/stacks.py [--photo FILE] [--frames 8]

Every stack is made from a photo (the bundled sample) or from a seed. A still scene is the photo with noise of its own
in each frame, and a speck at another place in each; a moving one shifts by 2 and 3 pixels a frame, and fades by 3 %; a
fast one by 20 and 30, which is more than is looked for. One label hides the same place in all frames of a still scene.
A volume is noise, smooth in all three directions; its hole is a ball. Prints a Markdown table: PSNR over the holes,
texture (gradient energy, relative to the truth's), and flicker: how much what is filled changes from frame to frame,
relative to the truth. Holes at different places have none.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_inpaint import Inpainter
from napari_inpaint.samples import THE_CREST

NOISE, SIDE, SPECK = 3.0, 320, 36


def make_stacks(photo: np.ndarray, frames: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return stacks of 16 bits, (frames, H, W), and their holes."""
    rng = np.random.default_rng(0)
    view = np.s_[80 : 80 + SIDE, 120 : 120 + SIDE]

    def expose(scenes: list[np.ndarray]) -> np.ndarray:
        return np.stack(
            [np.clip(50 * (scene + rng.normal(0, NOISE, scene.shape)), 0, 65535) for scene in scenes]
        ).astype("u2")

    specks = np.zeros((frames, SIDE, SIDE), bool)
    for frame in range(frames):
        y, x = rng.integers(16, SIDE - SPECK - 16, 2)
        specks[frame, y : y + SPECK, x : x + SPECK] = True
    label = np.zeros_like(specks)
    label[:, 140:180, 120:200] = True
    z, y, x = np.indices(specks.shape)
    balls = ((z - frames // 2) * 12) ** 2 + (y - SIDE // 2) ** 2 + (x - SIDE // 2) ** 2 < 30**2
    moves = {"still, a speck a frame": (0, 0), "moving by 2, 3": (2, 3), "moving by 20, 30": (20, 30)}
    stacks = {
        name: (
            expose(
                [np.roll(photo, (t * dy, -t * dx), (0, 1))[view] * (1 - 0.03 * t * (dy > 0)) for t in range(frames)]
            ),
            specks,
        )
        for name, (dy, dx) in moves.items()
    }
    stacks["still, one label"] = (expose([photo[view]] * frames), label)
    volume = ndimage.gaussian_filter(rng.normal(size=(frames + 8, SIDE, SIDE)), (2, 4, 4))[4:-4]
    stacks["volume, a ball"] = (expose(list(128 + 30 * volume / volume.std())), balls)
    return stacks


def measure(truth: np.ndarray, filled: np.ndarray, mask: np.ndarray) -> tuple[float, float, float]:
    """Return PSNR, texture and flicker."""
    truth, filled = truth.astype(float), filled.astype(float)
    error = np.square(filled - truth)[mask].mean()

    def energy(image: np.ndarray) -> float:
        steps = [np.square(np.diff(image, axis=axis))[np.diff(mask, axis=axis) == 0] for axis in (1, 2)]
        inside = [mask[:, 1:][np.diff(mask, axis=1) == 0], mask[:, :, 1:][np.diff(mask, axis=2) == 0]]
        return float(sum(step[part].sum() for step, part in zip(steps, inside, strict=True)))

    both = mask[1:] & mask[:-1]
    changes = [np.abs(np.diff(image, axis=0))[both] for image in (filled, truth)]
    flicker = float(changes[0].mean() / changes[1].mean()) if both.any() else float("nan")
    return 10 * np.log10(np.ptp(truth) ** 2 / error), energy(filled) / energy(truth), flicker


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=THE_CREST.path)
    parser.add_argument("--frames", type=int, default=8)
    arguments = parser.parse_args()
    photo = np.asarray(Image.open(arguments.photo).convert("L"), float)
    inpainter = Inpainter(device="cpu")
    print("| stack | sources | PSNR (hole) | texture | flicker | seconds |\n|---|---|---|---|---|---|")
    for name, (stack, mask) in make_stacks(photo, arguments.frames).items():
        for sources, axis in (("plane", None), ("stack", 0)):
            started = time.perf_counter()
            filled = inpainter.fill(stack, mask, sources=sources, stack_axis=axis)
            seconds = time.perf_counter() - started
            psnr, texture, flicker = measure(stack, filled, mask)
            shown = "" if np.isnan(flicker) else f"{flicker:.2f}"
            print(f"| {name} | {sources} | {psnr:.2f} | {texture:.2f} | {shown} | {seconds:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
