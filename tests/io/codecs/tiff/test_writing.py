"""TIFFs of many kinds: what is filled changes, and nothing else in the file does."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from tifffile import TiffWriter

from napari_inpaint.command.cli import main
from napari_inpaint.io.images import FileError, encode_image, read_image
from tests.io.holes import BOX, HOLE, check

PLACES = {273, 279, 324, 325, 330}
"""Tags for where pieces and directories are."""
OF_COMPRESSION = {258, 259, 262, 266, 292, 293, 317, 347, 530, 531, 532}
"""Tags that another compression changes."""


def pyramid(path, photo, reduced_pages=False, **options):
    levels = [photo, photo[::2, ::2], photo[::4, ::4]]
    with TiffWriter(path, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", None)) as tiff:
        for index, level in enumerate(levels):
            first = {"subifds": 2} if index == 0 and not reduced_pages else {}
            tiff.write(level, tile=(64, 48), subfiletype=int(index > 0), metadata=None, **first, **options)


def scan(path, photo):
    """A slide scanner's: the picture, its thumbnail, and what infrared light shows."""
    with TiffWriter(path) as tiff:
        tiff.write(photo.astype(np.uint16) * 200, photometric="rgb", metadata=None, extratags=[(315, 2, 0, "me", True)])
        tiff.write(photo[::4, ::4], photometric="rgb", subfiletype=1, metadata=None, compression="jpeg")
        tiff.write(photo[..., 0].astype(np.uint16) * 99, metadata=None, compression="lzw", description="infrared")


def ome(path, photo):
    with TiffWriter(path, ome=True) as tiff:
        for index in range(3):
            tiff.write(np.roll(photo[: 300 + index, :, 0], index), compression="zlib", metadata={"Name": f"n{index}"})


def slide(path, photo):
    """As Aperio writes: tiles in JPEG, a thumbnail in strips, reduced versions, a label."""
    with TiffWriter(path) as tiff:
        options = {"photometric": "rgb", "compression": "jpeg", "metadata": None}
        tiff.write(photo, tile=(128, 128), description="Aperio Image Library v1", **options)
        tiff.write(photo[::5, ::5], rowsperstrip=16, subfiletype=1, description="Aperio\r\nthumbnail", **options)
        tiff.write(photo[::2, ::2], tile=(128, 128), description="Aperio Image Library v1\r\nlevel", **options)
        tiff.write(photo[:90, :80], rowsperstrip=90, subfiletype=1, compression="lzw", photometric="rgb",
                   description="Aperio\r\nlabel 80x90", metadata=None)  # fmt: skip


def palette(path, photo):
    image = Image.fromarray(photo).quantize(200)
    colours = np.zeros((3, 256), np.uint16)
    colours[:, :200] = np.array(image.getpalette()[:600], np.uint16).reshape(-1, 3).T * 257
    tifffile.imwrite(path, np.array(image), photometric="palette", colormap=colours, compression="lzw", tile=(64, 64))


def faxed(path, photo):
    Image.fromarray(photo[..., 0] > 128).save(path, compression="group4")


def photographed(path, photo):
    """With directories of Exif and of a place."""
    exif = Image.Exif()
    exif[315] = "me"
    exif.get_ifd(0x8769)[0x829A] = 0.01
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(photo).save(path, compression="tiff_lzw", exif=exif)


def fill_order(path, photo):
    Image.fromarray(photo[..., 0] > 128).save(path, compression="packbits", tiffinfo={266: 2})


def pages_of_their_own(path, photo):
    with TiffWriter(path) as tiff:
        for index in range(4):
            tags = [(65001, 2, 0, f"p{index}", True)]
            tiff.write(np.roll(photo[..., 0], index, 0), compression="zlib", metadata=None, extratags=tags)


def shared(path, photo):
    """Two pages whose pieces are the same bytes in the file."""
    tifffile.imwrite(path, np.stack([photo[..., 0]] * 2), compression="zlib", photometric="minisblack", metadata=None)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        tags = [page.tags for page in tiff.pages]
        for code in (273, 279):
            size = tags[0][code].count * 4
            values = [tag[code].valueoffset for tag in tags]
            data[values[1] : values[1] + size] = data[values[0] : values[0] + size]
    path.write_bytes(data)


