"""Draw what the second stage copies: python docs/make_attention.py CHECKPOINT PHOTOS OUT.jpg [--count 6]

Rows: one 256 px crop of each photo, with a square hole. Columns: the hole; stage one; both stages; where every cell
of the hole was copied from: known pixels are tinted by their place, and the hole shows the tints of what it copied.
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inpaint_training.checkpoints.checkpoint import read_checkpoint
from inpaint_training.evaluation.cases import Case, Protocol, iterate_cases
from inpaint_training.networks.attention import CELL, copy_cells
from inpaint_training.networks.two_stage import TwoStageNetwork

GAP = 4


def draw(network: TwoStageNetwork, case: Case) -> np.ndarray:
    """Return a row of pictures, uint8 (H, 4 W + gaps, 3)."""
    image = torch.tensor(case.image).permute(2, 0, 1)[None].float() / 255  # 1, 3, H, W
    hole = torch.tensor(case.mask)[None, None]  # 1, 1, H, W
    mask = hole.float()
    first = torch.where(hole, network.coarse(image, mask), image)
    both = torch.where(hole, network(image, mask), image)
    weights = network.refine.attend(first, mask)
    grey = first.mean(1, keepdim=True)
    place = torch.stack(torch.meshgrid(*(torch.linspace(0, 1, n) for n in image.shape[-2:]), indexing="ij"))[None]
    tint = torch.cat([place[:, 1:], 1 - place.mean(1, keepdim=True), place[:, :1]], 1)  # 1, 3, H, W
    copied = copy_cells(weights, tint, CELL)
    sources = torch.where(hole, copied, 0.35 * tint + 0.65 * grey)
    shown = [torch.where(hole, 1.0, image), first, both, sources]
    bar = torch.ones(1, 3, image.shape[2], GAP)
    row = torch.cat([part for picture in shown for part in (picture, bar)][:-1], 3)[0]
    return (row.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    network = read_checkpoint(arguments.checkpoint).network
    assert isinstance(network, TwoStageNetwork)
    cases = islice(iterate_cases(arguments.photos, Protocol(crops=1, seed=arguments.seed)), arguments.count)
    with torch.inference_mode():
        rows = [draw(network, case) for case in cases]
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    Image.fromarray(np.concatenate([part for row in rows for part in (row, gap)][:-1])).save(arguments.out, quality=88)


if __name__ == "__main__":
    main()
