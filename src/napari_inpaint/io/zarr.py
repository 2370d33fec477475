"""Zarr stores on disk: filled chunk by chunk in a copy, OME-Zarr with all its levels."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_inpaint.io.atomic import stage
from napari_inpaint.io.formats import FileError, find_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Place = tuple[str, int]
    """Where an image of a store is: the path of its group, and which of the group's ``multiscales`` it is."""

ATTRIBUTE = "napari_inpaint"
LISTED = 10
"""Images of a store that one sentence lists."""


@dataclass(frozen=True, slots=True)
class ZarrImage:
    """An array, or the levels of an OME-Zarr image."""

    path: Path
    """What was opened: the image, or a store that holds it."""
    node: Any
    """The zarr array, or the group of the image."""
    levels: tuple[Any, ...]
    """Arrays, the largest first; one for a plain array."""
    channel_axis: int | None
    named_channels: int | None = None
    """An axis that its metadata call one of channels, whose planes are filled one by one."""
    series: int | None = None
    """Which image of the store it is; None for the only one."""
    note: str = ""
    """Which of several it is, for a user who did not choose."""


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a zarr store."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def open_zarr(path: Path, series: int | None = None, mode: str = "r") -> ZarrImage:
    """Open an array or an OME-Zarr image, which may be one of several: of a plate, a well, or a bioformats2raw store.

    Parameters
    ----------
    path
        The image, or a store that holds several.
    series
        Which one, in the order of the metadata; None for the first.

    Raises
    ------
    FileError
        When it is neither, or is broken, or does not hold so many.
    """
    try:
        node = _open(path, mode)
        places = _find_images(node)
        if not places:
            raise ValueError("it holds no image")
        if series is not None and series not in range(len(places)):
            shapes = [_open_image(path, node, place).levels[0].shape for place in places[:LISTED]]
            raise FileError(f"{path} has no image {series!r}; it holds {_describe(places, shapes)}")
        image = _open_image(path, node, places[series or 0])
    except (FileError, ImportError):
        raise
    except Exception as error:  # stores and codecs raise many kinds
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise FileError(f"{path} is no zarr array and no OME-Zarr image: {reason}") from error
    if len(places) == 1:
        return image
    return replace(image, series=series or 0, note="" if series is not None else _say_first(path, places))


def _open(path: Path, mode: str = "r") -> Any:
    """Open an array or a group, without the metadata gathered at its top: these miss what is written further down."""
    return _import_zarr().open(str(path), mode=mode, use_consolidated=False)


def _find_images(node: Any) -> list[Place]:
    """Return where the images of an array or a group are."""
    if isinstance(node, _import_zarr().Array):
        return [("", 0)]
    metadata = _read_metadata(node)
    if "multiscales" in metadata:
        return [("", index) for index in range(len(metadata["multiscales"]))]
    if "plate" in metadata:
        wells = [each["path"] for each in metadata["plate"]["wells"]]
        names = [f"{well}/{field}" for well in wells for field, _ in _find_images(_open_inside(node, well))]
    elif "well" in metadata:
        names = [each["path"] for each in metadata["well"]["images"]]
    elif "bioformats2raw.layout" in metadata:
        listed = _read_metadata(node["OME"]).get("series") if "OME" in node else None
        names = listed or list(itertools.takewhile(node.__contains__, map(str, itertools.count())))
    else:
        held = sorted(node.keys())
        raise ValueError(f"its metadata name none, name what it holds: {', '.join(held[:LISTED])}" if held else
                         "it is empty")  # fmt: skip
    return [(name, 0) for name in names]


def _open_image(path: Path, node: Any, place: Place) -> ZarrImage:
    """Open what `_find_images` found."""
    zarr, (name, index) = _import_zarr(), place
    if isinstance(node, zarr.Array):
        return ZarrImage(path, node, (node,), find_channels(node.shape))
    group = _open_inside(node, name) if name else node
    multiscales = _read_metadata(group)["multiscales"]
    if name and len(multiscales) > 1:
        raise ValueError(f"{name} holds {len(multiscales)} images itself; name {path / name}")
    levels = tuple(_open_inside(group, each["path"]) for each in multiscales[index]["datasets"])
    if not levels or any(not isinstance(level, zarr.Array) or level.ndim != levels[0].ndim for level in levels):
        raise ValueError("its levels are no arrays of the same axes")
    axes = multiscales[index].get("axes") or ()
    kinds = [each.get("type") if isinstance(each, dict) else each for each in axes]
    named = next((axis for axis, kind in enumerate(kinds) if kind in ("channel", "c")), None)
    return ZarrImage(path, group, levels, None, named)  # the last two axes of OME-Zarr are y and x


def _read_metadata(group: Any) -> Mapping[str, Any]:
    """Return what OME-Zarr says of a group; from zarr 3 on it has a key of its own."""
    attributes: Mapping[str, Any] = group.attrs.asdict()
    metadata: Mapping[str, Any] = attributes.get("ome", attributes)
    return metadata


def _open_inside(group: Any, name: Any) -> Any:
    """Return a member of a group; metadata may come from a stranger."""
    if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name!r} lies outside of it")
    return group[name]


def _describe(places: Sequence[Place], shapes: Sequence[tuple[int, ...]]) -> str:
    """Return what there is, in words: all places, and the shapes of the first of them."""
    named = [f"{i} {f'({name}) ' if name else ''}of {' x '.join(map(str, shape))}"
             for i, ((name, _), shape) in enumerate(zip(places, shapes, strict=False))]  # fmt: skip
    more = f" and {len(places) - len(shapes)} more" if len(places) > len(shapes) else ""
    return ", ".join(named) + more


def _say_first(path: Path, places: Sequence[Place]) -> str:
    name = places[1][0]
    also = f", or name {path / name}" if name else ""
    return (f"{path} holds {len(places)} images: {places[0][0] or 'the first'} is filled, the others are kept; for "
            f"another one add --series N, 0 to {len(places) - 1}{also}")  # fmt: skip


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
    if target.resolve() in source.resolve().parents:  # it would lose the other images
        raise FileError(f"{target} holds the input {source}: name another output, or {target} as the input")

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
    """Keep the record as an attribute of the image."""
    zarr = _import_zarr()
    consolidated = getattr(zarr.open(str(image.path), mode="r").metadata, "consolidated_metadata", None) is not None
    image.node.attrs[ATTRIBUTE] = json.loads(json.dumps(record))
    if consolidated:
        zarr.consolidate_metadata(str(image.path))


def read_zarr_record(path: Path) -> str | None:
    """Return the record of a filled store as JSON; None when there is none.

    Raises
    ------
    ValueError
        When several of its images have one.
    """
    node = _open(path)
    groups = {name: _open_inside(node, name) if name else node for name, _ in _find_images(node)}
    records = {name: group.attrs[ATTRIBUTE] for name, group in groups.items() if ATTRIBUTE in group.attrs}
    if len(records) > 1:
        raise ValueError(f"it holds those of {', '.join(records)}; name one, such as {path / next(iter(records))}")
    return json.dumps(*records.values()) if records else None


def _import_zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise ImportError('zarr files need zarr: pip install "napari-inpaint[big]"') from error
    return zarr
