"""Time, memory and quality by hole size: what is copied, the network alone, and classical methods.

    python benchmarks/copying.py PHOTOS [--model NAME|FILE|CHECKPOINT[:DETAIL]]... [--holes 100 512] [--json FILE]

Every photo is scaled to a square of 2.5 holes, with one square hole at a place drawn by a seed. Photos that are smaller
are enlarged, which the table says: there is no fine detail then that a fill could miss. Each method runs in a process
of its own, on all cores; its memory is the peak above what the process takes once everything is loaded. A method that
is not ready in --limit seconds a photo is stopped. Prints a Markdown table of means over the photos (texture: median).
Linux only.
"""

import argparse
import json
import multiprocessing
import queue
import sys
import time
import warnings
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inpaint_training.data.masks import random_box
from inpaint_training.data.photos import decode_photo
from inpaint_training.data.sources import iterate_sources
from inpaint_training.evaluation.baselines import load_method
from inpaint_training.evaluation.cases import Case
from inpaint_training.evaluation.metrics import average, score
from inpaint_training.losses.features import FeatureNetwork, compare_features

CONTEXT = 2.5
"""Side of the image, in holes."""
COLUMNS = {"seconds": "{:.2f}", "MiB": "{:.0f}", "l1": "{:.2f}", "psnr_hole": "{:.2f}", "ssim": "{:.4f}",
           "texture": "{:.2f}", "lite2": "{:.4f}"}  # fmt: skip


def make_cases(photos: Path, hole: int, count: int) -> list[Case]:
    side, cases = round(CONTEXT * hole), []
    for index, source in enumerate(islice(iterate_sources([photos]), count)):
        photo = decode_photo(source.read(), 10**5)
        short = min(photo.size)
        left, top = (photo.width - short) // 2, (photo.height - short) // 2
        square = photo.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.BICUBIC)
        rng = np.random.default_rng([0, index])
        y0, x0, y1, x1 = random_box(side, side, hole, hole, hole // 4, rng, square=True)
        mask = np.zeros((side, side), bool)
        mask[y0:y1, x0:x1] = True
        enlarged = " (enlarged)" if short < side else ""
        cases.append(Case(f"{source.name}{enlarged}", np.asarray(square), mask))
    return cases


def work(name: str, is_model: bool, cases: list[Case], results: multiprocessing.Queue) -> None:
    """Fill every case; tell the fill, its seconds and the process's peak memory in MiB."""
    filler = load_model(name) if is_model else load_method(name)
    small = np.s_[:200, :200]
    tiny = np.zeros((200, 200), bool)
    tiny[80:100, 80:100] = True
    filler(cases[0].image[small], tiny)  # loading does not count
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget the peak of loading
    before = peak_mib()
    for case in cases:
        started = time.perf_counter()
        filled = filler(case.image, case.mask)
        seconds = time.perf_counter() - started
        results.put((filled, seconds, peak_mib() - before))


def peak_mib() -> float:
    line = next(
        line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def load_model(name: str):
    from inpaint_training.evaluation.inpainter import CheckpointInpainter
    from napari_inpaint import Inpainter

    warnings.simplefilter("ignore")  # that holes are large is why we are here
    model, _, detail = name.partition(":")
    inpainter = CheckpointInpainter(Path(model), "cpu") if Path(model).is_dir() else Inpainter(model, device="cpu")
    return lambda image, mask: inpainter.fill(image, mask=mask, detail=detail or "copied")


def measure(
    name: str, is_model: bool, cases: list[Case], limit: float, features: FeatureNetwork
) -> tuple[dict[str, float], list[np.ndarray]] | None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=work, args=(name, is_model, cases, results))
    process.start()
    scores, fills, memory = [], [], 0.0
    for number, case in enumerate(cases):
        end = time.monotonic() + limit + (60 if number == 0 else 0)
        while results.empty() and process.is_alive() and time.monotonic() < end:
            time.sleep(0.1)
        try:
            filled, seconds, mib = results.get(timeout=1)
        except queue.Empty:
            failed = not process.is_alive()
            process.kill()
            if failed:
                sys.exit(f"{name} failed")
            return None
        memory = max(memory, mib)
        fills.append(filled)
        images = torch.from_numpy(np.stack([case.image, filled])).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            levels = features(images)
            distance = float(compare_features([x[:1] for x in levels], [x[1:] for x in levels]))
        scores.append(score(case, filled, seconds, {"lite2": distance}))
    process.join()
    return average(scores) | {"MiB": memory}, fills


def draw_sheet(path: Path, cases: list[Case], columns: list[list[np.ndarray]], shown: int = 4, side: int = 320) -> None:
    """Write a picture: the hole, every method's fill, and the original, for the first photos."""
    holes = [np.where(case.mask[..., None], np.uint8(255), case.image) for case in cases]
    rows = zip(holes, *columns, (case.image for case in cases), strict=False)
    cells = [
        [np.asarray(Image.fromarray(x).resize((side, side), Image.Resampling.LANCZOS)) for x in row] for row in rows
    ]
    Image.fromarray(np.vstack([np.hstack(row) for row in cells[:shown]])).save(path, quality=88)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder or tar")
    parser.add_argument("--model", nargs="*", default=["landscape:network", "landscape:copied"])
    parser.add_argument("--method", nargs="*", default=["shiftmap", "patchmatch"])
    parser.add_argument("--holes", type=int, nargs="+", default=[100, 256, 512, 1024])
    parser.add_argument("--count", type=int, default=8, help="photos")
    parser.add_argument("--limit", type=float, default=120, help="seconds a photo")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path, help="write a picture of the fills of the first hole size")
    arguments = parser.parse_args()
    features, rows = FeatureNetwork("lite2"), []
    sys.stdout.write(f"| hole | method | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 2)}\n")
    for hole in arguments.holes:
        cases = make_cases(arguments.photos, hole, arguments.count)
        enlarged = sum(case.name.endswith("(enlarged)") for case in cases)
        where = f"{hole} px in {round(CONTEXT * hole)}" + (f", {enlarged} of {len(cases)} enlarged" if enlarged else "")
        columns = []
        for name in (*arguments.model, *arguments.method):
            measured = measure(name, name in arguments.model, cases, arguments.limit, features)
            row, fills = measured or ({}, [])
            columns += [fills] if fills else []
            rows.append({"hole": hole, "method": name, "enlarged": enlarged, **row})
            cells = [form.format(row[column]) for column, form in COLUMNS.items()] if row else (
                [f"> {arguments.limit:.0f}"] + ["-"] * (len(COLUMNS) - 1)
            )  # fmt: skip
            sys.stdout.write(f"| {where} | {Path(name).name} | {' | '.join(cells)} |\n")
            sys.stdout.flush()
            if arguments.json:
                arguments.json.write_text(json.dumps(rows, indent=1))
        if arguments.sheet and hole == arguments.holes[0]:
            draw_sheet(arguments.sheet, cases, columns)


if __name__ == "__main__":
    main()
