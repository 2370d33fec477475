import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import encode_image, read_image
from tests.io.codecs.files import is_known, picture, refill
from tests.io.codecs.structure import gif_blocks, missing

HOLE = np.s_[5:15, 8:20]


def encode(frames, **options):
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=len(frames) > 1, append_images=frames[1:], **options)
    return buffer.getvalue()


def moving(count=5, transparent=False):
    frames = []
    for index in range(count):
        image = picture()
        image[4:12, 5 * index : 5 * index + 12] = (255, 0, 40 * index)
        if transparent:
            image = np.dstack([image, np.where(picture(1) > 5 * index, 255, 0).astype(np.uint8)])
        frames.append(Image.fromarray(image) if transparent else Image.fromarray(image).quantize(40))
    return frames


def displayed(path):
    with Image.open(path) as image:
        return np.stack([np.array(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)])


KINDS = {
    "plain": ({}, {}),
    "transparent": ({"transparent": True}, {"disposal": 2}),
    "all disposals": ({"count": 6}, {"disposal": [0, 1, 2, 3, 1, 2]}),
    "one picture": ({"count": 1}, {}),
    "interlaced": ({"count": 1}, {"interlace": 1}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_known_pixels_of_all_pictures_stay(tmp_path, kind):
    """As another program displays them; and all blocks are kept."""
    made, options = KINDS[kind]
    durations = [80, 90, 100, 110, 120, 130][: made.get("count", 5)]
    data = encode(moving(**made), duration=durations if len(durations) > 1 else 80, loop=3, comment=b"hi", **options)
    private = b"!\xff\x0bPRIVATE_1.0\x03abc\x00"
    place = 13 + (3 << ((data[10] & 7) + 1))
    data = data[:place] + private + data[place:]
    (tmp_path / "in.gif").write_bytes(data)
    source = read_image(tmp_path / "in.gif")
    pixels, hole = source.pixels.copy(), ~is_known(source)
    pixels[hole] = ~pixels[hole]
    if source.alpha:
        pixels[..., 3][hole[..., 3]] = 255
    holes = hole.any(-1)
    (tmp_path / "out.gif").write_bytes(encode_image(tmp_path / "out.gif", source, pixels, holes=holes))
    assert missing(gif_blocks, data, (tmp_path / "out.gif").read_bytes(), ()) == []
    before, after = displayed(tmp_path / "in.gif"), displayed(tmp_path / "out.gif")
    opaque = source.pixels[..., 3] == 255 if source.alpha else np.ones(source.pixels.shape[:-1], bool)
    np.testing.assert_array_equal(before.squeeze()[..., :3][opaque], source.pixels[..., :3][opaque])
    changed = (before != after).any(-1)
    assert changed[:, 5:15, 8:20].any((1, 2)).all()
    changed[:, 5:15, 8:20] = False
    assert not changed.any()
    assert "fill has only the" in source.rewriting[0]
    assert source.notes == ()


def test_a_fill_takes_the_nearest_colours(tmp_path):
    (tmp_path / "in.gif").write_bytes(encode(moving(1)))
    before, after = refill(tmp_path / "in.gif")
    palette = before.options["parts"].blocks[-1].palette
    wanted = ~before.pixels[HOLE].reshape(-1, 1, 3)
    distance = np.linalg.norm(wanted.astype(float) - palette[None], axis=-1).min(1)
    reached = np.linalg.norm(wanted[:, 0].astype(float) - after.pixels[HOLE].reshape(-1, 3), axis=-1)
    np.testing.assert_allclose(reached, distance)


def test_what_nothing_shows_is_filled(tmp_path):
    image = np.dstack([picture(), np.full((48, 60), 255, np.uint8)])
    image[6:14, 9:18, 3] = 0
    (tmp_path / "in.gif").write_bytes(encode([Image.fromarray(image)]))
    source = read_image(tmp_path / "in.gif")
    pixels = source.pixels.copy()
    pixels[6:14, 9:18] = (250, 10, 10, 255)
    (tmp_path / "out.gif").write_bytes(encode_image(tmp_path / "out.gif", source, pixels))
    assert read_image(tmp_path / "out.gif").pixels.shape == (48, 60, 3)  # nothing is transparent any more


def test_holes_that_other_pictures_show_are_refused(tmp_path):
    """A hole of the first picture alone would change what the others show of it."""
    (first,) = moving(1)
    second = first.copy()
    second.paste(1, (2, 2, 9, 9))  # the only part that is written again
    (tmp_path / "in.gif").write_bytes(encode([first, second], disposal=1))
    source = read_image(tmp_path / "in.gif")
    pixels = source.pixels.copy()
    pixels[0, 30:40, 30:40] = ~pixels[0, 30:40, 30:40]
    with pytest.raises(FileError, match=r"only some of them are filled; fill all of them"):
        encode_image(tmp_path / "out.gif", source, pixels)


def test_bytes_behind_the_end_are_named(tmp_path):
    (tmp_path / "in.gif").write_bytes(encode(moving(1)) + b"behind")
    assert read_image(tmp_path / "in.gif").notes[0].endswith("not kept: 6 bytes behind the image")


@pytest.mark.parametrize("between", [b"", b"\0", b"\0\0\0"])
@pytest.mark.parametrize("end", [b"", b";"])
@pytest.mark.parametrize("count", [1, 3])
def test_end_marks_that_are_missing_or_late(tmp_path, count, end, between):
    """Such files are read, as browsers do, and written with the mark where it belongs."""
    data = encode(moving(count))
    (tmp_path / "in.gif").write_bytes(data[:-1] + between + end)
    (tmp_path / "whole.gif").write_bytes(data)
    before, after = refill(tmp_path / "in.gif")
    np.testing.assert_array_equal(before.pixels, read_image(tmp_path / "whole.gif").pixels)
    assert [each.endswith("its end mark, which is missing, is added") for each in before.rewriting[1:]] == [True] * (
        not end
    )
    assert before.notes == ()
    assert len(after.rewriting) == 1
    assert (tmp_path / "out.gif").read_bytes().endswith(b"\0;")
    assert not (tmp_path / "out.gif").read_bytes().endswith(b"\0\0;")


def test_what_ends_within_a_picture_is_refused(tmp_path):
    data = encode(moving(2))
    for stop in (len(data) - 2, len(data) - 20, data.index(b",") + 4):
        (tmp_path / "in.gif").write_bytes(data[:stop])
        with pytest.raises(FileError):
            read_image(tmp_path / "in.gif")


@pytest.mark.parametrize("clear", [0, 1, 2, 200, 255])
@pytest.mark.parametrize("size", [4, 32])
def test_the_clear_number_may_lie_behind_the_palette(tmp_path, size, clear):
    """A fill takes none but the palette's colours."""
    image = Image.fromarray(picture()).quantize(size)
    data = bytearray(encode([image], transparency=0))
    place = data.index(b"!\xf9\x04")
    data[place + 6] = clear
    (tmp_path / "in.gif").write_bytes(data)
    source = read_image(tmp_path / "in.gif")
    frame = source.options["parts"].blocks[-1]
    assert (len(frame.palette), frame.clear) == (size, clear)
    pixels = source.pixels.copy()
    pixels[HOLE][..., :3] = ~pixels[HOLE][..., :3]
    hole = np.zeros(pixels.shape[:2], bool)
    hole[HOLE] = True
    (tmp_path / "out.gif").write_bytes(encode_image(tmp_path / "out.gif", source, pixels, holes=hole))
    after = read_image(tmp_path / "out.gif")
    np.testing.assert_array_equal(after.pixels[~hole], source.pixels[~hole])
    assert np.isin(after.options["parts"].blocks[-1].indices[hole], range(size)).all()
