from dataclasses import replace

import numpy as np
from PIL import Image

from inpaint_training.data.masks import random_strokes
from inpaint_training.data.pack import pack
from inpaint_training.evaluation.cases import AREA_BINS, Case, Protocol, iterate_cases


def test_cases_follow_the_protocol_and_repeat(photos):
    protocol = Protocol(seed=1)
    cases = list(iterate_cases(photos, protocol))
    assert len(cases) >= 6
    for case, other in zip(cases, iterate_cases(photos, protocol), strict=True):
        np.testing.assert_array_equal(case.mask, other.mask)
        np.testing.assert_array_equal(case.image, other.image)
        y0, x0, y1, x1 = case.box
        assert case.mask.sum() == (y1 - y0) * (x1 - x0)
        assert 88 <= y1 - y0 == x1 - x0 <= 128
        assert min(y0, x0, 256 - y1, 256 - x1) >= 20
    assert [c.box for c in iterate_cases(photos, replace(protocol, seed=2))] != [c.box for c in cases]


def test_strokes_repeat_and_cover_what_they_should(photos):
    masks = [random_strokes(256, 200, np.random.default_rng(seed)) for seed in range(60)]
    np.testing.assert_array_equal(masks[7], random_strokes(256, 200, np.random.default_rng(7)))
    shares = [mask.mean() for mask in masks]
    assert all(mask.shape == (256, 200) and 0.02 <= mask.mean() < 0.65 for mask in masks)
    assert {sum(np.greater_equal(share, (0.05, 0.1, 0.2, 0.4))) for share in shares} == {0, 1, 2, 3, 4}
    small = random_strokes(256, 256, np.random.default_rng(0), (0.01, 0.01))
    assert 0.01 <= small.mean() < 0.08
    tiny = random_strokes(2, 2, np.random.default_rng(0), (1, 1))
    assert 0 < tiny.sum() < 4
    cases = list(iterate_cases(photos, Protocol(crop=64, crops=1, masks="strokes")))
    assert all(case.image.shape == (64, 64, 3) and case.mask.any() for case in cases)


def test_area_bins_end_before_their_share():
    names = list(AREA_BINS)
    for share, name in ((0.04, names[0]), (0.05, names[1]), (0.1, names[2]), (0.2, names[3]), (0.4, names[4])):
        mask = np.zeros(100, bool)
        mask[: round(share * 100)] = True
        assert Case("c", np.zeros((10, 10, 3), np.uint8), mask.reshape(10, 10)).area_bin == name


def test_images_that_are_no_photos_are_cut_at_their_own_scale_and_shown_in_8_bits(tmp_path, micrograph):
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(micrograph(number)).save(tmp_path / "in" / f"{number}.png")
    damaged = np.ma.MaskedArray(np.stack([micrograph(8), micrograph(9)]))
    damaged[:, :, 120:] = np.ma.masked
    protocol = Protocol(crop=72, holes=(16, 24))
    cases = list(iterate_cases(tmp_path / "in", protocol))
    assert len(cases) == 6
    for case in cases:
        assert case.image.dtype == np.uint8
        assert case.image.shape == (72, 72, 3)
        assert case.image.min() == 0
        assert case.image.max() == 255  # its own curve
    pack([tmp_path / "in", damaged], tmp_path / "data")
    packed = list(iterate_cases(tmp_path / "data", protocol))
    for case, other in zip(cases, packed, strict=False):
        np.testing.assert_array_equal(case.image, other.image)
    assert len(packed) == 10
    assert {case.photo for case in packed[6:]} == {"array 1"}  # both planes
    assert all((case.image > 0).mean() > 0.9 for case in packed)  # none shows what is damaged


def test_photos_keep_their_scale_when_asked(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    protocol = Protocol(crop=200, holes=(16, 24))
    rows = {photo[y, x : x + 200].tobytes() for y in range(512) for x in range(441)}
    for native in (True, False):
        image = next(iterate_cases(tmp_path, protocol, native)).image
        assert (image[0].tobytes() in rows) == native