def packed(bits, compression):
    """Which tifffile reads and does not write: rows of bytes are written, and called numbers of these bits."""

    def write(path, photo):
        numbers = np.ascontiguousarray(photo[..., 0].astype(np.uint16 if bits > 8 else np.uint8) >> max(8 - bits, 0))
        rows = np.frombuffer(imagecodecs.packints_encode(numbers, bits, runlen=640), np.uint8).reshape(512, -1)
        tifffile.imwrite(path, rows, compression=compression, rowsperstrip=20, metadata=None)
        with tifffile.TiffFile(path, mode="r+") as tiff:
            tiff.pages[0].tags["BitsPerSample"].overwrite(bits)
            tiff.pages[0].tags["ImageWidth"].overwrite(640)

    return write


def imagej(path, photo):
    tifffile.imwrite(path, np.moveaxis(photo, -1, 0), imagej=True, metadata={"axes": "ZYX", "Labels": list("abc")})


def simple(**options):
    convert = options.pop("convert", lambda photo: photo)
    return lambda path, photo: tifffile.imwrite(path, convert(photo), metadata=None, **options)


def grey(dtype, factor=1):
    return lambda photo: photo[..., 0].astype(dtype) * dtype(factor)


KINDS = {
    "strips": simple(compression="zlib", predictor=True, photometric="rgb", rowsperstrip=7),
    "planar": simple(convert=lambda p: np.moveaxis(p, -1, 0), photometric="rgb", planarconfig="separate",
                     compression="lzw", rowsperstrip=31),
    "planar, raw": simple(convert=lambda p: np.moveaxis(p, -1, 0), photometric="rgb", planarconfig="separate"),
    "big-endian floats": simple(convert=grey(np.float32, 0.3), byteorder=">", compression="zlib", predictor=3),
    "big-endian, raw": simple(convert=grey(np.uint16, 200), byteorder=">"),
    "tiles, BigTIFF": simple(tile=(48, 80), compression="zstd", photometric="rgb", bigtiff=True),
    "tiles, raw": simple(tile=(48, 80), photometric="rgb"),
    "labels of 64 bits": simple(convert=grey(np.int64, -(2**50)), compression="zlib"),
    "four bands": simple(convert=lambda p: np.dstack([p, p[..., 0]]), photometric="rgb", compression="packbits",
                         extrasamples=["unspecified"]),
    "CMYK": simple(convert=lambda p: np.dstack([255 - p, p[..., 0] // 4]), photometric="separated", compression="lzw"),
    "12 bits": simple(convert=grey(np.uint16, 16), bitspersample=12, rowsperstrip=20),
    "12 bits in tiles": simple(convert=lambda p: p.astype(np.uint16) * 16, bitspersample=12, tile=(48, 32),
                               photometric="rgb"),
    "12 bits, compressed": packed(12, "zlib"), "4 bits, LZW": packed(4, "lzw"),
    "bilevel": simple(convert=lambda p: p[..., 0] > 128, compression="packbits", rowsperstrip=50),
    "white is zero": simple(convert=grey(np.uint8), photometric="miniswhite", compression="lzw"),
    "stack": simple(convert=lambda p: np.moveaxis(p, -1, 0), photometric="minisblack", compression="zlib"),
    "pages of their own": pages_of_their_own, "ImageJ": imagej, "fill order": fill_order, "shared pieces": shared,
    "pyramid": lambda path, photo: pyramid(path, photo, compression="zlib", photometric="rgb"),
    "pyramid, BigTIFF": lambda path, photo: pyramid(path, photo[..., 0], bigtiff=True, byteorder=">", predictor=True,
                                                    compression="lzw"),
    "pyramid in pages": lambda path, photo: pyramid(path, photo[..., 1], reduced_pages=True, compression="zlib"),
    "pyramid, raw": lambda path, photo: pyramid(path, photo.astype(np.uint16) * 9, photometric="rgb"),
    "scan": scan, "OME": ome, "slide": slide, "palette": palette, "fax": faxed, "Exif": photographed,
}  # fmt: skip
LOSSY = {"slide", "fax"}
"""Those whose compression becomes another one."""
JUDGED = {"strips", "planar", "tiles, BigTIFF", "tiles, raw", "pyramid", "slide", "fax", "Exif",
          "palette", "CMYK", "fill order", "pyramid in pages", "planar, raw"}  # fmt: skip
"""Those that Pillow reads as they are."""


def walk(path):
    """Return all directories of a file, read by hand: the types and bytes of tags, and the directories below."""
    data = path.read_bytes()
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    count, entry, offset = (order + "Q", order + "HHQ8s", order + "Q") if big else (order + "H", order + "HHI4s", order + "I")  # noqa: E501  # fmt: skip
    sizes = dict(zip(range(1, 19), (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8), strict=True))

    def chain(place):
        found = []
        while place:
            (length,) = struct.unpack_from(count, data, place)
            start = place + struct.calcsize(count)
            tags, below = {}, []
            for position in range(start, start + length * struct.calcsize(entry), struct.calcsize(entry)):
                code, kind, number, value = struct.unpack_from(entry, data, position)
                size = number * sizes[kind]
                held = value[:size] if size <= len(value) else data[(at := struct.unpack(offset, value)[0]) : at + size]
                tags[code] = (kind, held)
                if code in (330, 34665, 34853):
                    form = order + {4: "I", 13: "I", 16: "Q", 18: "Q"}[kind] * number
                    below += [chain(each) for each in struct.unpack(form, held)]
            found.append((tags, below))
            (place,) = struct.unpack_from(offset, data, start + length * struct.calcsize(entry))
        return found

    return chain(struct.unpack_from(offset, data, 8 if big else 4)[0])


def flatten(chains):
    for tags, below in chains:
        yield tags
        for chain in below:
            yield from flatten(chain)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_filled_changes(tmp_path, photo, kind):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    KINDS[kind](path, photo)
    source = read_image(path)
    with tifffile.TiffFile(path) as tiff:
        original = [[level.asarray() for level in series.levels] for series in tiff.series]
    pixels, levels = source.pixels.copy(), [level.copy() for level in source.levels]
    everything = [pixels, *levels]
    for array in everything:
        spatial = [axis for axis in range(array.ndim) if axis != source.channel_axis][-2:]
        hole = [slice(None)] * array.ndim
        for axis, full, part in zip(spatial, (512, 640), HOLE, strict=True):
            ratio = round(full / array.shape[axis])
            hole[axis] = slice(part.start // ratio, part.stop // ratio)
        array[tuple(hole)] = ~array[tuple(hole)] if array.dtype == bool else np.flip(array[tuple(hole)], spatial[1])
    out.write_bytes(encode_image(out, source, pixels, None, levels))
    again = read_image(out)
    for wanted, found in zip(everything, (again.pixels, *again.levels), strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype
    with tifffile.TiffFile(out) as tiff:
        assert len(tiff.series) == len(original)
        for index, (before, series) in enumerate(zip(original, tiff.series, strict=True)):
            for level, array in zip(series.levels, before, strict=True):
                after = level.asarray()
                assert (after.dtype, after.shape) == (array.dtype, array.shape)
                if index:
                    np.testing.assert_array_equal(after, array)
    changing = PLACES | (OF_COMPRESSION if kind in LOSSY else set())
    before, after = (list(flatten(walk(each))) for each in (path, out))
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        kept = [{code: tag for code, tag in tags.items() if code not in changing} for tags in (old, new)]
        assert kept[0] == kept[1]
        assert kind in LOSSY or old.keys() == new.keys()
    if kind in JUDGED:
        with Image.open(out) as image:  # libtiff
            judged = np.array(image.convert("RGB") if image.mode == "P" else image)
        np.testing.assert_array_equal(judged, np.moveaxis(again.pixels, 0, -1) if "planar" in kind else again.pixels)


def test_nothing_is_left_of_what_was_there(tmp_path, photo):
    """Somebody fills a name: it must not stay in the file, where compressed pieces grow and move."""
    image = photo[..., 0].copy()
    image[HOLE] = 7  # compresses well
    tifffile.imwrite(tmp_path / "in.tif", image, compression="zlib", rowsperstrip=8, metadata=None)
    source = read_image(tmp_path / "in.tif")
    filled = image.copy()
    filled[HOLE] = photo[HOLE][..., 1]
    data = encode_image(tmp_path / "out.tif", source, filled)
    with tifffile.TiffFile(tmp_path / "in.tif") as tiff:
        page = tiff.pages[0]
        pieces = [source.options["data"][place : place + count]
                  for place, count in zip(page.dataoffsets, page.databytecounts, strict=True)]  # fmt: skip
    rows = range(HOLE[0].start // 8, -(-HOLE[0].stop // 8))
    assert [index for index, piece in enumerate(pieces) if piece not in data] == list(rows)


def test_a_cloud_optimized_file_says_that_it_was_edited(tmp_path, photo):
    """GDAL writes what readers may count on behind the header; after an edit they must not."""
    promise = b"GDAL_STRUCTURAL_METADATA_SIZE=000079 bytes\nLAYOUT=IFDS_BEFORE_DATA\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
    strip = zlib.compress(photo[..., 0].tobytes())
    place = 8 + len(promise) + len(promise) % 2
    tags = {256: 640, 257: 512, 258: 8, 259: 8, 262: 1, 273: place + 2 + 9 * 12 + 4, 277: 1, 278: 512, 279: len(strip)}
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in tags)
    head = struct.pack("<2sHI", b"II", 42, place) + promise.ljust(place - 8, b"\0")
    (tmp_path / "in.tif").write_bytes(head + directory + bytes(4) + strip)
    source = read_image(tmp_path / "in.tif")
    filled = source.pixels.copy()
    filled[HOLE] = photo[HOLE][..., 1]
    written = encode_image(tmp_path / "out.tif", source, filled)
    assert b"KNOWN_INCOMPATIBLE_EDITION=YES\n" in written[:place]
    assert encode_image(tmp_path / "out.tif", source, source.pixels)[:place] == head[:place]


def test_a_mask_of_what_is_valid_and_its_reduced_versions_are_kept_up(tmp_path, photo):
    valid = np.ones((512, 640), bool)
    valid[:, :60] = False
    image = np.where(valid, photo[..., 0], 0)
    with TiffWriter(tmp_path / "in.tif") as tiff:
        for step in (1, 2):
            kind = int(step > 1)
            tiff.write(image[::step, ::step], tile=(64, 64), compression="zlib", subfiletype=kind, metadata=None)
            tiff.write(valid[::step, ::step], photometric="mask", tile=(64, 64), compression="zlib",
                       subfiletype=kind | 4, metadata=None)  # fmt: skip
    assert main([str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), *BOX]) == 0
    valid[HOLE] = True
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        pages = [page.asarray() for page in tiff.pages]
    check(image, pages[0])
    np.testing.assert_array_equal(pages[1], valid)
    np.testing.assert_array_equal(pages[3], valid[::2, ::2])
    assert (pages[2] != image[::2, ::2])[15:35, 20:45].any()


@pytest.mark.parametrize("bits", [8, 16])
def test_signed_colours_of_lab_do_not_jump(tmp_path, bits):
    """-1 is stored as 255: a hole in colours around 0 is filled with such, and not with those of 128."""
    lab = np.zeros((120, 130, 3), np.int32)
    lab[..., 0] = 90 << (bits - 8)
    lab[..., 1:] = np.random.default_rng(0).integers(-3, 4, (120, 130, 2))
    stored = (lab & ((1 << bits) - 1)).astype(f"u{bits // 8}")
    tifffile.imwrite(tmp_path / "in.tif", stored, photometric="cielab", compression="lzw", metadata=None)
    assert main([str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), *BOX]) == 0
    filled = tifffile.imread(tmp_path / "out.tif")
    check(stored, filled)
    assert np.abs(filled[HOLE][..., 1:].view(f"i{bits // 8}").astype(int)).max() <= 12


def test_one_of_several_images_is_filled(tmp_path, photo, capsys):
    ome(tmp_path / "in.tif", photo)
    assert main([str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), *BOX]) == 0
    assert "image 0 of 3 is filled, the others stay as they are: 1 (301 x 640 uint8), 2 (302 x 640" in (
        capsys.readouterr().err
    )
    words = [str(tmp_path / "in.tif"), "-o", str(tmp_path / "second.tif"), "--series", "1", "--record", *BOX]
    assert main(words) == 0
    before, after = ([tifffile.imread(tmp_path / name, series=index) for index in range(3)]
                     for name in ("in.tif", "second.tif"))  # fmt: skip
    check(before[1], after[1])
    for index in (0, 2):
        np.testing.assert_array_equal(before[index], after[index])
    assert main([words[0], "-o", str(tmp_path / "again.tif"), "--replay", str(tmp_path / "second.tif")]) == 0
    assert "the same, bit for bit" in capsys.readouterr().err
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif", series=1), after[1])
    with pytest.raises(FileError, match=r"in\.tif: it has no image 3, it holds 0 \(300 x 640 uint8\), 1"):
        read_image(tmp_path / "in.tif", 3)


def test_a_preview_is_no_image_to_fill(tmp_path, photo, capsys):
    with TiffWriter(tmp_path / "in.tif") as tiff:
        tiff.write(photo[::4, ::4, 0], subfiletype=1, metadata=None)
        tiff.write(photo, photometric="rgb", metadata=None)
    assert read_image(tmp_path / "in.tif").pixels.shape == photo.shape
    assert main([str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), *BOX]) == 0
    assert "a preview still shows what was there" in capsys.readouterr().err


def test_a_hole_in_12_bits_stays_within_them(tmp_path):
    image = np.full((100, 120), 4095, np.uint16)
    image[::2] = 4000
    tifffile.imwrite(tmp_path / "in.tif", image, bitspersample=12, metadata=None)
    source = read_image(tmp_path / "in.tif")
    filled = image.copy()
    filled[HOLE] = 5000
    (tmp_path / "out.tif").write_bytes(encode_image(tmp_path / "out.tif", source, filled))
    assert (tifffile.imread(tmp_path / "out.tif")[HOLE] == 4095).all()


def by_hand(path, pixels, tags, piece):
    """Write a TIFF of one strip or tile, with these tags beside the usual ones, or in their place."""
    height, width = pixels.shape
    own = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(piece)}
    entries = sorted([*((own | tags).items())])
    entries = [(code, each) for code, value in entries if value is not None
               for each in (value if isinstance(value, list) else [value])]  # fmt: skip
    place = 8 + len(piece)
    place += place % 2
    end = place + 2 + 12 * len(entries) + 4
    directory, texts = struct.pack("<H", len(entries)), b""
    for code, value in entries:
        if isinstance(value, bytes):
            directory += struct.pack("<HHII", code, 2, len(value), end + len(texts))
            texts += value
        else:
            directory += struct.pack("<HHII", code, 4, 1, value)
    data = struct.pack("<2sHI", b"II", 42, place) + piece
    path.write_bytes(data.ljust(place, b"\0") + directory + bytes(4) + texts)


