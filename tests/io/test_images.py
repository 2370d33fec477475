import errno
import io
import os

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from napari_inpaint.io.images import FileError, encode_image, read_image, staged
from napari_inpaint.io.masks import read_mask


def write_image(path, source, pixels):
    with staged(path, encode_image(path, source, pixels)) as appear:
        appear()


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def png_variants(photo):
    yield "grey", photo[..., 0]
    yield "rgb", photo
    yield "rgba", np.dstack([photo, photo[..., 0]])
    yield "grey and alpha", photo[..., :2]
    yield "bits", photo[..., 0] > 128
    yield "grey 16", photo[..., 0].astype(np.uint16) * 257
    yield "rgb 16", photo.astype(np.uint16) * 201


@pytest.mark.parametrize("index", range(7))
def test_png_pixels_and_metadata_survive(tmp_path, photo, index):
    name, array = list(png_variants(photo))[index]
    path = tmp_path / "in.png"
    if array.dtype == np.uint16:
        path.write_bytes(imagecodecs.png_encode(array))
    else:
        info = PngImagePlugin.PngInfo()
        info.add_text("Author", "someone")
        save(path, array, pnginfo=info, dpi=(300, 300), icc_profile=b"profile")
    source = read_image(path)
    np.testing.assert_array_equal(source.pixels, array)
    assert source.pixels.dtype == array.dtype, name
    write_image(tmp_path / "out.png", source, source.pixels)
    again = read_image(tmp_path / "out.png")
    np.testing.assert_array_equal(again.pixels, array)
    assert again.options == source.options
    if array.dtype != np.uint16:
        with Image.open(tmp_path / "out.png") as image:
            assert image.text["Author"] == "someone"
            assert image.info["icc_profile"] == b"profile"
            assert round(image.info["dpi"][0]) == 300


