"""Pack images into a data set, on all cores.

Threads decode: Pillow lets go of the interpreter lock while it decodes and resizes, and unlike processes threads
share memory, so that no photo is copied on its way to the file. The parent takes the results in order, so that the
data set does not depend on the number of threads.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import os
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from inpaint_training.data.dataset import INDEX, SCHEMA, PhotoEntry
from inpaint_training.data.duplicates import Fingerprint, Thumbnails, fingerprint, to_image
from inpaint_training.data.photos import BadPhotoError
from inpaint_training.data.pictures import PHOTO_SIDE, Picture, Scale, read_pictures, refuse_useless
from inpaint_training.data.sources import iterate_sources
from inpaint_training.progress import UNWATCHED, ProgressReport
from napari_inpaint.io.atomic import stage, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from inpaint_training.data.sources import Source
    from inpaint_training.progress import Watch

REPORT = "left-out.csv"
SHARD_BYTES = 1 << 30
AHEAD = 4
"""Images in flight for each thread: enough to go on behind a slow one, few enough to stay small in memory."""

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class PackSettings:
    """What becomes of images on their way into a data set."""

    short_side: int = 768
    """Larger photos are scaled down to this short side, in pixels."""
    native: bool = False
    """Keep photos of 8 bits at their own scale too, from 96 pixels on; all other images are always kept so."""
    keep_duplicates: bool = False
    """Keep images that repeat an earlier one."""
    masks: Path | None = None
    """Of damage in the images, which counts as no value: one for all, or a folder of them."""
    mask_pattern: str | None = None
    """How masks are called, as for `MaskFinder`."""
    jobs: int | None = None
    """Threads that decode; by default one for each core. The result is the same with any number."""

    def check(self) -> None:
        """Raise `ValueError` for numbers that are out of range."""
        if self.short_side < PHOTO_SIDE:
            raise ValueError(f"--short-side must be at least {PHOTO_SIDE}, not {self.short_side}")
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"--jobs must be at least 1, not {self.jobs}")


@dataclass(slots=True)
class Packed:
    """What was packed."""

    entries: list[PhotoEntry] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """The images that were left out, by name, and why."""
    notes: dict[str, None] = field(default_factory=dict)
    """What the user should know, each once."""


def pack(
    sources: Sequence[Any], destination: Path, settings: PackSettings | None = None, watch: Watch = UNWATCHED
) -> Packed:
    """Decode images into a data set.

    The folder gets ``photos-*.bin`` (the pixels), ``dataset.json`` (where each image lies) and ``left-out.csv`` (name,
    reason). It appears when it is complete; an error or Ctrl-C leaves nothing behind. Where no image can be used, the
    reasons are in ``NAME.left-out.csv`` beside the folder that does not appear.

    Parameters
    ----------
    sources
        Image files, zarr stores, folders, tar archives, arrays.
    destination
        A folder that does not exist yet, or is empty.
    settings
        What becomes of the images.
    watch
        Is told how many were read.

    Raises
    ------
    ValueError
        When the destination is in use, a source is missing or cut off, a number is out of range, the memory does not
        suffice, or no image is left.
    CancelledError
        When the event of ``watch`` is set; nothing is left behind.
    """
    settings = settings or PackSettings()
    settings.check()
    destination = destination.resolve()
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise ValueError(f"{destination} is not empty: name a new folder for the data set")
    images = iterate_sources(sources, settings.masks, settings.mask_pattern)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with stage(destination) as staged:
        staged.partial.mkdir()
        packed = _pack_into(staged.partial, images, settings, watch)
        if not packed.entries:
            _refuse(sources, destination, packed.left_out)
        staged.sync()
        if destination.exists():
            destination.rmdir()  # refuses what somebody has put there meanwhile
        staged.appear()
    return packed


def _refuse(sources: Sequence[Any], destination: Path, left_out: dict[str, str]) -> None:
    """Raise `ValueError`, and write the reasons where they can be read."""
    named = ", ".join(str(each) if isinstance(each, Path) else "an array" for each in sources[:3])
    where = f"{named}{', ...' * (len(sources) > 3)}"
    if not left_out:
        raise ValueError(f"no usable photo in {where}: none found")
    report = destination.with_name(f"{destination.name}.{REPORT}")
    write_atomically(report, to_csv(left_out).encode("utf-8", "backslashreplace"))
    name, reason = next(iter(left_out.items()))
    raise ValueError(f"no usable photo in {where}: {summarise(left_out)}; the first is {name}, {reason}. All reasons "
                     f"are in {report}")  # fmt: skip


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a plane."""

    name: str
    picture: Picture | None
    """None when it cannot be used."""
    reason: str = ""
    """Why."""
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """What became of the planes of a file, which are read while one iterates where it does not fit into memory."""

    planes: Iterable[Decoded]
    notes: Sequence[str] = ()
    """Complete when all planes are read."""


def _decode(source: Source, settings: PackSettings) -> DecodedFile:
    try:
        pictures, notes = read_pictures(source, Scale(settings.short_side, settings.native))
        planes = _judge(source, pictures, settings)
        return DecodedFile(list(planes) if isinstance(pictures, list) else planes, notes)
    except BadPhotoError as error:
        return DecodedFile([Decoded(source.name, None, str(error))])


