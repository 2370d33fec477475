"""Zarr stores on disk: filled chunk by chunk in a copy, OME-Zarr with all its levels."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_inpaint.io.atomic import stage
from napari_inpaint.io.formats import FileError, find_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ATTRIBUTE = "napari_inpaint"


@dataclass(frozen=True, slots=True)
class ZarrImage:
    """An array, or the levels of an OME-Zarr image."""

    path: Path
    node: Any
    """The zarr array or group that the path names."""
    levels: tuple[Any, ...]
    """Arrays, the largest first; one for a plain array."""
    channel_axis: int | None
    named_channels: int | None = None
    """An axis that its metadata call one of channels, whose planes are filled one by one."""


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a zarr store."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def open_zarr(path: Path, mode: str = "r") -> ZarrImage:
    """Open an array, or the first image of an OME-Zarr group.

    Raises
    ------
    FileError
        When it is neither, or is broken.
    """
    zarr = _import_zarr()
    try:
        node = zarr.open(str(path), mode=mode)
        if isinstance(node, zarr.Array):
            return ZarrImage(path, node, (node,), find_channels(node.shape))
        attributes = node.attrs.asdict()
        names = [each["path"] for each in attributes.get("ome", attributes)["multiscales"][0]["datasets"]]
        if any(not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts for name in names):
            raise ValueError(f"levels lie outside of it: {names}")
        levels = tuple(node[name] for name in names)
        if not levels or any(not isinstance(level, zarr.Array) or level.ndim != levels[0].ndim for level in levels):
            raise ValueError("its levels are no arrays of the same axes")
    except Exception as error:  # stores and codecs raise many kinds
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise FileError(f"{path} is no zarr array and no OME-Zarr image: {reason}") from error
    axes = attributes.get("ome", attributes)["multiscales"][0].get("axes") or ()
    kinds = [each.get("type") if isinstance(each, dict) else each for each in axes]
    named = next((axis for axis, kind in enumerate(kinds) if kind in ("channel", "c")), None)
    return ZarrImage(path, node, levels, None, named)  # the last two axes of OME-Zarr are y and x


@contextlib.contextmanager
def copied(source: Path, target: Path, overwrite: bool) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Give a copy of a store to work on, and what makes it the target; else nothing is left of it.

    Raises
    ------
    FileError
        When the target cannot be written, another process is writing it, or the store has links inside: what they lead
        to would become part of the copy.
    """
    if target.suffix.lower() != ".zarr":
        raise FileError(f"{target}: the input is zarr, so the output must end in .zarr")
    if not target.parent.is_dir():
        raise FileError(f"{target} cannot be written: {target.parent} is no folder")
    if any(is_zarr(parent) for parent in target.resolve().parents):
        raise FileError(f"{target} lies inside another zarr store: name another place")

    def refuse_links(folder: str, names: list[str]) -> tuple[str, ...]:
        if any(os.path.islink(os.path.join(folder, name)) for name in names):  # noqa: PTH114, PTH118 (millions of them)
            raise FileError(f"{source} has links inside: only stores that hold all of their data are filled")
        return ()

    try:
        with stage(target) as staged:
            if staged.target.exists() and not overwrite:
                raise FileError(f"{target} exists: name another one, or add --overwrite")
            shutil.copytree(source, staged.partial, ignore=refuse_links, copy_function=shutil.copyfile)
            for folder, _, _ in os.walk(staged.partial):  # of a store that is read-only, too, the copy can be filled
                Path(folder).chmod(Path(folder).stat().st_mode | 0o700)
            yield staged.partial, staged.appear  # not synced: a store can have millions of files
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror or error}") from error


def write_zarr_record(image: ZarrImage, record: Mapping[str, Any]) -> None:
    """Keep the record as an attribute."""
    image.node.attrs[ATTRIBUTE] = json.loads(json.dumps(record))


def read_zarr_record(path: Path) -> str | None:
    """Return the record of a filled store as JSON; None when there is none."""
    attribute = open_zarr(path).node.attrs.asdict().get(ATTRIBUTE)
    return None if attribute is None else json.dumps(attribute)


def _import_zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise ImportError('zarr files need zarr: pip install "napari-inpaint[big]"') from error
    return zarr