def test_jpeg_keeps_its_quality_and_exif(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    save(tmp_path / "in.jpg", photo, quality=83, subsampling=2, exif=exif, icc_profile=b"profile")
    source = read_image(tmp_path / "in.jpg")
    assert source.pixels.shape == photo.shape, "coordinates are those of the stored pixels"
    write_image(tmp_path / "out.jpg", source, source.pixels)
    with Image.open(tmp_path / "in.jpg") as a, Image.open(tmp_path / "out.jpg") as b:
        assert a.quantization == b.quantization
        assert a.getexif()[0x0112] == b.getexif()[0x0112] == 6
        assert a.info["icc_profile"] == b.info["icc_profile"]
    difference = np.abs(read_image(tmp_path / "out.jpg").pixels.astype(int) - source.pixels)
    assert difference.mean() < 0.5
    assert "JPEG" in source.rewriting[0]


TIFFS = {
    "grey": (lambda p: p[..., 0], {}),
    "rgb lzw": (lambda p: p, {"photometric": "rgb", "compression": "lzw", "predictor": 2}),
    "planar big-endian": (
        lambda p: p.transpose(2, 0, 1).astype(">u2"),
        {"photometric": "rgb", "planarconfig": "separate", "byteorder": ">"},
    ),
    "float stack": (
        lambda p: np.stack([p[..., 0]] * 5).astype(np.float32) / 7,
        {"photometric": "minisblack", "compression": "zlib", "resolution": (10, 20)},
    ),
    "tiled rgba": (
        lambda p: np.dstack([p, p[..., 0]]),
        {"photometric": "rgb", "tile": (64, 64), "extrasamples": ["unassalpha"]},
    ),
    "micrometres": (lambda p: p[..., 0], {"description": "0.5 µm".encode()}),
    "turned, with tags": (
        lambda p: p[..., 0],
        {"extratags": [(274, "H", 1, 6, True), (315, "s", 0, "me", True), (33550, "d", 3, (1.0, 2.0, 0.0), True)]},
    ),
    "bilevel": (lambda p: p[..., 0] > 100, {"photometric": "minisblack"}),
    "described": (lambda p: p[..., 0].astype(np.int16), {"description": "a plate", "software": "scope"}),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_pixels_and_tags_survive(tmp_path, photo, name):
    convert, options = TIFFS[name]
    array = convert(photo)
    tifffile.imwrite(tmp_path / "in.tif", array, metadata=None, **options)
    source = read_image(tmp_path / "in.tif")
    np.testing.assert_array_equal(source.pixels, array)
    write_image(tmp_path / "out.tif", source, source.pixels)
    with tifffile.TiffFile(tmp_path / "in.tif") as a, tifffile.TiffFile(tmp_path / "out.tif") as b:
        assert a.byteorder == b.byteorder
        assert len(a.pages) == len(b.pages)
        ignored = {"StripOffsets", "StripByteCounts", "TileOffsets", "TileByteCounts", "Software"}
        tags = [{t.name: t.value for t in f.pages[0].tags if t.name not in ignored} for f in (a, b)]
        assert tags[0] == tags[1]
        np.testing.assert_array_equal(a.asarray(), b.asarray())


def test_unreadable_files_are_named(tmp_path, photo):
    whole = {"a.png": save(tmp_path / "a.png", photo), "a.jpg": save(tmp_path / "a.jpg", photo)}
    tifffile.imwrite(tmp_path / "a.tif", photo)
    whole["a.tif"] = tmp_path / "a.tif"
    for name, path in whole.items():
        for length in (9, 30, 300, path.stat().st_size // 2):
            broken = tmp_path / f"broken-{name}"
            broken.write_bytes(path.read_bytes()[:length])
            with pytest.raises(FileError, match=f"broken-{name}"):
                read_image(broken)
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(FileError, match=r"text\.png is no image that is read here: PNG, JPEG"):
        read_image(tmp_path / "text.png")
    with pytest.raises(FileError, match="No such file"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(FileError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize("name", ["a", "a.txt", "a.png.gz"])
def test_outputs_without_a_format_are_refused(tmp_path, photo, name):
    source = read_image(save(tmp_path / "in.png", photo))
    with pytest.raises(FileError, match=r"the output must end in one of \.png"):
        write_image(tmp_path / name, source, photo)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_a_full_disk_is_named(tmp_path, photo, monkeypatch):
    source = read_image(save(tmp_path / "a.png", photo))

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"b\.png cannot be written: No space left on device"):
        write_image(tmp_path / "b.png", source, photo)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("bright", [1, 200, 255])
def test_masks_are_not_black_inside_holes(tmp_path, bright):
    holes = np.zeros((30, 40), bool)
    holes[3:9, 5:20] = True
    for array in (holes * np.uint8(bright), np.dstack([holes * np.uint8(bright)] * 3)):
        save(tmp_path / "m.png", array)
        np.testing.assert_array_equal(read_mask(tmp_path / "m.png", (30, 40)).holes, holes)
    save(tmp_path / "none.png", np.zeros((30, 40), np.uint8))
    assert not read_mask(tmp_path / "none.png", (30, 40)).holes.any()
    with pytest.raises(FileError, match=r"\(30, 40\) pixels, the image has \(31, 40\)"):
        read_mask(tmp_path / "m.png", (31, 40))


def test_labels_and_white_is_zero_masks(tmp_path):
    labels = np.zeros((30, 40), np.uint8)
    labels[2:4, 2:4], labels[9:20, 9:20] = 1, 200
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.tif", (30, 40)).holes, labels > 0)
    tifffile.imwrite(tmp_path / "inverted.tif", 255 - labels.clip(0, 1) * 255, photometric="miniswhite")
    np.testing.assert_array_equal(read_mask(tmp_path / "inverted.tif", (30, 40)).holes, labels > 0)
    tifffile.imwrite(tmp_path / "nan.tif", np.full((30, 40), np.nan, np.float32))
    with pytest.raises(FileError, match="holds NaN"):
        read_mask(tmp_path / "nan.tif", (30, 40))


def test_lossy_tiffs_are_written_without_loss_and_it_says_so(tmp_path, photo):
    tifffile.imwrite(tmp_path / "in.tif", photo[..., 0], compression="jpeg")
    source = read_image(tmp_path / "in.tif")
    assert "DEFLATE" in source.rewriting[0]
    write_image(tmp_path / "out.tif", source, source.pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "out.tif").pixels, source.pixels)


def test_what_cannot_be_written_back_is_refused(tmp_path, photo):
    frames = [Image.fromarray(photo[:50, :50]), Image.fromarray(photo[50:100, :50])]
    frames[0].save(tmp_path / "animated.png", save_all=True, append_images=frames[1:])
    with pytest.raises(FileError, match="animation"):
        read_image(tmp_path / "animated.png")


def test_an_encoder_that_fails_leaves_nothing(tmp_path, photo):
    source = read_image(save(tmp_path / "a.jpg", photo))
    with pytest.raises(FileError, match="cannot be encoded"):
        write_image(tmp_path / "b.jpg", source, photo.astype(np.float64))
    assert not (tmp_path / "b.jpg").exists()


def test_the_alpha_of_a_mask_does_not_count(tmp_path):
    rgba = np.zeros((10, 10, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[2:4, 2:4, :3] = 255
    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "PNG")
    (tmp_path / "m.png").write_bytes(buffer.getvalue())
    assert read_mask(tmp_path / "m.png", (10, 10)).holes.sum() == 4
