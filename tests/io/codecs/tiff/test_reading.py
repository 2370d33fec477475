"""TIFF: masks of what is valid, and values that stand for none."""

import json

import numpy as np
import pytest
import tifffile

from napari_inpaint import Inpainter
from napari_inpaint.command.cli import main
from tests.io.holes import BOX, HOLE, check


def write_with_mask(path, pixels, valid, **options):
    """As GDAL does: a second page of one bit a pixel, 1 where there is a value."""
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(pixels, metadata=None, **options)
        tiff.write(valid, metadata=None, subfiletype=4, photometric="mask", compression="zlib")


def read_pages(path):
    with tifffile.TiffFile(path) as tiff:
        image, mask = (page.aspage() for page in tiff.pages)
        assert mask.is_mask
        return image.asarray(), mask.asarray()


@pytest.mark.parametrize("layout", ["grey", "rgb", "planar"])
def test_what_an_internal_mask_hides_is_no_context_and_what_is_filled_becomes_valid(tmp_path, photo, layout, capsys):
    y, x = np.mgrid[:160, :200]
    terrain = (500 + y + x).astype(np.int16)
    valid = np.ones((160, 200), bool)
    valid[:, :60] = False  # the hole reaches into it
    image = np.where(valid, terrain, -9999).astype(np.int16)
    options = {"photometric": "minisblack"}
    if layout != "grey":
        image = np.stack([image] * 3, 0 if layout == "planar" else -1)
        options = {"photometric": "rgb", "planarconfig": "separate" if layout == "planar" else "contig"}
    write_with_mask(tmp_path / "in.tif", image, valid, **options)
    words = [str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), "--detail", "smooth", *BOX, "--record"]
    assert main(words) == 0, capsys.readouterr().err
    filled, now_valid = read_pages(tmp_path / "out.tif")
    hole = (slice(None), *HOLE) if layout == "planar" else HOLE
    check(image, filled, hole)
    truth = terrain[HOLE]
    error = filled[hole] - (truth[..., None] if layout == "rgb" else truth)
    assert np.abs(error).max() <= 2
    expected = valid.copy()
    expected[HOLE] = True
    np.testing.assert_array_equal(now_valid, expected)
    again = [str(tmp_path / "in.tif"), "-o", str(tmp_path / "again.tif"), "--replay", str(tmp_path / "out.tif.json")]
    assert main(again) == 0
    assert "the same, bit for bit" in capsys.readouterr().err


def test_every_page_may_have_a_mask(tmp_path, photo):
    with tifffile.TiffWriter(tmp_path / "in.tif") as tiff:
        for index in range(2):
            tiff.write(np.roll(photo[:150, :160, 0], index), metadata=None)
            valid = np.ones((150, 160), bool)
            valid[:, : 60 - index] = False
            tiff.write(valid, metadata=None, subfiletype=4, photometric="mask")
    before = tifffile.imread(tmp_path / "in.tif", series=0)
    assert main([str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), *BOX]) == 0
    check(before, tifffile.imread(tmp_path / "out.tif", series=0), (..., *HOLE))
    for index, valid in enumerate(tifffile.imread(tmp_path / "out.tif", series=1)):
        assert valid[HOLE].all()
        assert valid[:30, : 60 - index].sum() == 0


def test_the_mask_of_a_replayed_array_is_missed_by_name(tmp_path, capsys):
    """A record does not hold numpy's mask: that it was there is said."""
    image = np.add.outer(np.arange(90), np.arange(100)).astype(np.int16)
    masked = np.ma.MaskedArray(np.where(image > 120, 9000, image).astype(np.int16), image > 120)
    count = np.count_nonzero(masked.mask)
    inpainter = Inpainter("compact", "cpu")
    inpainter.fill(masked, boxes=[(30, 40, 70, 90)])
    np.save(tmp_path / "in.npy", np.asarray(masked))
    (tmp_path / "record.json").write_text(json.dumps(inpainter.last_record), encoding="utf-8")
    words = [str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.npy"), "--replay", str(tmp_path / "record.json")]
    assert main(words) == 1
    assert f"masked_pixels was {count}, now 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tag", "said"),
    [("none here", "its nodata tag, 'none here', is no number"), ("nan", ""), ("1e400", ""), ("-32768", "")],
)
def test_nodata_tags(tmp_path, tag, said, capsys):
    image = np.full((120, 120), 300, np.int16)
    image[:, :20] = -32768
    tifffile.imwrite(tmp_path / "in.tif", image, extratags=[(42113, 2, 0, tag, True)])
    words = [str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), "--box", "30", "10", "50", "60"]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert "GDAL" not in told
    assert said in told
    assert ("nodata" in told) == bool(said)
    if tag == "-32768":
        assert (tifffile.imread(tmp_path / "out.tif")[30:50, 10:60] == 300).all()


def test_a_nodata_tag_of_64_bits_is_exact(tmp_path):
    lowest = -(2**63) + 1
    image = np.full((40, 50), 7, np.int64)
    image[:, :20] = lowest
    tifffile.imwrite(tmp_path / "in.tif", image, extratags=[(42113, 2, 0, str(lowest), True)])
    words = [str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), "--box", "10", "15", "20", "25"]
    assert main(words) == 0
    assert (tifffile.imread(tmp_path / "out.tif")[10:20, 15:25] == 7).all()
