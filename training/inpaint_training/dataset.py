"""A data set: decoded photos in a few large files that training maps into memory."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from tqdm import tqdm

from inpaint_training.photos import BadPhotoError, decode_photo, iterate_photos

if TYPE_CHECKING:
    from collections.abc import Sequence

INDEX = "dataset.json"
SCHEMA = 1
MINIMUM_SIDE = 350
"""Shorter photos are left out, as in the student report: they give blurred crops."""
SHARD_BYTES = 1 << 30
HASH_BITS = 6
"""Photos whose difference hashes differ in at most this many of 64 bits are compared as thumbnails."""
SAME_CORRELATION = 0.98


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """Where one photo lies."""

    name: str
    shard: str
    offset: int
    height: int
    width: int


class Thumbnails:
    """Recognises photos that were seen before, scaled or recompressed."""

    def __init__(self) -> None:
        self.hashes = np.zeros((0, 64), bool)
        self.thumbnails: list[np.ndarray] = []
        self.names: list[str] = []

    def find_or_add(self, photo: Image.Image, name: str) -> str | None:
        """Return the name of the photo that this one repeats, or None and remember it."""
        grey = photo.convert("L")
        small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), np.int16)
        bits = (small[:, 1:] > small[:, :-1]).ravel()
        thumbnail = np.asarray(grey.resize((32, 32), Image.Resampling.BOX), np.float32).ravel()
        thumbnail = (thumbnail - thumbnail.mean()) / max(float(thumbnail.std()), 1e-3)
        for other in np.flatnonzero((self.hashes != bits).sum(1) <= HASH_BITS):
            if float(np.mean(self.thumbnails[other] * thumbnail)) > SAME_CORRELATION:
                return self.names[other]
        self.hashes = np.vstack([self.hashes, bits])
        self.thumbnails.append(thumbnail)
        self.names.append(name)
        return None


def pack(
    sources: Sequence[Path], destination: Path, short_side: int = 768, keep_duplicates: bool = False
) -> dict[str, str]:
    """Decode photos into a data set.

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

    Returns
    -------
    dict
        The photos that were left out, by name, and why.

    Raises
    ------
    ValueError
        When the destination is in use, or no photo is left.
    """
    destination = destination.resolve()
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise ValueError(f"{destination} is not empty: name a new folder for the data set")
    if short_side < MINIMUM_SIDE:
        raise ValueError(f"--short-side must be at least {MINIMUM_SIDE}, not {short_side}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{destination.name}-", dir=destination.parent) as partial:
        left_out = _pack_into(Path(partial), sources, short_side, keep_duplicates)
        if destination.exists():
            destination.rmdir()
        Path(partial).rename(destination)
        Path(partial).mkdir()  # for the context manager to remove
    destination.chmod(0o755)
    return left_out


def _pack_into(folder: Path, sources: Sequence[Path], short_side: int, keep_duplicates: bool) -> dict[str, str]:
    entries: list[PhotoEntry] = []
    left_out: dict[str, str] = {}
    seen = Thumbnails()
    shard, offset = 0, 0
    for name, data in tqdm(iterate_photos(sources), "pack", unit=" photos"):
        try:
            photo = decode_photo(data, short_side)
        except BadPhotoError as error:
            left_out[name] = str(error)
            continue
        if min(photo.size) < MINIMUM_SIDE:
            left_out[name] = f"only {photo.width} x {photo.height} pixels, less than {MINIMUM_SIDE}"
            continue
        if not keep_duplicates and (twin := seen.find_or_add(photo, name)):
            left_out[name] = f"repeats {twin}"
            continue
        if offset > SHARD_BYTES:
            shard, offset = shard + 1, 0
        shard_name = f"photos-{shard:03}.bin"
        with (folder / shard_name).open("ab") as file:
            file.write(photo.tobytes())
        entries.append(PhotoEntry(name, shard_name, offset, photo.height, photo.width))
        offset += photo.height * photo.width * 3
    if not entries:
        raise ValueError(f"no usable photo in {', '.join(map(str, sources))}: {summarise(left_out) or 'none found'}")
    index = {"schema": SCHEMA, "photos": [asdict(entry) for entry in entries], "left_out": left_out}
    (folder / INDEX).write_text(json.dumps(index, indent=1))
    return left_out


def summarise(left_out: dict[str, str]) -> str:
    """Count the reasons why photos were left out, by their first two words."""
    reasons = Counter(" ".join(reason.split()[:2]).rstrip(":") if "repeats" not in reason else "repeated"
                      for reason in left_out.values())  # fmt: skip
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


class PhotoDataset:
    """The photos of a packed data set, mapped into memory.

    Parameters
    ----------
    folder
        What `pack` wrote.
    min_side
        Leave out photos whose short side has fewer pixels.

    Raises
    ------
    ValueError
        When the folder is no data set, an incomplete one, or has no photo that is large enough.
    """

    def __init__(self, folder: Path, min_side: int = 1) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text())
            entries = [PhotoEntry(**entry) for entry in index["photos"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{folder} is no data set ({error}): make one with 'inpaint-train pack'") from error
        self.entries = [entry for entry in entries if min(entry.height, entry.width) >= min_side]
        if not self.entries:
            raise ValueError(f"{folder} has no photo of at least {min_side} x {min_side} pixels: pack larger photos")
        self.shards: dict[str, np.ndarray] = {}
        for entry in self.entries:
            if entry.shard not in self.shards:
                path = folder / entry.shard
                if not path.is_file():
                    raise ValueError(f"{path} is missing: pack the data set again")
                self.shards[entry.shard] = np.memmap(path, np.uint8, "r")
            if entry.offset + entry.height * entry.width * 3 > self.shards[entry.shard].size:
                raise ValueError(f"{folder / entry.shard} is too short: pack the data set again")

    def __len__(self) -> int:
        return len(self.entries)

    def photo(self, index: int) -> np.ndarray:
        """Return a photo as a read-only uint8 array of shape (H, W, 3), without copying it."""
        entry = self.entries[index]
        end = entry.offset + entry.height * entry.width * 3
        return self.shards[entry.shard][entry.offset : end].reshape(entry.height, entry.width, 3)