def fill_by_hand(path, out):
    source = read_image(path)
    filled = source.pixels.copy()
    filled[HOLE] = filled[HOLE][::-1, ::-1]
    out.write_bytes(encode_image(out, source, filled, "{}"))
    return filled


@pytest.mark.parametrize("compression", [1, 8])
def test_pieces_that_are_called_longer_than_they_are_do_not_take_what_follows(tmp_path, photo, compression):
    """Readers take what they need; what the count covers beyond is not the piece's."""
    image = photo[:100, :120, 0]
    piece = zlib.compress(image.tobytes()) if compression == 8 else image.tobytes()
    tags = {259: compression, 279: len(piece) + 300, 270: b"a text that is long enough to lie behind" + bytes(1)}
    by_hand(tmp_path / "in.tif", image, tags, piece)
    filled = fill_by_hand(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        np.testing.assert_array_equal(tiff.asarray(), filled)
        assert tiff.pages[0].description.startswith("a text that is long")


def test_a_tag_that_is_there_twice_stays_twice_and_pages_follow(tmp_path, photo):
    with TiffWriter(tmp_path / "in.tif") as tiff:
        for index in range(3):
            tiff.write(np.roll(photo[..., 0], index), description=f"text {index}", compression="zlib",
                       compressionargs={"level": 9}, metadata={"number": index})  # fmt: skip
    number = [sum(code == 270 for code, _ in tags) for tags in raw_tags(tmp_path / "in.tif")]
    assert number == [2, 2, 2]
    for series in range(3):
        source = read_image(tmp_path / "in.tif", series)
        filled = source.pixels.copy()
        filled[HOLE] = photo[HOLE][..., 1][::-1]
        (tmp_path / "out.tif").write_bytes(encode_image(tmp_path / "out.tif", source, filled, "{}"))
        with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
            assert len(tiff.pages) == 3
            for index, page in enumerate(tiff.pages):
                wanted = filled if index == series else np.roll(photo[..., 0], index)
                np.testing.assert_array_equal(page.asarray(), wanted)
        before, after = (list(raw_tags(tmp_path / name)) for name in ("in.tif", "out.tif"))
        texts = [[tag for tag in tags if tag[0] == 270] for tags in before]
        assert texts == [[tag for tag in tags if tag[0] == 270] for tags in after]


def raw_tags(path):
    """Yield the codes and bytes of each page's tags, also of those that are there twice."""
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            yield [(tag.code, tag.value) for tag in page.tags]


@pytest.mark.parametrize("predictor", [1, 2])
def test_tiles_of_odd_sizes(tmp_path, photo, predictor):
    image = photo[:90, :100, 0]
    padded = np.pad(image, ((0, 0), (0, 20)))
    coded = imagecodecs.delta_encode(padded, axis=-1) if predictor == 2 else padded
    piece = zlib.compress(coded.tobytes())
    tags = {259: 8, 273: None, 278: None, 279: None, 317: predictor, 322: 120, 323: 90, 324: 8, 325: len(piece)}
    by_hand(tmp_path / "in.tif", image, tags, piece)
    filled = fill_by_hand(tmp_path / "in.tif", tmp_path / "out.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), filled)
