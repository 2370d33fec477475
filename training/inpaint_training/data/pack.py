"""Pack photos into a data set, on all cores.

Threads decode: Pillow lets go of the interpreter lock while it decodes and resizes, and unlike processes threads
share memory, so that no photo is copied on its way to the file. The parent reads the photos and takes the results in
order, so that the data set does not depend on the number of threads.
"""

from __future__ import annotations

import csv
import functools
import json
import os
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from PIL import Image
from tqdm import tqdm

from inpaint_training.data.dataset import INDEX, SCHEMA, PhotoEntry
from inpaint_training.data.duplicates import Fingerprint, Thumbnails, fingerprint
from inpaint_training.data.photos import BadPhotoError, decode_photo, iterate_photos
from napari_inpaint.io.atomic import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path
    from typing import BinaryIO

REPORT = "left-out.csv"
MINIMUM_SIDE = 350
"""Shorter photos are left out, as in the student report: they give blurred crops."""
SHARD_BYTES = 1 << 30
AHEAD = 4
"""Photos in flight for each thread: enough to go on behind a slow one, few enough to stay small in memory."""


@dataclass(frozen=True, slots=True)
class DecodedPhoto:
    """A photo as it is stored: RGB, 8 bits, row by row."""

    pixels: bytes
    height: int
    width: int
    fingerprint: Fingerprint | None


def pack(
    sources: Sequence[Path],
    destination: Path,
    short_side: int = 768,
    keep_duplicates: bool = False,
    jobs: int | None = None,
) -> dict[str, str]:
    """Decode photos into a data set.

    The folder gets ``photos-*.bin`` (the pixels), ``dataset.json`` (where each photo lies) and ``left-out.csv`` (name,
    reason). It appears when it is complete; an error or Ctrl-C leaves nothing behind.

    Parameters
    ----------
    sources
        Photo files, folders or tar archives.
    destination
        A folder that does not exist yet, or is empty.
    short_side
        Larger photos are scaled down to this short side, in pixels.
    keep_duplicates
        Keep photos that repeat an earlier one.
    jobs
        Number of threads that decode; by default one for each core. The result is the same with any number.

    Returns
    -------
    dict
        The photos that were left out, by name, and why.

    Raises
    ------
    ValueError
        When the destination is in use, a source is missing or cut off, a number is out of range, the memory does not
        suffice, or no photo is left.
    """
    destination = destination.resolve()
    jobs = count_cores() if jobs is None else jobs
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise ValueError(f"{destination} is not empty: name a new folder for the data set")
    if short_side < MINIMUM_SIDE:
        raise ValueError(f"--short-side must be at least {MINIMUM_SIDE}, not {short_side}")
    if jobs < 1:
        raise ValueError(f"--jobs must be at least 1, not {jobs}")
    decode = functools.partial(_decode, short_side=short_side, with_fingerprint=not keep_duplicates)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with stage(destination) as staged:
        staged.partial.mkdir()
        left_out = _pack_into(staged.partial, sources, decode, jobs)
        staged.sync()
        if destination.exists():
            destination.rmdir()  # refuses what somebody has put there meanwhile
        staged.appear()
    return left_out


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _decode(data: bytes, short_side: int, with_fingerprint: bool) -> DecodedPhoto:
    photo = decode_photo(data, short_side)
    if min(photo.size) < MINIMUM_SIDE:
        raise BadPhotoError(f"only {photo.width} x {photo.height} pixels, less than {MINIMUM_SIDE}")
    return DecodedPhoto(photo.tobytes(), photo.height, photo.width, fingerprint(photo) if with_fingerprint else None)


def decode_ahead(
    decode: Callable[[bytes], DecodedPhoto], photos: Iterable[tuple[str, bytes]], jobs: int
) -> Generator[tuple[str, Future[DecodedPhoto]]]:
    """Decode photos in threads and yield their names and results in order.

    At most ``AHEAD * jobs`` photos are in flight. Closing it cancels what has not begun and waits for the rest.

    Parameters
    ----------
    decode
        Called in the threads, with the undecoded bytes.
    photos
        Names and undecoded bytes, read in the calling thread.
    jobs
        Number of threads.
    """
    Image.init()  # Pillow loads its rarer formats when it first needs one, which fails in two threads at once
    waiting: deque[tuple[str, Future[DecodedPhoto]]] = deque()
    with ThreadPoolExecutor(jobs, "pack") as pool:
        try:
            for name, data in photos:
                waiting.append((name, pool.submit(decode, data)))
                if len(waiting) == AHEAD * jobs:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class ShardWriter:
    """Appends photos to the files ``photos-000.bin``, ``photos-001.bin``, ... of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[PhotoEntry] = []
        self._shards = 0
        self._file: BinaryIO | None = None

    def append(self, name: str, photo: DecodedPhoto) -> None:
        """Write a photo behind the last one, in a new file when that one is full."""
        if self._file is None or self._file.tell() > SHARD_BYTES:
            self.close()
            self._file = (self.folder / f"photos-{self._shards:03}.bin").open("wb")
            self._shards += 1
        shard = f"photos-{self._shards - 1:03}.bin"
        self.entries.append(PhotoEntry(name, shard, self._file.tell(), photo.height, photo.width))
        self._file.write(photo.pixels)

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()


def _pack_into(
    folder: Path, sources: Sequence[Path], decode: Callable[[bytes], DecodedPhoto], jobs: int
) -> dict[str, str]:
    left_out: dict[str, str] = {}
    seen = Thumbnails()
    photos = decode_ahead(decode, iterate_photos(sources), jobs)
    with closing(ShardWriter(folder)) as shards, closing(photos):
        for name, result in tqdm(photos, "pack", unit=" photos"):
            try:
                photo = result.result()
            except BadPhotoError as error:
                left_out[name] = str(error)
                continue
            except MemoryError:
                raise ValueError(
                    f"not enough memory to decode {name}: leave it out, or lower --jobs ({jobs})"
                ) from None
            if photo.fingerprint and (twin := seen.find_or_add(photo.fingerprint, name)):
                left_out[name] = f"repeats {twin}"
            else:
                shards.append(name, photo)
    if not shards.entries:
        raise ValueError(f"no usable photo in {', '.join(map(str, sources))}: {summarise(left_out) or 'none found'}")
    index = {"schema": SCHEMA, "photos": [asdict(entry) for entry in shards.entries], "left_out": left_out}
    (folder / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
    with (folder / REPORT).open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.writer(file).writerows([("name", "reason"), *left_out.items()])
    return left_out


def summarise(left_out: dict[str, str]) -> str:
    """Count the reasons why photos were left out, by their first two words."""
    reasons = Counter(" ".join(reason.split()[:2]).rstrip(":") if "repeats" not in reason else "repeated"
                      for reason in left_out.values())  # fmt: skip
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
