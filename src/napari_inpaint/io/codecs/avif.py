"""AVIF: pixels of 8, 10 and 12 bits, and all that describes them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_inpaint.io.codecs.boxes import Box, load_codec, split_boxes
from napari_inpaint.io.codecs.heif import Container, Item, Reference, read_container, write_container
from napari_inpaint.io.exif import without_thumbnail
from napari_inpaint.io.formats import FileError, ImageFile, Metadata, name_lost, refuse_bombs, to_file
from napari_inpaint.io.orientation import TURNS, UPRIGHT, display

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BytesIO
    from pathlib import Path

    from numpy.typing import NDArray

AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
HEIF_BRANDS = {b"mif1", b"msf1", *AVIF_BRANDS, *HEIC_BRANDS}
HEIC_WAY_OUT = "HEIC is not read: convert it to PNG, TIFF or JPEG, for example with heif-convert"
DESCRIBING = {b"Exif", b"mime", b"uri "}
"""Kinds of items that stay; all others are pictures."""
OF_ENCODING = {b"ispe", b"pixi", b"av1C", b"auxC", b"a1op", b"a1lx", b"lsel"}
"""Properties that belong to one encoding of the pixels."""
GEOMETRY = {b"irot", b"imir", b"clap"}
"""Properties of how a picture is displayed, which its transparency shares."""
PROFILES = (b"prof", b"rICC")
XMP_NAME = b"\0application/rdf+xml\0"
IDENTITY = 0
"""Of the matrix from colours to what is encoded: only this one is exact."""
LOSSLESS = 100
DEPTH_MAP = b"depth"


def read_avif(path: Path, file: BinaryIO) -> ImageFile:
    """Read the primary picture of an AVIF, as it is stored."""
    data = file.read()
    if data[8:12] in HEIC_BRANDS:
        raise FileError(f"{path}: {HEIC_WAY_OUT}")
    if any(box.kind == b"moov" for box in split_boxes(data)):
        raise FileError(f"{path} is an animation, only still images can be filled: take its frames apart, for example "
                        "with ffmpeg, and fill the folder that holds them")  # fmt: skip
    container, said = _without_thumbnail(read_container(data))
    primary = container.items[container.primary]
    coded = next((each for each in (primary, *container.items.values()) if each.find(b"av1C") is not None), None)
    if coded is None:
        raise FileError(f"{path}: {HEIC_WAY_OUT}")
    imagecodecs = load_codec(path, "AVIF", "AVIF")
    width, height = struct.unpack_from(">II", primary.find(b"ispe") or b"", 4)
    refuse_bombs(height, width)
    pixels = imagecodecs.avif_decode(data)
    form = (coded.find(b"av1C") or bytes(4))[2]
    colours = primary.find(b"colr", b"nclx") or b""
    lossy = colours[8:10] != IDENTITY.to_bytes(2, "big")
    options = {"container": container, "bits": 8 if not form & 0x40 else 12 if form & 0x20 else 10}
    rewriting = (f"{path}: lossy AVIF is written without loss, which takes more bytes",) if lossy else ()
    notes = name_lost(path, list(_name_lost(container)), said)
    icc = next((each[4:] for kind in PROFILES if (each := primary.find(b"colr", kind)) is not None), None)
    return to_file(path, pixels, "AVIF", options, notes, _read_orientation(primary),
                   _read_metadata(container, icc), rewriting, lossy)  # fmt: skip


def to_avif(source: ImageFile) -> dict[str, Any]:
    """Return the options to write a picture of another format."""
    metadata = source.metadata
    items = {1: Item(b"av01", b"\0", b"", [])}
    if metadata.exif is not None:
        items[len(items) + 1] = Item(b"Exif", b"\0", bytes(4) + metadata.exif, [])
    if metadata.xmp is not None:
        items[len(items) + 1] = Item(b"mime", XMP_NAME, metadata.xmp, [])
    if metadata.icc is not None:
        items[1].properties.append((False, Box(b"colr", PROFILES[0] + metadata.icc)))
    items[1].properties.extend(_turn(source.orientation))
    references = [Reference(b"cdsc", number, (1,)) for number in list(items)[1:]]
    empty = Box(b"ftyp", b"")  # the encoder's is taken
    return {"container": Container(empty, empty, 1, items, references, [], []), "bits": 8}


def write_avif(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode an AVIF without loss, with all that describes the picture of its source."""
    import imagecodecs

    bits = source.options["bits"]
    pixels = np.ascontiguousarray(np.minimum(pixels, 2**bits - 1))
    grey = pixels.ndim == 2 or pixels.shape[2] < 3
    form = "400" if grey else "444"
    encoded = bytes(imagecodecs.avif_encode(pixels, level=LOSSLESS, bitspersample=bits, pixelformat=form))
    data = write_container(_merge(read_container(encoded), source.options["container"]))
    if not np.array_equal(imagecodecs.avif_decode(data), pixels):
        raise ValueError("this imagecodecs does not encode it without loss")
    buffer.write(data)