def _judge(source: Source, pictures: Iterable[Picture], settings: PackSettings) -> Iterator[Decoded]:
    waiting = iter(pictures)
    while True:
        name = source.name
        try:
            picture = next(waiting)
            name = picture.name
            refuse_useless(picture)
        except StopIteration:
            return
        except BadPhotoError as error:
            yield Decoded(name, None, str(error))
            continue
        seen = None if settings.keep_duplicates else fingerprint(to_image(picture.pixels, picture.hidden))
        yield Decoded(name, picture, "", seen)


def decode_ahead(
    decode: Callable[[Given], Made], photos: Iterable[tuple[str, Given]], jobs: int
) -> Generator[tuple[str, Future[Made]]]:
    """Decode photos in threads and yield their names and results in order.

    At most ``AHEAD * jobs`` photos are in flight. Closing it cancels what has not begun and waits for the rest.

    Parameters
    ----------
    decode
        Called in the threads, with what is not decoded.
    photos
        Names, and what is not decoded, from the calling thread.
    jobs
        Number of threads.
    """
    Image.init()  # Pillow loads its rarer formats when it first needs one, which fails in two threads at once
    waiting: deque[tuple[str, Future[Made]]] = deque()
    with ThreadPoolExecutor(jobs, "pack") as pool:
        try:
            for name, given in photos:
                waiting.append((name, pool.submit(decode, given)))
                if len(waiting) == AHEAD * jobs:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class ShardWriter:
    """Appends images to the files ``photos-000.bin``, ``photos-001.bin``, ... of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[PhotoEntry] = []
        self._shards = 0
        self._file: BinaryIO | None = None

    def append(self, picture: Picture) -> None:
        """Write an image behind the last one, in a new file when that one is full."""
        if self._file is None or self._file.tell() > SHARD_BYTES:
            self.close()
            self._file = (self.folder / f"photos-{self._shards:03}.bin").open("wb")
            self._shards += 1
        shard = f"photos-{self._shards - 1:03}.bin"
        pixels, hidden = picture.pixels, picture.hidden
        self._file.write(bytes(-self._file.tell() % pixels.itemsize))  # where its dtype may begin
        height, width, channels = pixels.shape
        file = "" if picture.file == picture.name else picture.file
        self.entries.append(PhotoEntry(
            picture.name, shard, self._file.tell(), height, width, pixels.dtype.name,  # type: ignore[arg-type]
            channels, hidden is not None, picture.native, file,
        ))  # fmt: skip
        self._file.write(np.ascontiguousarray(pixels).data)
        if hidden is not None:
            self._file.write((~hidden).astype(np.uint8).data)

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()


def _pack_into(folder: Path, images: Iterable[Source], settings: PackSettings, watch: Watch) -> Packed:
    packed, seen, jobs = Packed(), Thumbnails(), settings.jobs or count_cores()
    decode = functools.partial(_decode, settings=settings)
    files = decode_ahead(decode, ((source.name, source) for source in images), jobs)
    with closing(ShardWriter(folder)) as shards, closing(files):
        packed.entries = shards.entries
        for number, (name, result) in enumerate(tqdm(files, "pack", unit=" photos", disable=not watch.bar), 1):
            try:
                file = result.result()
                _append(file, shards, seen, packed.left_out, watch)
                packed.notes |= dict.fromkeys(file.notes)
            except MemoryError:
                raise ValueError(
                    f"not enough memory to decode {name}: leave it out, or lower --jobs ({jobs})"
                ) from None
            watch.tell(ProgressReport(number))
    index = {"schema": SCHEMA, "photos": [asdict(entry) for entry in packed.entries], "left_out": packed.left_out}
    (folder / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
    (folder / REPORT).write_bytes(to_csv(packed.left_out).encode("utf-8", "backslashreplace"))
    return packed


def _append(file: DecodedFile, shards: ShardWriter, seen: Thumbnails, left_out: dict[str, str], watch: Watch) -> None:
    """Write the planes of a file, but for those that repeat another file; planes of one file are alike anyhow."""
    new: list[tuple[Fingerprint, str]] = []
    for plane in file.planes:
        watch.stop_if_cancelled()
        if plane.picture is None:
            left_out[plane.name] = plane.reason
        elif plane.fingerprint and (twin := seen.find(plane.fingerprint)):
            left_out[plane.name] = f"repeats {twin}"
        else:
            shards.append(plane.picture)
            new += [(plane.fingerprint, plane.name)] if plane.fingerprint else []
    for each in new:
        seen.add(*each)


def to_csv(left_out: dict[str, str]) -> str:
    """Return a table of what was left out, and why."""
    with io.StringIO(newline="") as file:
        csv.writer(file).writerows([("name", "reason"), *left_out.items()])
        return file.getvalue()


def summarise(left_out: dict[str, str]) -> str:
    """Count the reasons why images were left out; a reason begins with its kind, and a colon."""
    kinds = Counter("repeated" if reason.startswith("repeats ") else reason.partition(":")[0]
                    for reason in left_out.values())  # fmt: skip
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
