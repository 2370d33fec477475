"""Masks are found by their names, whatever people call them; what is not found is named, never taken for another."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_inpaint.io.finder import MaskFinder
from napari_inpaint.io.formats import FileError

HERE = Path()
NFC, NFD = (unicodedata.normalize(form, "Grün Å.png") for form in ("NFC", "NFD"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "masks").mkdir()
    return tmp_path / "masks"


def find(folder, image, masks, pattern=None, inside=HERE):
    for name in masks:
        (folder / inside / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside / name).touch()
    return MaskFinder(pattern).find(folder.parent / "images" / inside / image, folder, inside)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("photo.jpg", "photo.png"), ("photo.jpg", "photo.JPG"), ("photo.jpg", "photo.TiFF"), ("photo.jpg", "photo.npy"),
        ("photo.jpg", "photo.jpg.png"), ("photo.JPG", "photo.jpg.png"), ("photo.jpg", "photo_mask.png"),
        ("photo.jpg", "photo-mask.PNG"), ("photo.jpg", "photo_mask001.png"), ("photo.jpg", "photo.jpg_mask.png"),
        ("photo.jpg", "photo_Mask.png"), ("PHOTO.jpg", "photo.png"), ("a.b.c.png", "a.b.c.tif"),
        ("a.b.c.png", "a.b.c_mask.png"), ("scan.2024.01.05", "scan.2024.01.05.png"), ("[1]*.png", "[1]*_mask.png"),
        (NFC, NFD), (NFD, NFC), (NFC, NFD.replace(".png", "_mask.png")),
    ],
)  # fmt: skip
def test_a_mask_is_found(folder, image, mask):
    others = [
        "phot.png",
        "photos.png",
        "photo1_mask.png",
        "a.b.png",
        "a.b.d_mask.png",
        "scan.2024.01.06.png",
        ".photo.png",
    ]
    assert find(folder, image, [mask, *others]).mask == folder / mask
    (folder / mask).unlink()
    assert find(folder, image, others).mask is None


STEMS = st.text("ab1._-é", min_size=1, max_size=6).filter(lambda text: text[0] not in ".-" and text[-1] != ".")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sets(STEMS, min_size=1, max_size=6), st.sampled_from(["{}.tif", "{}_mask.png", "{}.png.png", "{}_mask07.JPG"])
)
def test_no_image_gets_the_mask_of_another(tmp_path_factory, stems, form):
    folder = tmp_path_factory.mktemp("masks")
    stems = {stem for stem in stems if "mask" not in stem}
    for stem in stems:
        (folder / form.format(stem)).touch()
    finder = MaskFinder()
    for stem in stems:
        found = finder.find(Path("images", f"{stem}.png"), folder, HERE)
        assert found.mask == folder / form.format(stem), found.problem


def test_the_letters_of_folders_count_as_little(folder):
    (folder / unicodedata.normalize("NFD", "Müller")).mkdir()
    (folder / unicodedata.normalize("NFD", "Müller") / "a.png").touch()
    inside = Path(unicodedata.normalize("NFC", "Müller"))
    found = MaskFinder().find(folder.parent / "images" / inside / "a.png", folder, inside)
    assert found.mask is not None and found.mask.is_file()


def test_of_names_that_differ_only_in_suffix_the_image_s_own_counts(folder):
    assert find(folder, "a.tif", ["a.png", "a.tif"]).mask == folder / "a.tif"
    assert find(folder, "a.png", []).mask == folder / "a.png"


@pytest.mark.parametrize("masks", [("a.jpg", "a.png"), ("a.tif", "a_mask.png"), ("a_mask1.png", "a_mask2.png")])
def test_several_masks_are_named(folder, masks):
    found = find(folder, "a.tif", masks)
    assert found.mask is None
    assert all(name in found.problem for name in masks)


def test_an_error_says_what_was_looked_for(folder):
    problem = find(folder, "a.jpg", ["a.psd", "b.png"]).problem
    for words in ("images/a.jpg has no mask in", "a.*", "a.jpg.*", "a_mask*", ".png", "a.psd is of no format"):
        assert words in problem
    assert "is no folder" in MaskFinder().find(Path("x/a.jpg"), folder, Path("monday")).problem
    assert "looked for a_hole*" in find(folder, "a.jpg", [], "{stem}_hole*").problem


@pytest.mark.parametrize("pattern", ["{stem}_hole*", "{stem}_ho[kl]e.png", "*{stem}_hole", "{stem}_HOLE*"])
def test_a_pattern_takes_the_place_of_all_rules(folder, pattern):
    found = find(
        folder, "a[1].jpg", ["a[1].png", "a1_hole.png", "a[1]_hole.png", "a[1]_hole.txt", "b_hole.png"], pattern
    )
    assert found.mask == folder / "a[1]_hole.png"
    for wrong in ("holes*", "{stem}/hole*"):
        with pytest.raises(FileError, match="--mask-pattern is the name of a mask"):
            MaskFinder(wrong)