def _without_thumbnail(container: Container) -> tuple[Container, tuple[str, ...]]:
    items = dict(container.items)
    said: tuple[str, ...] = ()
    for number, item in items.items():
        if item.kind == b"Exif":
            cut, said = without_thumbnail(item.data[4:])
            items[number] = item._replace(data=item.data[:4] + cut)
    return container._replace(items=items), said


def _merge(encoded: Container, source: Container) -> Container:
    """Return pictures as they were encoded, with what described them."""
    before, own = source.items[source.primary], encoded.items[encoded.primary]
    items, number = dict(encoded.items), max(encoded.items)
    said = before.find(b"colr", b"nclx")
    kept = [each for each in before.properties if each[1].kind not in OF_ENCODING and not _is_nclx(each[1])]
    properties = [
        (essential, Box(b"colr", b"nclx" + said[4:8] + box.content[8:]) if _is_nclx(box) and said else box)
        for essential, box in own.properties
    ]
    items[encoded.primary] = own._replace(properties=properties + kept)
    for alpha in encoded.refer(b"auxl"):
        turned = [each for each in kept if each[1].kind in GEOMETRY]
        items[alpha] = items[alpha]._replace(properties=items[alpha].properties + turned)
    names = {source.primary: encoded.primary}
    for old, item in source.items.items():
        if item.kind in DESCRIBING:
            number += 1
            names[old], items[number] = number, item
    references = [
        Reference(each.kind, names[each.item], tuple(names[target] for target in each.targets if target in names))
        for each in source.references
        if each.item in names and each.item != source.primary and any(target in names for target in each.targets)
    ]
    return encoded._replace(items=items, references=[*encoded.references, *references], others=source.others,
                            more=source.more)  # fmt: skip


def _is_nclx(box: Box) -> bool:
    return box.kind == b"colr" and box.content.startswith(b"nclx")


def _name_lost(container: Container) -> Iterator[str]:
    kinds = {item.kind for item in container.items.values()}
    thumbnails = container.refer(b"thmb")
    auxiliary = [container.items[number].find(b"auxC") or b"" for number in container.refer(b"auxl")]
    if thumbnails:
        yield "its thumbnail, which shows what was there"
    if b"tmap" in kinds:
        yield "its gain map"
    if any(DEPTH_MAP in each for each in auxiliary):
        yield "its depth map"
    if any(each and DEPTH_MAP not in each and b"alpha" not in each for each in auxiliary):
        yield "pictures that belong to it"
    parts = {target for each in container.references if each.kind != b"cdsc" for target in each.targets}
    linked = {each.item for each in container.references} | parts | {container.primary}
    apart = [number for number, item in container.items.items() if number not in linked and item.kind not in DESCRIBING]
    if apart:
        yield f"{len(apart)} more pictures"


def _read_metadata(container: Container, icc: bytes | None) -> Metadata:
    exif = xmp = None
    for item in container.items.values():
        if item.kind == b"Exif":
            exif = item.data[4 + int.from_bytes(item.data[:4], "big") :]
        elif item.kind == b"mime" and b"rdf+xml" in item.name:
            xmp = item.data
    others = tuple(f"box {box.kind.decode('latin1')}" for box in (*container.others, *container.more))
    return Metadata(exif, icc, xmp, others=others)


def _read_orientation(item: Item) -> int:
    """Return the orientation that turning and mirroring are; what Exif says does not count."""
    stored = np.arange(6).reshape(2, 3)
    shown = np.rot90(stored, (item.find(b"irot") or b"\0")[0] & 3)
    mirror = item.find(b"imir")
    if mirror is not None:
        shown = np.flip(shown, mirror[0] & 1)
    return next(each for each in TURNS if np.array_equal(display(stored, each), shown))


def _turn(orientation: int) -> list[tuple[bool, Box]]:
    """Return the properties that say an orientation."""
    for turns in range(4):
        for mirror in ([], [(True, Box(b"imir", b"\0"))]):
            angle = [(True, Box(b"irot", bytes([turns])))] if turns else []
            if _read_orientation(Item(b"av01", b"", b"", angle + mirror)) == orientation:
                return angle + mirror
    raise ValueError(f"{orientation} is none of {UPRIGHT} to {len(TURNS)}")
