"""How much of the decoding speed of all cores `inpaint-train pack` reaches.

Run: python benchmarks/pack.py PHOTOS... [--short-side 640] [--rounds 5] [--json]

PHOTOS are what `inpaint-train pack` takes: photos, folders, tar archives. "decode" is `decode_photo` on all cores, from
memory, its result thrown away; "pack" is the whole command: read, decode, compare, write. Both take turns, because
other programs slow down both; the table has the median of the rounds, the ratio is the median of the rounds' ratios.
CPU ms a photo tells what the work costs, however busy the machine is.
"""

import argparse
import contextlib
import functools
import io
import json
import statistics
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from inpaint_training.data.pack import PackSettings, count_cores, pack
from inpaint_training.data.photos import BadPhotoError, decode_photo
from inpaint_training.data.sources import iterate_sources


def decode(data, short_side):
    with contextlib.suppress(BadPhotoError):
        decode_photo(data, short_side)


def decode_all(photos, short_side):
    with ThreadPoolExecutor(count_cores()) as pool:
        deque(pool.map(functools.partial(decode, short_side=short_side), photos), maxlen=0)


def pack_all(sources, short_side):
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, contextlib.redirect_stderr(io.StringIO()):
        begin = time.perf_counter(), time.process_time()
        pack(sources, Path(folder) / "data", PackSettings(short_side))
        return time.perf_counter() - begin[0], time.process_time() - begin[1]


def measure(sources, short_side, rounds):
    photos = [source.read() for source in iterate_sources(sources)]
    Image.init()
    decode_all(photos[:8], short_side)
    times = {"decode": [], "pack": []}
    for _ in range(rounds):
        begin = time.perf_counter(), time.process_time()
        decode_all(photos, short_side)
        times["decode"].append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
        times["pack"].append(pack_all(sources, short_side))
    result = {"photos": len(photos), "cores": count_cores(), "short_side": short_side, "rounds": rounds}
    for name, rows in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        result[name] = {"photos_per_s": len(photos) / wall, "cpu_ms_per_photo": 1e3 * cpu / len(photos)}
    pairs = list(zip(times["decode"], times["pack"], strict=True))
    result["ratio"] = {
        "photos_per_s": statistics.median(a[0] / b[0] for a, b in pairs),
        "cpu_ms_per_photo": statistics.median(a[1] / b[1] for a, b in pairs),
    }
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--short-side", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.photos, arguments.short_side, arguments.rounds)
    if arguments.json:
        json.dump(result, sys.stdout, indent=1)
        return
    print(f"| {result['photos']} photos, {result['cores']} cores | photos/s | CPU ms a photo |\n|---|---|---|")
    for name in ("decode", "pack"):
        print(f"| {name} | {result[name]['photos_per_s']:.1f} | {result[name]['cpu_ms_per_photo']:.1f} |")
    ratios = result["ratio"]
    print(f"| pack / decode | {ratios['photos_per_s']:.0%} | {ratios['cpu_ms_per_photo']:.0%} |")


if __name__ == "__main__":
    main()
