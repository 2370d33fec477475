import io
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import read_image
from tests.io.codecs.files import is_known, picture, refill
from tests.io.codecs.structure import jpeg_segments, missing

ENCODED = {0xDB, 0xC0, 0xC2, 0xC4, 0xDD}
XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32


def encode(image=None, xmp=None, **options):
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(picture() if image is None else image)
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue() if xmp is None else insert(buffer.getvalue(), segment(0xE1, XMP + xmp))


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def insert(data, *segments):
    """Put segments behind the first one, as cameras and programs do."""
    place = 4 + int.from_bytes(data[4:6], "big")
    return data[:place] + b"".join(segments) + data[place:]


def test_every_segment_that_describes_the_picture_stays(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() * 40
    exif = Image.Exif()
    exif[274], exif[270] = 6, "a dune"
    exif.get_ifd(34665)[37500] = b"maker note" * 50
    others = [
        segment(0xE1, EXTENDED + struct.pack(">II", 4, 0) + b"more"),
        segment(0xE1, b"FLIR\0\1\0\1thermal"),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 1028, 0, 4) + b"IPTC"),
        segment(0xEB, b"JP\0\0superbox"),
        segment(0xE7, b"private"),
        segment(0xFE, b"first"),
        segment(0xFE, b"second"),
    ]
    data = insert(encode(exif=exif.tobytes(), icc_profile=profile, dpi=(300, 300), xmp=b"<x:xmpmeta/>"), *others)
    (tmp_path / "in.jpg").write_bytes(data)
    before, after = refill(tmp_path / "in.jpg")
    assert missing(jpeg_segments, data, (tmp_path / "out.jpg").read_bytes(), ENCODED) == []
    assert before.notes == ()
    assert after.metadata == before.metadata
    assert (after.metadata.icc, after.metadata.xmp, after.metadata.dpi) == (profile, b"<x:xmpmeta/>", (300, 300))
    assert after.orientation == 6
    assert after.metadata.exif == exif.tobytes()[6:]


def test_tables_sampling_and_progression_stay(tmp_path):
    (tmp_path / "in.jpg").write_bytes(encode(subsampling=1, progressive=True))
    refill(tmp_path / "in.jpg")
    with Image.open(tmp_path / "in.jpg") as before, Image.open(tmp_path / "out.jpg") as after:
        assert before.quantization == after.quantization
        assert before.layer == after.layer
        assert after.info["progressive"]


def tables(path):
    """Return the table of each component."""
    with Image.open(path) as image:
        return [image.quantization[each[3]] for each in image.layer]


def renumber(data, numbers):
    """Give quantization tables other numbers."""
    data = bytearray(data)
    place = 2
    while data[place + 1] != 0xDA:
        if data[place + 1] == 0xDB:
            data[place + 4] = numbers[data[place + 4]]
        if data[place + 1] == 0xC0:
            for each in range(data[place + 9]):
                data[place + 12 + 3 * each] = numbers[data[place + 12 + 3 * each]]
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return bytes(data)


@pytest.mark.parametrize("numbers", [(0, 1, 2), (1, 0, 2), (0, 3, 1), (3, 2, 1)])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_components_keep_their_tables_whatever_their_numbers(tmp_path, count, numbers):
    data = encode(qtables=[[10 + 50 * each] * 64 for each in range(count)])
    (tmp_path / "in.jpg").write_bytes(renumber(data, numbers))
    refill(tmp_path / "in.jpg")
    before = tables(tmp_path / "in.jpg")
    assert before[0] != before[2] or count == 1
    assert tables(tmp_path / "out.jpg") == before


def test_inks_that_were_stored_as_colours_are_not_encoded_more_coarsely(tmp_path):
    data = bytearray(encode(Image.fromarray(picture(3)).convert("CMYK"), qtables=[[10] * 64, [150] * 64]))
    data[data.index(b"\xff\xee") + 15] = 2
    (tmp_path / "in.jpg").write_bytes(data)
    refill(tmp_path / "in.jpg")
    assert tables(tmp_path / "out.jpg") == [[2] * 64] * 4


