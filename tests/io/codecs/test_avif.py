import imagecodecs
import numpy as np
import pytest

from napari_inpaint.io.codecs.boxes import Box
from napari_inpaint.io.codecs.heif import Item, Reference, read_container, write_container
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import read_image
from napari_inpaint.io.orientation import TURNS
from tests.io.codecs.files import check, picture

NCLX = b"nclx\0\x09\0\x10\0\x09\x80"
"""BT.2020 with the tones of HDR."""


def encode(image, bits=8, level=80):
    form = "400" if image.ndim == 2 or image.shape[2] < 3 else "420"
    return imagecodecs.avif_encode(image, level=level, bitspersample=bits, pixelformat=form)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_known_pixels_are_exact(tmp_path, bits, channels):
    """Also of pictures that were encoded with loss, and coarser colours."""
    dtype = np.uint8 if bits == 8 else np.uint16
    image = picture(channels, dtype) >> (0 if bits == 8 else 16 - bits)
    (tmp_path / "in.avif").write_bytes(encode(image, bits))
    before, after = check(tmp_path / "in.avif")
    if channels > 2:  # greys do not say it
        assert before.lossy
        assert "written without loss" in before.rewriting[0]
    assert before.options["bits"] == after.options["bits"] == bits
    assert before.notes == ()


def describe(data, exif, properties=(), more=()):
    """Add what describes a picture to a file."""
    container = read_container(data)
    items, primary = dict(container.items), container.primary
    items[primary] = items[primary]._replace(properties=[*items[primary].properties, *properties])
    items[50] = Item(b"Exif", b"\0", bytes(4) + exif, [])
    items[51] = Item(b"mime", b"\0application/rdf+xml\0", b"<x:xmpmeta/>", [])
    items[52] = Item(b"uri ", b"\0private:uri\0", b"private", [])
    references = [*container.references, *(Reference(b"cdsc", number, (primary,)) for number in (50, 51, 52))]
    for number, (item, reference) in enumerate(more, 60):
        items[number] = item
        references.append(Reference(reference, number, (primary,)))
    boxes = [Box(b"uuid", bytes(16) + b"private")]
    return write_container(container._replace(items=items, references=references, others=boxes, more=boxes))


def parts(data):
    """Return what describes the picture of a file: items, its properties, and other boxes."""
    container = read_container(data)
    described = {(item.kind, item.name, item.data) for item in container.items.values() if item.kind != b"av01"}
    said = {box for _, box in container.items[container.primary].properties}
    linked = {(each.kind, container.items[each.item].kind) for each in container.references}
    return described | said | linked | set(container.others) | set(container.more)


@pytest.mark.parametrize("channels", [3, 4])
def test_all_that_describes_the_picture_stays(tmp_path, channels, exif_with_thumbnail):
    exif, thumbnail = exif_with_thumbnail
    properties = [
        (False, Box(b"colr", b"prof" + b"profile" * 20)), (False, Box(b"clli", b"\0\1\0\2")),
        (False, Box(b"prVt", b"private")), (True, Box(b"irot", b"\1")), (True, Box(b"imir", b"\0")),
    ]  # fmt: skip
    data = describe(encode(picture(channels)), exif[:26], properties)
    (tmp_path / "in.avif").write_bytes(data)
    before, after = check(tmp_path / "in.avif")
    encoding = {b"av1C", b"pixi", b"ispe"}
    lost = parts(data) - parts((tmp_path / "out.avif").read_bytes())
    assert [each for each in lost if each[0] not in encoding and not each[1].startswith(b"nclx")] == []
    assert before.notes == ()
    assert after.metadata.icc == b"profile" * 20
    assert after.metadata.xmp == b"<x:xmpmeta/>"
    (tmp_path / "in.avif").write_bytes(describe(encode(picture()), exif))
    before, _ = check(tmp_path / "in.avif")
    assert "thumbnail" in before.notes[0]
    assert thumbnail not in (tmp_path / "out.avif").read_bytes()


def test_what_colours_are_stays(tmp_path):
    data = encode(picture(3, np.uint16) >> 6, 10)
    place = data.index(b"nclx")
    (tmp_path / "in.avif").write_bytes(data[:place] + NCLX + data[place + 11 :])
    check(tmp_path / "in.avif")
    assert NCLX[:8] in (tmp_path / "out.avif").read_bytes()


def test_pictures_that_belong_to_it_are_named(tmp_path, exif_with_thumbnail):
    picked = read_container(encode(picture(1)))
    item = picked.items[picked.primary]
    depth = item._replace(properties=[*item.properties, (True, Box(b"auxC", bytes(4) + b"urn:x:auxid:depth\0"))])
    gain = Item(b"tmap", b"\0", b"x", [])
    more = [(item, b"thmb"), (depth, b"auxl"), (gain, b"dimg")]
    (tmp_path / "in.avif").write_bytes(describe(encode(picture()), exif_with_thumbnail[0][:26], more=more))
    before, _ = check(tmp_path / "in.avif")
    assert before.notes[0].endswith("not kept: its thumbnail, which shows what was there, its gain map, its depth map")
    assert len(read_container((tmp_path / "out.avif").read_bytes()).items) == 4


@pytest.mark.parametrize("orientation", TURNS)
def test_orientations_are_those_of_other_programs(tmp_path, orientation):
    Image = pytest.importorskip("PIL.Image")
    if not pytest.importorskip("PIL.features").check("avif"):
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(picture()).save(tmp_path / "in.avif", exif=exif.tobytes())
    before, _ = check(tmp_path / "in.avif")
    assert before.orientation == orientation
    with Image.open(tmp_path / "out.avif") as image:
        assert image.getexif().get(274, 1) == orientation


def test_heic_is_refused_with_the_way_out(tmp_path):
    data = encode(picture())
    (tmp_path / "a.heic").write_bytes(data.replace(b"avif", b"heic"))
    with pytest.raises(FileError, match="HEIC is not read: convert it to PNG, TIFF or JPEG"):
        read_image(tmp_path / "a.heic")
    (tmp_path / "b.heic").write_bytes(data.replace(b"av01", b"hvc1").replace(b"av1C", b"hvcC"))
    with pytest.raises(FileError, match="HEIC is not read"):
        read_image(tmp_path / "b.heic")


def test_an_animation_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "in.avif").write_bytes(encode(picture()) + Box(b"moov", b"").encode())
    with pytest.raises(FileError, match=r"animation.*take its frames apart"):
        read_image(tmp_path / "in.avif")
