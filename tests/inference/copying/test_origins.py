"""Maps of where pixels came from say what was really copied."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_inpaint import INVENTED, Inpainter, read_offsets
from napari_inpaint.inference.copying.origins import COPIED, each_origin
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.inference.record import SCHEMA, pack
from tests.inference.copying.by_hand import made_by_hand

BOXES = [(200, 300, 290, 400), (40, 30, 80, 90)]


def sources_of(offsets):
    """The index of the pixel that each one came from; its own where it is invented."""
    moves = np.where(offsets == INVENTED, 0, offsets)
    *leading, y, x = np.indices(offsets.shape[:-1])
    return (*leading, y + moves[..., 1], x + moves[..., 2])


@pytest.mark.parametrize("dtype", ["u1", "u2", "i8", "f4", "?"])
def test_without_the_seam_pixels_are_those_that_the_map_names_bit_for_bit(inpainter, photo, dtype):
    image = photo > 120 if dtype == "?" else (photo * 200.0 if dtype != "u1" else photo).astype(dtype)
    filled = inpainter.fill(image, boxes=BOXES, seam=False)
    offsets, shares = read_offsets(json.loads(json.dumps(inpainter.last_record)), photo.shape[:2])
    assert (offsets.dtype, offsets.shape, shares.dtype, shares.shape) == (
        np.int32, (512, 640, 3), np.uint8, (512, 640))  # fmt: skip
    copied = shares == COPIED
    np.testing.assert_array_equal(filled[copied], image[sources_of(offsets)][copied])
    hole = np.zeros(photo.shape[:2], bool)
    for y0, x0, y1, x1 in BOXES:
        hole[y0:y1, x0:x1] = True
    assert (copied & hole).sum() > 0.9 * hole.sum()
    assert not hole[sources_of(offsets)][copied].any()
    np.testing.assert_array_equal((offsets != 0).any(-1), hole)


def test_planes_and_channels_of_any_axis(inpainter, photo):
    rng = np.random.default_rng(0)
    stack = np.stack([[photo[:160, x : x + 180, channel] for channel in (0, 1)] for x in (0, 200, 400)])
    stack = np.clip(stack + rng.normal(0, 9, stack.shape), 0, 255).astype(np.uint8)  # (3, 2, H, W)
    mask = np.zeros((3, 160, 180), bool)
    mask[0, 50:80, 60:100] = True
    mask[2] = np.hypot(*(np.mgrid[:160, :180] - np.array([[[80]], [[90]]]))) < 20
    filled = inpainter.fill(stack, mask, seam=False, channel_axis=1)
    offsets, shares = read_offsets(inpainter.last_record, mask.shape)
    np.testing.assert_array_equal((offsets != 0).any(-1), mask)
    assert (shares == COPIED).all()
    assert not offsets[..., 0].any()
    np.testing.assert_array_equal(np.moveaxis(filled, 1, -1), np.moveaxis(stack, 1, -1)[sources_of(offsets)])


@pytest.mark.parametrize("detail", ["network", "smooth"])
def test_what_is_no_copy_is_invented(inpainter, photo, detail):
    inpainter.fill(photo, boxes=BOXES, detail=detail)
    offsets, shares = read_offsets(inpainter.last_record, photo.shape[:2])
    (origin, other) = each_origin(inpainter.last_record, photo.shape[:2])
    for hole in (origin, other):
        assert (offsets[hole.box.slices] == INVENTED).all()
        assert not shares[hole.box.slices].any()
    assert (offsets == INVENTED).all(-1).sum() == (shares == 0).sum() == 90 * 100 + 40 * 60
    assert sorted({*np.unique(offsets)}) == [INVENTED, 0]


def test_a_blend_names_its_copy_and_its_share(inpainter):
    """Between what the network made and copies: the rest of a share is the network's."""
    rng = np.random.default_rng(0)
    image = rng.normal(100, 5, (300, 320)).astype(np.float32)
    image[:, 160:] += 1000 * np.hypot(*np.mgrid[:300, :160])[::-1] / 300
    found = {}
    for detail in ("copied", "network"):
        found[detail] = inpainter.fill(image, boxes=[(100, 100, 200, 220)], seam=False, detail=detail)
        if detail == "copied":
            record = inpainter.last_record
    record["copies"] = [
        {**copy, "shares": pack(rng.integers(0, 256, 100 * 120, np.uint8).tobytes())} for copy in record["copies"]
    ]
    offsets, shares = read_offsets(record, image.shape)
    between = (shares > 0) & (shares < COPIED)
    assert between.sum() > 1000
    assert not (offsets[between] == INVENTED).any()
    np.testing.assert_array_equal((offsets == INVENTED).all(-1), shares == 0)
    job = read_job(image, None, [(100, 100, 200, 220)], FillOptions(seam=False))
    from napari_inpaint.inference.copying.provenance import read_copies
    from napari_inpaint.inference.windows.patches import to_copy

    patches, _ = inpainter.run(job, FillOptions(seam=False), recorded=read_copies(record))
    share = shares / np.float64(COPIED)
    expected = found["network"] * (1 - share) + image[sources_of(offsets)] * share
    np.testing.assert_allclose(to_copy(job.source, patches)[between], expected[between], rtol=1e-5)


