import io

import pytest
from PIL import Image

from napari_inpaint.io.codecs import webp
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import read_image
from tests.io.codecs.files import check, picture, refill
from tests.io.codecs.structure import missing, webp_chunks

ENCODED = {b"VP8 ", b"VP8L", b"ALPH"}


def encode(image, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def insert(data, *chunks):
    body = data[8:] + b"".join(kind + len(each).to_bytes(4, "little") + each for kind, each in chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("lossless", [False, True])
def test_every_chunk_stays(tmp_path, channels, lossless, exif_with_thumbnail):
    exif = exif_with_thumbnail[0][:26]
    said = {"exif": exif, "icc_profile": b"profile!", "xmp": b"<x:xmpmeta/>"}
    data = insert(encode(picture(channels), lossless=lossless, exact=True, **said), (b"prVt", b"private!"))
    (tmp_path / "in.webp").write_bytes(data)
    before, after = (check if lossless else refill)(tmp_path / "in.webp")
    assert missing(webp_chunks, data, (tmp_path / "out.webp").read_bytes(), ENCODED) == []
    assert before.notes == ()
    assert bool(before.rewriting) == (not lossless)
    assert (after.metadata, after.orientation) == (before.metadata, 6)


def test_a_plain_file_stays_plain(tmp_path):
    (tmp_path / "in.webp").write_bytes(encode(picture(), lossless=True))
    check(tmp_path / "in.webp")
    assert [kind for kind, _ in webp_chunks((tmp_path / "out.webp").read_bytes())] == [b"VP8L", "behind"]


def test_what_lies_behind_is_named_and_thumbnails_go(tmp_path, exif_with_thumbnail):
    exif, thumbnail = exif_with_thumbnail
    (tmp_path / "in.webp").write_bytes(encode(picture(), lossless=True, exif=exif) + b"a video.")
    before, _ = refill(tmp_path / "in.webp")
    assert [note.partition(": ")[2] for note in before.notes] == [
        "its thumbnail shows what was there, and is left out", "not kept: 8 bytes behind the image",
    ]  # fmt: skip
    assert thumbnail not in (tmp_path / "out.webp").read_bytes()
    assert webp.LOSSLESS.items() <= before.options.items()


def test_an_animation_is_refused_with_the_way_out(tmp_path):
    frames = [Image.fromarray(picture()), Image.fromarray(picture()[::-1])]
    frames[0].save(tmp_path / "in.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(FileError, match=r"animation.*take its frames apart"):
        read_image(tmp_path / "in.webp")
