import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import read_image
from tests.io.codecs.files import check, picture, refill
from tests.io.codecs.structure import missing, png_chunks

ENCODED = {b"IHDR", b"IDAT"}


def encode(image, **options):
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def insert(data, *chunks, before=b"IDAT"):
    place = data.index(before) - 4
    return data[:place] + b"".join(chunk(*each) for each in chunks) + data[place:]


COMMON = [
    (b"gAMA", struct.pack(">I", 45455)), (b"tIME", bytes(7)), (b"tEXt", b"Author\0me"), (b"zTXt", b"Comment\0\0x"),
    (b"prVt", b"private"), (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)), (b"sTER", b"\1"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["grey", "grey and alpha", "colours", "colours and alpha", "16 bits", "palette"])
def test_every_chunk_stays(tmp_path, kind):
    channels = {"grey": 1, "grey and alpha": 2, "colours": 3, "colours and alpha": 4}.get(kind, 3)
    if kind == "16 bits":
        data = imagecodecs.png_encode(picture(3, np.uint16))
    else:
        image = Image.fromarray(picture(channels))
        data = encode(image.quantize(20) if kind == "palette" else image)
    background = b"\1" if kind == "palette" else b"\0\1" * (1 if channels < 3 else 3)
    of_kind = [(b"sBIT", b"\5" * channels), (b"bKGD", background)]
    data = insert(insert(data, *COMMON, *of_kind), (b"tEXt", b"Late\0x"), (b"laTe", b"y"), before=b"IEND")
    (tmp_path / "in.png").write_bytes(data)
    before, _ = check(tmp_path / "in.png")
    assert missing(png_chunks, data, (tmp_path / "out.png").read_bytes(), ENCODED) == []
    assert before.notes == ()


def test_what_is_lost_is_named(tmp_path):
    image = Image.fromarray(picture()).quantize(20)
    data = insert(encode(image), (b"hIST", b"\0\1" * 20)) + b"a video"
    (tmp_path / "in.png").write_bytes(data)
    before, _ = refill(tmp_path / "in.png")
    assert missing(png_chunks, data, (tmp_path / "out.png").read_bytes(), ENCODED) == [b"hIST", "behind"]
    said = " ".join(before.notes + before.rewriting)
    assert "hIST" in said
    assert "7 bytes behind the image" in said
    data = insert(encode(picture(3), transparency=(1, 2, 3)), (b"sBIT", b"\5\5\5"), (b"bKGD", bytes(5) + b"\1"))
    (tmp_path / "in.png").write_bytes(data)
    before, _ = refill(tmp_path / "in.png")
    assert missing(png_chunks, data, (tmp_path / "out.png").read_bytes(), ENCODED) == [b"tRNS", b"sBIT", b"bKGD"]
    assert "keyed transparency becomes an alpha channel" in before.notes[0]
    assert before.notes[1].endswith("not kept: bKGD, sBIT")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_palettes_stay(tmp_path, bits, transparent):
    """Known pixels keep their numbers, also of colours that are there twice; filled ones take the nearest colour."""
    image = Image.fromarray(picture()).quantize(min(2**bits, 200))
    indices = np.array(image)
    palette = np.array(image.getpalette()).reshape(-1, 3)[: 2**bits]
    palette[-1] = palette[0]
    indices[30:, ::2][indices[30:, ::2] == 0] = len(palette) - 1
    image = Image.fromarray(indices, "P")
    image.putpalette(palette.astype(np.uint8).tobytes())
    (tmp_path / "in.png").write_bytes(encode(image, bits=bits, **({"transparency": 1} if transparent else {})))
    before, after = refill(tmp_path / "in.png")
    with Image.open(tmp_path / "out.png") as written:
        assert written.mode == "P"
        known = np.ones(indices.shape, bool)
        known[5:15, 8:20] = False
        np.testing.assert_array_equal(np.array(written)[known], indices[known])
    assert before.alpha == transparent
    assert "fill has only the" in before.rewriting[0]
    colours = before.options["palette"]
    wanted = ~before.pixels[5:15, 8:20].reshape(-1, 1, colours.shape[1])
    distance = np.linalg.norm(wanted.astype(float) - colours[None], axis=-1)
    filled = after.pixels[5:15, 8:20].reshape(-1, colours.shape[1]).astype(float)
    changed = np.linalg.norm(wanted[:, 0] - filled, axis=-1)
    np.testing.assert_allclose(changed, distance.min(1))


@pytest.mark.parametrize("bits", [2, 4])
def test_greys_of_few_bits_keep_their_depth(tmp_path, bits):
    numbers = picture(1)[:, :59] >> (8 - bits)
    single = np.unpackbits(numbers[..., None], axis=-1)[..., 8 - bits :]
    rows = np.packbits(single.reshape(48, -1), axis=1)
    header = struct.pack(">IIBBBBB", 59, 48, bits, 0, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())), (b"IEND", b"")
    (tmp_path / "in.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in parts))
    before, _ = check(tmp_path / "in.png")
    assert dict(png_chunks((tmp_path / "out.png").read_bytes()))[b"IHDR"] == header
    assert f"{2**bits} greys" in before.rewriting[0]
    np.testing.assert_array_equal(before.pixels, numbers * (255 // (2**bits - 1)))


def test_a_thumbnail_in_exif_goes(tmp_path, exif_with_thumbnail):
    data, thumbnail = exif_with_thumbnail
    (tmp_path / "in.png").write_bytes(insert(encode(picture()), (b"eXIf", data)))
    before, after = refill(tmp_path / "in.png")
    assert thumbnail not in (tmp_path / "out.png").read_bytes()
    assert "thumbnail" in before.notes[0]
    assert after.orientation == 6


def test_an_animation_is_refused_with_the_way_out(tmp_path):
    frames = [Image.fromarray(picture()), Image.fromarray(picture()[::-1])]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:])
    with pytest.raises(FileError, match=r"animation.*take its frames apart"):
        read_image(tmp_path / "in.png")