@given(
    st.integers(1, 60),
    st.integers(1, 70),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.sampled_from([None, False, True]),
)
def test_any_holes_there_and_back_with_planes_or_without(height, width, seed, density, steps):
    mask = np.random.default_rng(seed).random((2, height, width)) < density
    record, expected = made_by_hand(mask, steps, seed)
    offsets, shares = read_offsets(record, mask.shape)
    np.testing.assert_array_equal(offsets, expected)
    assert (shares == COPIED).all()
    covered = np.zeros(mask.shape, int)
    for origin in each_origin(record, mask.shape):
        covered[*origin.plane, *origin.box.slices] += origin.mask
    np.testing.assert_array_equal(covered, mask)


def test_holes_that_are_copied_in_pieces_and_lie_around_others(monkeypatch):
    """A spiral around dust, divided: bounding boxes overlap, pixels do not."""
    monkeypatch.setattr("napari_inpaint.inference.copying.regions.MOST_NARROW_PIXELS", 100)
    monkeypatch.setattr("napari_inpaint.inference.copying.regions.TILE", 16)
    y, x = np.mgrid[:120, :130] - np.array([[[60]], [[65]]])
    turn = np.hypot(y, x) / 6 - np.arctan2(y, x) / (2 * np.pi)
    mask = (np.abs(turn - np.rint(turn)) < 0.15)[None] & (np.hypot(y, x) < 58)
    mask |= np.random.default_rng(0).random(mask.shape) < 0.02
    record, expected = made_by_hand(mask)
    assert len(record["copies"]) > 20
    np.testing.assert_array_equal(read_offsets(record, mask.shape)[0], expected)


def test_large_images_take_no_memory_but_that_of_their_holes():
    side = 2**20  # whose map would take terabytes
    record, _ = made_by_hand(np.pad(np.ones((1, 9, 9), bool), [(0, 0), (5, 5), (5, 5)]))
    (origin,) = each_origin(record, (1, side, side))
    assert origin.box == (5, 5, 14, 14)
    invented = record | {"copies": [], "holes": [{"planes": [[0]], "boxes": [[0, 0, side, side]], "masks": [None]}]}
    (origin,) = each_origin(invented, (1, side, side))
    assert origin.offsets.shape == (side, side, 3)
    assert origin.offsets[-1, -1, -1] == INVENTED


HOLE = np.pad(np.ones((1, 9, 8), bool), [(0, 0), (5, 5), (5, 5)])
GOOD, _ = made_by_hand(HOLE)


def damage(**changes):
    return GOOD | {"copies": [GOOD["copies"][0] | changes]}


BAD = {
    "a newer version": (GOOD | {"schema": SCHEMA + 1}, "no record that can be repeated"),
    "other holes": (damage(holes=[[5, 5, 14, 20]]), "where no hole is"),
    "an empty box": (damage(holes=[[5, 5, 5, 13]]), "is empty"),
    "no boxes": (damage(holes=[]), "damaged"),
    "fewer offsets": (damage(offsets=pack(b"1234")), "4 bytes for 144 pixels"),
    "fewer shares": (damage(shares=pack(b"1234")), "4 bytes for 72 pixels"),
    "fewer steps": (damage(steps=pack(b"1234")), "4 bytes for 72 pixels"),
    "no base64": (damage(offsets="%"), "damaged"),
    "out of the image": (damage(offsets=pack(np.full((2, 72), 99, "<i4").tobytes())), "not in the image"),
    "far out": (damage(offsets=pack(np.full((2, 72), 2**31 - 1, "<i4").tobytes())), "not in the image"),
    "another plane": (damage(plane=[3]), "damaged"),
    "twice": (GOOD | {"copies": GOOD["copies"] * 2}, "what all of its pixels"),
    "not for all holes": (GOOD | {"copies": GOOD["copies"], "holes": [
        GOOD["holes"][0] | {"boxes": [*GOOD["holes"][0]["boxes"], [0, 0, 2, 2]], "masks": [None, None]}]},
        "what all of its pixels"),
    "copies of another kind": (GOOD | {"copies": [7]}, "damaged"),
    "copies without offsets": (GOOD | {"copies": [{"plane": [0], "holes": [[5, 5, 14, 13]]}]}, "damaged"),
    "other axes": (GOOD | {"axes": [0, 2]}, "look at it in napari"),
}  # fmt: skip


