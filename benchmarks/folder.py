"""A folder of photos with inpaint-fill, against what the engine alone does with the same pixels in memory.

    python benchmarks/folder.py [--count 1000] [--rounds 1] [--jobs 2] [--model NAME]

Photos of 2 MP are made from the bundled sample, each with a mask of one hole about 100 px wide. The command starts its
processes, reads and writes; as many processes of the engine are warm already, and call `Inpainter.fill` alone. They
take turns, so that what else the machine does hits both. Prints a Markdown table: photos a second, and seconds of CPU
time a photo, which other work on the machine changes little; the command's share of the engine's speed, by each of
them; and the largest memory of one of the command's processes, for a tenth of the photos and for all.
"""

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from napari_inpaint import Inpainter
from napari_inpaint.inference.runtime.loading import choose_model
from napari_inpaint.samples import THE_CREST

HEIGHT, WIDTH, HOLE, DISTINCT = 1224, 1632, 100, 12
FORMATS = {"JPEG": ("jpg", {"quality": 92}), "PNG": ("png", {})}
Photo = tuple[np.ndarray, np.ndarray]


def make_photos(count: int) -> list[Photo]:
    """Return photos that differ, and their masks."""
    sample = Image.open(THE_CREST.path)
    large = np.asarray(sample.resize((WIDTH, WIDTH * sample.height // sample.width), Image.Resampling.LANCZOS))
    rng = np.random.default_rng(0)
    grain = rng.integers(-4, 5, (HEIGHT, WIDTH, 1))
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    photos = []
    for _ in range(count):
        photo = np.roll(large[:HEIGHT], rng.integers(WIDTH), 1) + np.roll(grain, rng.integers(WIDTH), 1)
        top, left = rng.integers(200, HEIGHT - 200), rng.integers(200, WIDTH - 200)
        mask = ((y - top) / HOLE) ** 2 + ((x - left) / HOLE) ** 2 < 0.25
        photos.append((np.clip(photo, 0, 255).astype(np.uint8), mask))
    return photos


def write_photos(photos: list[Photo], kind: str, folder: Path, count: int) -> None:
    """Write some photos and their masks; the others are links to them."""
    suffix, options = FORMATS[kind]
    for name in ("in", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        for name, ending, picture in (("in", suffix, photos[index % len(photos)][0]),
                                      ("masks", "png", photos[index % len(photos)][1])):  # fmt: skip
            path = folder / name / f"{index:05}.{ending}"
            if index < len(photos):
                Image.fromarray(picture).save(path, **(options if name == "in" else {}))
            else:
                os.link(folder / name / f"{index % len(photos):05}.{ending}", path)


def time_command(folder: Path, jobs: int, model: str | None) -> tuple[np.ndarray, float]:
    """Return the seconds of a whole run and of its CPU time, and the most memory that a process of it had, in MiB."""
    out = tempfile.mkdtemp(dir=folder)
    words = [folder / "in", "-o", out, "--mask", folder / "masks", "--jobs", str(jobs), "--device", "cpu"]
    words += [] if model is None else ["--model", model]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "napari_inpaint.command.cli", *words], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)  # fmt: skip
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said.decode())
    return np.array([time.perf_counter() - started, usage.ru_utime + usage.ru_stime]), usage.ru_maxrss / 1024


def fill_in_memory(photos: list[Photo], turns: int, inpainter: Inpainter, start, seconds) -> None:
    """Fill photos again and again, when all processes are ready; tell how long that took, and its CPU time."""

    def read_clocks() -> np.ndarray:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return np.array([time.perf_counter(), usage.ru_utime + usage.ru_stime])

    inpainter.fill(photos[0][0], mask=photos[0][1])
    start.wait()
    started = read_clocks()
    for turn in range(turns):
        photo, mask = photos[turn % len(photos)]
        inpainter.fill(photo, mask=mask)
    seconds.put(read_clocks() - started)


def time_engine(photos: list[Photo], count: int, jobs: int, model: str | None) -> np.ndarray:
    """Return the seconds, and those of CPU time, of processes that fill the same photos and do nothing else."""
    context = multiprocessing.get_context("spawn")
    start, seconds = context.Barrier(jobs), context.Queue()
    threads = max(1, (os.cpu_count() or 1) // jobs)
    inpainter = Inpainter(choose_model(model, "cpu", threads), "cpu", threads)
    processes = [context.Process(target=fill_in_memory, args=(photos, count // jobs, inpainter, start, seconds))
                 for _ in range(jobs)]  # fmt: skip
    for process in processes:
        process.start()
    taken = np.array([seconds.get() for _ in processes])
    for process in processes:
        process.join()
    return np.array([taken[:, 0].max(), taken[:, 1].sum()])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--model")
    parser.add_argument("--folder", type=Path, help="where the photos are written, and removed again")
    arguments = parser.parse_args()
    count, jobs, model = arguments.count // arguments.jobs * arguments.jobs, arguments.jobs, arguments.model
    photos = make_photos(min(DISTINCT, count))
    print(f"{count} photos of {WIDTH} x {HEIGHT}, {jobs} jobs\n")
    print("| photos | engine: a second, CPU time | command: a second, CPU time | share | MiB: a tenth, all |")
    print("|---|---|---|---|---|")
    for kind in FORMATS:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            few, all_of_them = Path(folder, "few"), Path(folder, "all")
            write_photos(photos, kind, few, max(jobs, count // 10))
            write_photos(photos, kind, all_of_them, count)
            _, small = time_command(few, jobs, model)
            engine, command = np.zeros(2), np.zeros(2)
            for _ in range(arguments.rounds):
                engine += time_engine(photos, count, jobs, model)
                seconds, large = time_command(all_of_them, jobs, model)
                command += seconds
        filled = arguments.rounds * count
        rates = [f"{filled / wall:.2f}, {cpu / filled:.2f} s" for wall, cpu in (engine, command)]
        shares = ", ".join(f"{share:.0%}" for share in engine / command)
        print(f"| {kind} | {rates[0]} | {rates[1]} | {shares} | {small:.0f}, {large:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