@pytest.mark.parametrize("sampling", ["440", "411"])
def test_samplings_that_cannot_be_written_become_full_ones_and_are_named(tmp_path, sampling):
    (tmp_path / "in.jpg").write_bytes(imagecodecs.jpeg_encode(picture(), level=90, subsampling=sampling))
    before, after = refill(tmp_path / "in.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert [each[1:3] for each in image.layer] == [(1, 1)] * 3
    assert before.rewriting[1].endswith("its chroma subsampling cannot be written, and becomes 4:4:4")
    assert len(after.rewriting) == 1


@pytest.mark.parametrize(("factors", "written"), [((0x12, 0x12, 0x12), (1, 1)), ((0x22, 0x12, 0x12), (2, 1))])
def test_samplings_are_known_in_every_spelling(tmp_path, factors, written):
    """What counts is how much coarser the colours are; of one grey, all blocks are the same."""
    data = bytearray(encode(Image.new("RGB", (64, 48), (128, 128, 128)), keep_rgb=True))
    place = data.index(b"\xff\xc0") + 11
    data[place : place + 9 : 3] = bytes(factors)
    (tmp_path / "in.jpg").write_bytes(data)
    before, _ = refill(tmp_path / "in.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert [each[1:3] for each in image.layer] == [written, (1, 1), (1, 1)]
    assert len(before.rewriting) == 1


@pytest.mark.parametrize("transform", [None, 0, 2])
def test_cmyk_stays_cmyk(tmp_path, transform):
    """Whatever says, or does not say, how the four inks are stored."""
    data = encode(Image.fromarray(picture(3)).convert("CMYK"))
    place = data.index(b"\xff\xee")
    if transform is None:
        data = data[:place] + data[place + 2 + int.from_bytes(data[place + 2 : place + 4], "big") :]
    else:
        data = data[: place + 15] + bytes([transform]) + data[place + 16 :]
    (tmp_path / "in.jpg").write_bytes(data)
    before, after = refill(tmp_path / "in.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.mode == "CMYK"
    assert not before.alpha
    known = is_known(before)
    known[:24, :32] = False  # blocks of 8 pixels that the hole touches
    difference = np.abs(after.pixels.astype(int) - before.pixels)[known]
    assert difference.mean() < 2
    assert difference.max() <= 16


def test_colours_that_are_stored_as_they_are(tmp_path):
    """Adobe's segment then says that they are not any more."""
    data = bytearray(insert(encode(picture()[..., [0, 1, 0]], subsampling=0), segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")))
    data[2:20] = b""  # JFIF means YCbCr
    (tmp_path / "in.jpg").write_bytes(data)
    before, after = refill(tmp_path / "in.jpg")
    known = is_known(before)
    known[:24, :32] = False
    assert np.abs(after.pixels.astype(int) - before.pixels)[known].mean() < 2
    assert b"Adobe\0\x64\0\0\0\0\1" in (tmp_path / "out.jpg").read_bytes()


GAIN_MAP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description hdrgm:Version="1.0" dc:title="a dune">'
    b'<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Semantic="GainMap" Item:Length="99"/></rdf:li>'
    b"</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
)
MOTION = b'<rdf:Description GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion=\'1\' GCamera:SpecialTypeID="7"/>'


@pytest.mark.parametrize("kind", ["second picture", "gain map", "motion video", "depth map"])
def test_the_first_picture_of_a_phone_is_filled(tmp_path, kind):
    """And what lies behind it is named, and no longer pointed to."""
    second, xmp = encode(picture(1)), b""
    if kind == "second picture":
        data = insert(encode(), segment(0xE2, b"MPF\0II*\0")) + second
        said = "its second picture"
    elif kind == "gain map":
        data = insert(encode(xmp=GAIN_MAP), segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")) + second
        said, xmp = "its gain map", b'dc:title="a dune"'
    elif kind == "motion video":
        video = struct.pack(">I4s", 24, b"ftyp") + b"isom" + b"x" * 2_100_000
        data, said, xmp = encode(xmp=MOTION) + video, "its motion video, 2.1 MB", b'GCamera:SpecialTypeID="7"'
    else:
        depth = b'<rdf:Description GDepth:Data="UklGRg=="/>'
        note = b'<rdf:Description xmpNote:HasExtendedXMP="000" dc:title="a dune"/>'
        part = EXTENDED + struct.pack(">II", len(depth), 0) + depth
        data, said, xmp = insert(encode(xmp=note), segment(0xE1, part)), "its depth map", b'dc:title="a dune"'
    (tmp_path / "in.jpg").write_bytes(data)
    before, after = refill(tmp_path / "in.jpg")
    assert before.pixels.shape == picture().shape
    assert [note.partition(": ")[2] for note in before.notes] == [f"not kept: {said}"]
    assert after.notes == ()
    written = (tmp_path / "out.jpg").read_bytes()
    assert xmp in written
    assert written.endswith(b"\xff\xd9")
    for pointer in (b"MPF\0", b"hdrgm", b"Container", b"MotionPhoto", b"21496", b"GDepth", b"HasExtendedXMP"):
        assert pointer not in written


def with_thumbnail(kind, thumbnail):
    if kind == "JFXX":
        return insert(encode(), segment(0xE0, b"JFXX\0\x10" + thumbnail))
    if kind == "JFIF":
        data = bytearray(encode())
        data[18:20] = bytes((8, 8))
        data[20:20] = thumbnail[:192]
        data[4:6] = (16 + 192).to_bytes(2, "big")
        return bytes(data)
    if kind == "Photoshop":
        resource = b"8BIM" + struct.pack(">HHI", 1036, 0, len(thumbnail)) + thumbnail + bytes(len(thumbnail) % 2)
        other = b"8BIM" + struct.pack(">HHI", 1028, 0, 4) + b"IPTC"
        return insert(encode(), segment(0xED, b"Photoshop 3.0\0" + resource + other))
    if kind == "XMP":
        text = thumbnail.hex().encode()
        return encode(xmp=b"<rdf:RDF><xmp:Thumbnails>" + text + b"</xmp:Thumbnails>IPTC</rdf:RDF>")
    return insert(encode(), segment(0xEB, b"JP jumb c2pa.thumbnail.claim.jpeg" + thumbnail), segment(0xFE, b"IPTC"))


@pytest.mark.parametrize("kind", ["JFXX", "JFIF", "Photoshop", "XMP", "C2PA"])
def test_thumbnails_go(tmp_path, kind):
    """They show what was there; all else in their segments stays."""
    thumbnail = encode(picture(1, height=8, width=8))
    (tmp_path / "in.jpg").write_bytes(with_thumbnail(kind, thumbnail))
    before, _ = refill(tmp_path / "in.jpg")
    assert [note.partition(": ")[2] for note in before.notes] == ["its thumbnail shows what was there, and is left out"]
    written = (tmp_path / "out.jpg").read_bytes()
    assert thumbnail[20:150] not in written
    assert thumbnail[20:150].hex().encode() not in written
    assert kind not in ("Photoshop", "XMP", "C2PA") or b"IPTC" in written


@pytest.mark.parametrize(("marker", "bits", "said"), [(0xC1, 12, "12 bits"), (0xC3, 8, "lossless")])
def test_what_cannot_be_written_back_is_refused_with_the_way_out(tmp_path, marker, bits, said):
    data = bytearray(encode())
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4] = marker, bits
    (tmp_path / "in.jpg").write_bytes(data)
    with pytest.raises(FileError, match=rf"{said}.*convert it to TIFF or PNG"):
        read_image(tmp_path / "in.jpg")


def test_bytes_between_segments_are_passed(tmp_path):
    data = encode()
    (tmp_path / "in.jpg").write_bytes(data[:20] + b"\0\0" + data[20:])
    assert read_image(tmp_path / "in.jpg").pixels.shape == picture().shape
