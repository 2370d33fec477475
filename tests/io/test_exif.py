import struct

import pytest

from napari_inpaint.io.exif import set_orientation, without_thumbnail
from napari_inpaint.io.orientation import read_orientation


def exif(order, *entries, maker_note=b""):
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(entries))
    fields = b"".join(struct.pack(order + "HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    return head + fields + bytes(4) + maker_note


@pytest.mark.parametrize("order", "<>")
def test_only_the_orientation_changes(order):
    data = exif(order, (256, 7), (274, 6), maker_note=b"at a place of its own")
    changed = set_orientation(data, 3)
    assert read_orientation(changed) == 3
    assert len(changed) == len(data)
    assert sum(a != b for a, b in zip(data, changed, strict=True)) == 1
    assert set_orientation(changed, 6) == data


@pytest.mark.parametrize("data", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"XX*\0", exif("<", (256, 7))])
def test_data_without_an_orientation_stay(data):
    assert set_orientation(data, 3) == data
    assert without_thumbnail(data) == (data, ())


def test_an_orientation_can_be_all_that_is_said():
    assert read_orientation(set_orientation(None, 8)) == 8


@pytest.mark.parametrize("head", [b"", b"Exif\0\0"])
def test_a_thumbnail_goes(exif_with_thumbnail, head):
    data, thumbnail = exif_with_thumbnail
    cut, words = without_thumbnail(head + data)
    assert thumbnail not in cut
    assert cut[: len(head) + 22] == (head + data)[: len(head) + 22]
    assert words == ("its thumbnail shows what was there, and is left out",)
    assert without_thumbnail(cut) == (cut, ())


def test_what_lies_behind_a_thumbnail_does_not_move(exif_with_thumbnail):
    data, thumbnail = exif_with_thumbnail
    cut, _ = without_thumbnail(data + b"maker note")
    assert cut.endswith(bytes(len(thumbnail)) + b"maker note")
    assert len(cut) == len(data) + 10


def test_a_preview_in_maker_notes_is_named():
    data = exif("<", (256, 7), maker_note=b"\xff\xd8\xff\xe0preview")
    assert without_thumbnail(data) == (data, ("a preview within its Exif or maker notes still shows what was there",))