@pytest.mark.parametrize(("record", "message"), BAD.values(), ids=BAD)
def test_damaged_records_are_refused(record, message):
    read_offsets(GOOD, HOLE.shape)
    with pytest.raises(ValueError, match=message):
        read_offsets(record, HOLE.shape)


def test_the_shape_has_no_channels(inpainter, photo):
    inpainter.fill(photo, boxes=BOXES, detail="smooth")
    with pytest.raises(ValueError, match="lies outside the image of 640 x 3 pixels"):
        read_offsets(inpainter.last_record, photo.shape)
    with pytest.raises(ValueError, match="damaged, or of another image"):
        read_offsets(inpainter.last_record, (7, *photo.shape[:2]))
    with pytest.raises(ValueError, match="lies outside"):
        read_offsets(inpainter.last_record, (100, 100))


def test_nothing_filled_nothing_made_up():
    inpainter = Inpainter("compact", "cpu")
    inpainter.fill(np.zeros((3, 40, 50)), np.zeros((40, 50), bool))
    offsets, shares = read_offsets(inpainter.last_record, (3, 40, 50))
    assert not offsets.any()
    assert (shares == COPIED).all()


def make_texture(dtype="u2"):
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=(200, 240)), 3, mode="wrap")
    return (2000 * smooth / smooth.std() / 4 + 4000 + rng.normal(0, 30, smooth.shape)).astype(dtype)


@pytest.mark.parametrize(
    ("boxes", "options"),
    [
        ([(61, 60, 120, 131), (20, 20, 26, 29)], {"mosaic": (2, 2)}),
        ([(61, 60, 120, 131)], {"mosaic": (3, 4)}),
        ([(60, 0, 120, 40), (60, 200, 120, 240)], {"wrap": "x"}),  # one hole across the edge
        ([(60, 30, 120, 90)], {"wrap": "x"}),
    ],
)
def test_of_mosaics_and_panoramas_the_map_is_in_pixels_of_the_image(inpainter, boxes, options):
    image = make_texture()[:198]
    filled = inpainter.fill(image, boxes=boxes, seam=False, **options)
    offsets, shares = read_offsets(json.loads(json.dumps(inpainter.last_record)), image.shape)
    hole = np.zeros(image.shape, bool)
    for y0, x0, y1, x1 in boxes:
        hole[y0:y1, x0:x1] = True
    np.testing.assert_array_equal((offsets != 0).any(-1), hole)
    copied = (shares == COPIED) & hole
    assert copied.sum() > 0.8 * hole.sum()
    y, x = sources_of(offsets)
    np.testing.assert_array_equal(filled[copied], image[y, x % 240][copied])
    rows, columns = options.get("mosaic", (1, 1))
    assert not (offsets[copied][:, 1:] % (rows, columns)).any()


def test_the_first_number_counts_planes_along_the_stack(inpainter):
    stack = np.stack([make_texture() + 9 * t for t in range(4)])[None]  # one channel's time-lapse
    boxes = {(0, 0): [(60, 60, 100, 110)], (0, 2): [(30, 30, 70, 70)]}
    filled = inpainter.fill(stack, boxes=boxes, seam=False, sources="stack", stack_axis=1)
    offsets, _ = read_offsets(inpainter.last_record, stack.shape)
    for (channel, frame), ((y0, x0, y1, x1),) in boxes.items():
        part = np.s_[channel, frame, y0:y1, x0:x1]
        (step,) = np.unique(offsets[part][..., 0])
        assert step in (-1, 1)
        assert not offsets[part][..., 1:].any()
        np.testing.assert_array_equal(filled[part], stack[channel, frame + step, y0:y1, x0:x1])
