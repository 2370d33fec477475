"""Write into a copy of a TIFF what is filled: strips and tiles without a filled pixel stay as they are."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import tifffile

from napari_inpaint.io.codecs.tiff.directories import LONG, LONG8, SHORT, Directories
from napari_inpaint.io.codecs.tiff.layout import LOSSLESS, RECORD_TAG, find_mask, list_series, to_stored
from napari_inpaint.io.formats import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.io.codecs.tiff.directories import Directory
    from napari_inpaint.io.formats import ImageFile

TEXT = 2
STRIPS, TILES = (273, 279), (324, 325)
"""Tags for where the pieces of a page are, and how many bytes they have."""
BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, PREDICTOR = 258, 259, 262, 266, 317
OF_LOSSY_PIECES = (292, 293, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532)
"""Tags of JPEG, fax and YCbCr."""
DEFLATE = tifffile.COMPRESSION.ADOBE_DEFLATE
HORIZONTAL = tifffile.PREDICTOR.HORIZONTAL
LSB_FIRST = 2
PROMISE = b"GDAL_STRUCTURAL_METADATA_SIZE="
OPTIMIZED, EDITED = b"KNOWN_INCOMPATIBLE_EDITION=NO\n ", b"KNOWN_INCOMPATIBLE_EDITION=YES\n"
"""What a cloud-optimized GeoTIFF says before and after an edit, so that readers no longer count on its order."""


class Grid(NamedTuple):
    """How a page of one plane is cut into pieces."""

    height: int
    width: int
    """Of a piece."""
    down: int
    across: int
    """How many there are."""


def write_tiff(buffer: BytesIO, source: ImageFile, levels: Sequence[NDArray[Any]], record: str | None = None) -> None:
    """Write a TIFF: the file that was read, with other pixels in one of its images.

    Parameters
    ----------
    buffer
        Where to.
    source
        The file that was read.
    levels
        Of the image, as they are to be: its pixels, then its reduced versions, as in the source.
    record
        A text for a tag of the first page.

    Raises
    ------
    FileError
        When the file has no place for a pixel that changed.
    """
    original = source.options["data"]
    data = bytearray(original)
    directories = Directories(data)
    editor = _Editor(data, directories)
    with tifffile.TiffFile(BytesIO(original)) as tiff:
        series = list_series(tiff)[source.options.get("series", 0)]
        for level, before, after in zip(series.levels, (source.pixels, *source.levels), levels, strict=True):
            editor.write(level, *to_stored(level, np.asarray(before), np.asarray(after)))
        mask = find_mask(tiff, series)
        if mask is not None:
            _write_mask(editor, mask, source, levels[0])
    if source.record is not None:  # else it is somebody else's tag
        directories.remove(directories.pages[0], RECORD_TAG)
    if record is not None:
        directories.set(directories.pages[0], RECORD_TAG, TEXT, record.encode("ascii") + b"\0")
    directories.write()
    buffer.write(data)


def _write_mask(editor: _Editor, mask: tifffile.TiffPageSeries, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Say in a mask of what is valid, and in its reduced versions, what was filled."""
    hidden, still_hidden = (_any_channel(np.ma.getmaskarray(each), source.channel_axis)
                            for each in (source.pixels, pixels))  # fmt: skip
    filled = hidden & ~still_hidden
    for level in mask.levels:
        before = level.asarray()
        places = [np.arange(length) * full // length for length, full in zip(before.shape, filled.shape, strict=True)]
        valid = np.array(True if before.dtype == bool else np.iinfo(before.dtype).max, before.dtype)
        editor.write(level, before, np.where(filled[np.ix_(*places)], valid, before))


def _any_channel(mask: NDArray[np.bool_], channel_axis: int | None) -> NDArray[np.bool_]:
    return mask if channel_axis is None else np.logical_or.reduce(mask, channel_axis)


class _Editor:
    """Changes the pixels of a file's pages.

    Parameters
    ----------
    data, directories
        Of the file.
    """

    def __init__(self, data: bytearray, directories: Directories) -> None:
        self._data, self._directories = data, directories

    def write(self, level: tifffile.TiffPageSeries, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Change what differs between two arrays of the shape and dtype of an image."""
        if level.dataoffset is not None:
            stored = after.astype(level.dtype.newbyteorder(self._directories.layout.order), copy=False)
            self._data[level.dataoffset : level.dataoffset + stored.nbytes] = stored.tobytes()
            return
        pages: list[Any] = list(level.pages)
        shape = (len(pages), *level.keyframe.shape)
        for page, *planes in zip(pages, before.reshape(shape), after.reshape(shape), strict=True):
            if page is not None:
                self._write_page(page, *planes)
            elif _differ(*planes).any():
                raise FileError("a hole lies in a plane that is not in the file")

    def _write_page(self, page: Any, before: NDArray[Any], after: NDArray[Any]) -> None:
        layout, directory = page.keyframe, self._directories.by_place[page.offset]
        lossy = tifffile.COMPRESSION(layout.compression).name not in LOSSLESS
        if not lossy and not _differ(before, after).any():
            return
        if lossy:
            self._convert(directory, layout)
        codes = TILES if layout.is_tiled else STRIPS
        places, counts = list(self._directories.read(directory, codes[0])), list(page.databytecounts)
        was = list(places), list(counts)
        height, width = layout.imagelength, layout.imagewidth
        high, wide = (layout.tilelength, layout.tilewidth) if layout.is_tiled else (layout.rowsperstrip, width)
        high = min(high, height) if not layout.is_tiled else high
        grid = Grid(high, wide, -(-height // high), -(-width // wide))
        separate = layout.planarconfig == tifffile.PLANARCONFIG.SEPARATE and layout.samplesperpixel > 1
        shape = (layout.samplesperpixel, height, width, 1) if separate else (1, height, width, layout.samplesperpixel)
        for index, (old, new) in enumerate(zip(before.reshape(shape), after.reshape(shape), strict=True)):
            for place, piece in _encode_changed(old, new, grid, layout, self._directories.layout.order, lossy):
                number = index * grid.down * grid.across + place
                places[number] = self._put(piece, places[number], counts[number])
                counts[number] = len(piece)
        for code, old, new in zip(codes, was, (places, counts), strict=True):
            tag = directory.find(code)
            if old != new or tag is None:
                kind = tag.kind if tag is not None else LONG8 if self._directories.layout.big else LONG
                self._directories.set(directory, code, kind, new)

    def _put(self, piece: bytes, place: int, count: int) -> int:
        """Put a piece where it was, or at the end; nothing is left of what was there. Return where it is.

        Some programs count more bytes than a piece has: those of what comes after it stay.
        """
        count = self._directories.room_at(place, count)
        head = 16 if self._directories.layout.big else 8
        if self._data.startswith(PROMISE, head):
            self._data[head:512] = self._data[head:512].replace(OPTIMIZED, EDITED)
        if not place or self._directories.is_named_twice(place):
            return self._directories.append(piece)
        self._data[place : place + count] = bytes(count)
        if len(piece) > count:
            return self._directories.append(piece)
        self._data[place : place + len(piece)] = piece
        return place

    def _convert(self, directory: Directory, layout: tifffile.TiffPage) -> None:
        """Have a page say that its pieces are compressed without loss."""
        directories = self._directories
        for code in OF_LOSSY_PIECES:
            directories.remove(directory, code)
        directories.set(directory, COMPRESSION, SHORT, [DEFLATE])
        if layout.fillorder == LSB_FIRST:
            directories.set(directory, FILL_ORDER, SHORT, [1])
        directories.remove(directory, PREDICTOR)
        if _has_predictor(np.dtype(layout.dtype)):
            directories.set(directory, PREDICTOR, SHORT, [HORIZONTAL])
        if layout.photometric == tifffile.PHOTOMETRIC.YCBCR:  # its decoders give RGB
            directories.set(directory, PHOTOMETRIC, SHORT, [tifffile.PHOTOMETRIC.RGB])
        if layout.dtype != bool:
            bits = 8 * np.dtype(layout.dtype).itemsize
            directories.set(directory, BITS, SHORT, [bits] * layout.samplesperpixel)


def _has_predictor(dtype: np.dtype[Any]) -> bool:
    """Return whether pixels that are compressed anew are stored as differences."""
    return dtype.kind in "iu" and dtype.itemsize <= 4


def _differ(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where two arrays differ; NaN is like NaN."""
    changed: NDArray[np.bool_] = before != after
    return changed & ((before == before) | (after == after)) if before.dtype.kind == "f" else changed


def _encode_changed(
    before: NDArray[Any],
    after: NDArray[Any],
    grid: Grid,
    layout: tifffile.TiffPage,
    order: Literal["<", ">"],
    everything: bool,
) -> Iterator[tuple[int, bytes]]:
    """Yield the numbers and bytes of pieces that changed, or of all, of a plane (H, W, samples)."""
    changed = _differ(before, after).any(-1)
    starts = [np.arange(0, length, size) for length, size in zip(changed.shape, grid[:2], strict=True)]
    touched = np.logical_or.reduceat(np.logical_or.reduceat(changed, starts[0], 0), starts[1], 1)
    touched |= everything
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    if not rows.size:
        return
    top, left = rows[0], columns[0]
    part = after[top * grid.height : (rows[-1] + 1) * grid.height, left * grid.width : (columns[-1] + 1) * grid.width]
    pieces = _encode(part, grid, layout, order, everything)
    for number, piece in zip(np.ndindex(rows[-1] + 1 - top, columns[-1] + 1 - left), pieces, strict=True):
        row, column = number[0] + top, number[1] + left
        if touched[row, column]:
            yield int(row * grid.across + column), piece


def _encode(
    part: NDArray[Any], grid: Grid, layout: tifffile.TiffPage, order: Literal["<", ">"], converted: bool
) -> Iterator[bytes]:
    """Yield the strips or tiles of pixels (H, W, samples), encoded as those of a page: tifffile writes one of them."""
    packed = part.dtype.kind == "u" and layout.bitspersample < 8 * part.dtype.itemsize
    odd = layout.is_tiled and any(side % 16 for side in grid[:2])
    if not converted and (packed or odd):
        yield from _encode_by_hand(part.astype(part.dtype.newbyteorder(order)), grid, layout, packed)
        return
    buffer = BytesIO()
    predictor = (HORIZONTAL if _has_predictor(part.dtype) else None) if converted else layout.predictor
    with tifffile.TiffWriter(buffer, byteorder=order) as tiff:
        tiff.write(
            part if part.shape[-1] > 1 else part[..., 0], photometric="minisblack", metadata=None,
            planarconfig="contig" if part.shape[-1] > 1 else None,
            compression=DEFLATE if converted else layout.compression, predictor=predictor if predictor != 1 else None,
            **({"tile": grid[:2]} if layout.is_tiled else {"rowsperstrip": grid.height}),
        )  # fmt: skip
    buffer.seek(0)
    with tifffile.TiffFile(buffer) as tiff:
        page = tiff.pages[0].aspage()
        for place, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            piece: bytes = buffer.getbuffer()[place : place + count].tobytes()
            yield piece if converted else _order_bits(piece, layout)


def _encode_by_hand(part: NDArray[Any], grid: Grid, layout: tifffile.TiffPage, packed: bool) -> Iterator[bytes]:
    """Yield what tifffile does not write: numbers of other bits than a computer's, and tiles of odd sizes."""
    import imagecodecs

    if layout.predictor not in (1, HORIZONTAL) or (packed and layout.predictor != 1) or part.dtype == bool:
        raise ValueError("its tiles are of a size and a kind that are not written")
    compress = tifffile.TIFF.COMPRESSORS[layout.compression]
    for top, left in np.ndindex(-(-part.shape[0] // grid.height), -(-part.shape[1] // grid.width)):
        piece = part[top * grid.height :, left * grid.width :][: grid.height, : grid.width]
        if layout.is_tiled:
            missing = [(0, full - length) for full, length in zip(grid[:2], piece.shape, strict=False)]
            piece = np.pad(piece, [*missing, (0, 0)])
        piece = np.ascontiguousarray(piece)
        if packed:
            runs = piece.shape[1] * piece.shape[2]
            data = bytes(imagecodecs.packints_encode(piece.astype(piece.dtype.newbyteorder("=")), layout.bitspersample,
                                                     runlen=runs))  # fmt: skip
        else:
            piece = imagecodecs.delta_encode(piece, axis=-2) if layout.predictor == HORIZONTAL else piece
            data = piece.tobytes()
        yield _order_bits(bytes(compress(data)), layout)


def _order_bits(piece: bytes, layout: tifffile.TiffPage) -> bytes:
    if layout.fillorder != LSB_FIRST:
        return piece
    import imagecodecs

    return bytes(imagecodecs.bitorder_encode(piece))
