import tarfile

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from inpaint_training.data.photos import BadPhotoError
from inpaint_training.data.pictures import Scale, read_pictures, refuse_useless
from inpaint_training.data.sources import Source, iterate_sources


def read(path, **options):
    [source] = iterate_sources([path], **options)
    return list(read_pictures(source, Scale(384))[0])


def names(pictures, path):
    return [picture.name.removeprefix(path.as_posix()) for picture in pictures]


def test_no_plane_and_no_channel_is_lost(tmp_path, micrograph):
    """Three channels are colours, others are planes of their own; what is not of 8 bits is never narrowed to it."""
    planes = np.stack([micrograph(number) for number in range(7)])
    tifffile.imwrite(tmp_path / "stack.tif", planes, photometric="minisblack")
    pictures = read(tmp_path / "stack.tif")
    assert names(pictures, tmp_path / "stack.tif") == [f"[{number}]" for number in range(7)]
    for picture, plane in zip(pictures, planes, strict=True):
        np.testing.assert_array_equal(picture.pixels[..., 0], plane)
        assert picture.file == (tmp_path / "stack.tif").as_posix()

    colours = np.moveaxis(planes[:3], 0, -1)
    tifffile.imwrite(tmp_path / "rgb.tif", colours, photometric="rgb")
    (tmp_path / "rgb.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(colours)))
    for name in ("rgb.tif", "rgb.png"):
        [picture] = read(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels, colours)
        assert picture.pixels.dtype == np.uint16

    tifffile.imwrite(tmp_path / "five.tif", np.moveaxis(planes[:5], 0, -1), photometric="minisblack",
                     planarconfig="contig")  # fmt: skip
    assert len(read(tmp_path / "five.tif")) == 5

    np.save(tmp_path / "four.npy", np.moveaxis(planes[:4], 0, -1))
    pictures = read(tmp_path / "four.npy")
    assert names(pictures, tmp_path / "four.npy") == ["[c0-2]", "[c3]"]
    np.testing.assert_array_equal(pictures[1].pixels[..., 0], planes[3])


def test_all_images_of_a_file_are_read(tmp_path, micrograph):
    with tifffile.TiffWriter(tmp_path / "two.tif") as tiff:
        tiff.write(micrograph(0))
        tiff.write(np.stack([micrograph(1)[:100]] * 2).astype(np.float32), photometric="minisblack")
    expected = ["[image 0]", "[image 1][0]", "[image 1][1]"]
    assert names(read(tmp_path / "two.tif"), tmp_path / "two.tif") == expected
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "two.tif", "two.tif")
    assert names(read(tmp_path / "a.tar"), tmp_path / "a.tar" / "two.tif") == expected


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("bool", "uint8"), ("uint8", "uint8"), (">u2", "uint16"), ("int16", "float32"), ("uint32", "float32"),
     ("float64", "float32")],
)  # fmt: skip
def test_every_dtype_is_stored_as_one_of_three(dtype, stored):
    array = (np.arange(100 * 100).reshape(100, 100) % 250).astype(dtype)
    [picture] = read_pictures(Source("a", array=array), Scale())[0]
    assert picture.pixels.dtype == stored
    np.testing.assert_array_equal(picture.pixels[..., 0], array * 255 if dtype == "bool" else array)


def test_what_holds_no_value_is_hidden_and_finite(tmp_path):
    floats = np.random.default_rng(0).random((100, 120, 4)).astype(np.float32)
    floats[3, 4, 0], floats[5, 6, 3], floats[7, 8, 1] = np.nan, np.inf, 1e39
    pictures = list(read_pictures(Source("a", array=floats), Scale())[0])
    assert [np.argwhere(picture.hidden).tolist() for picture in pictures] == [[[3, 4], [7, 8]], [[5, 6]]]
    assert all(np.isfinite(picture.pixels).all() for picture in pictures)

    masked = np.ma.masked_less(np.arange(10000, dtype=np.int32).reshape(100, 100), 50)
    [picture] = read_pictures(Source("a", array=masked), Scale())[0]
    assert picture.hidden.sum() == 50

    alpha = np.full((100, 100, 2), 7, np.uint16)
    alpha[:9, :, 1] = 0
    tifffile.imwrite(tmp_path / "alpha.tif", alpha, photometric="minisblack", extrasamples=["unassalpha"],
                     planarconfig="contig")  # fmt: skip
    [picture] = read(tmp_path / "alpha.tif")
    assert picture.hidden.sum() == 900
    assert picture.pixels.shape == (100, 100, 1)

    tifffile.imwrite(tmp_path / "nodata.tif", np.tile(np.arange(10, dtype=np.uint8), (100, 10)),
                     extratags=[(42113, 2, 0, "3", True)])  # fmt: skip
    [picture] = read(tmp_path / "nodata.tif")
    assert picture.hidden.sum() == 1000


def test_pictures_are_upright(tmp_path, micrograph):
    tifffile.imwrite(tmp_path / "turned.tif", micrograph(0), extratags=[(274, 3, 1, 6, True)])
    [picture] = read(tmp_path / "turned.tif")
    np.testing.assert_array_equal(picture.pixels[..., 0], np.rot90(micrograph(0), -1))


def test_stores_and_lazy_arrays_are_read_plane_by_plane(tmp_path, micrograph):
    class Lazy:
        shape, dtype, read = (3, 128, 160), np.dtype(np.uint16), []

        def __getitem__(self, index):
            self.read.append(index[0])
            return micrograph(index[0])[index[1:]]

    pictures = iter(read_pictures(Source("a", array=Lazy()), Scale())[0])
    assert not Lazy.read
    np.testing.assert_array_equal(next(pictures).pixels[..., 0], micrograph(0))
    assert Lazy.read == [0]

    class Broken(Lazy):
        def __getitem__(self, index):
            if index[0] == 1:
                raise RuntimeError("the chunk is damaged")
            return micrograph(0)

    pictures = iter(read_pictures(Source("a", array=Broken()), Scale())[0])
    next(pictures)
    with pytest.raises(BadPhotoError, match=r"plane \(1,\) cannot be read, the chunk is damaged"):
        next(pictures)
    zarr.save_array(str(tmp_path / "s.zarr"), np.stack([micrograph(0), micrograph(1)]))
    np.testing.assert_array_equal(read(tmp_path / "s.zarr")[1].pixels[..., 0], micrograph(1))


def test_photos_of_8_bits_are_scaled_and_all_others_are_not(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    np.save(tmp_path / "photo.npy", photo)
    [photo_], [array] = read(tmp_path / "photo.png"), read(tmp_path / "photo.npy")
    assert (photo_.pixels.shape[:2], photo_.native) == ((384, 480), False)
    assert (array.pixels.shape, array.native) == (photo.shape, True)
    [native] = read_pictures(Source("p", tmp_path / "photo.png"), Scale(384, native=True))[0]
    np.testing.assert_array_equal(native.pixels, photo)


@pytest.mark.parametrize("suffix", [".jp2", ".jxl", ".gif"])
def test_photos_of_other_formats_are_photos_too(tmp_path, photo, suffix):
    path = tmp_path / f"photo{suffix}"
    if suffix == ".gif":
        Image.fromarray(photo).save(path)
    else:
        encode = {".jp2": imagecodecs.jpeg2k_encode, ".jxl": imagecodecs.jpegxl_encode}[suffix]
        path.write_bytes(encode(photo))
    [picture] = read(path)
    assert (picture.pixels.shape, picture.native) == ((384, 480, 3), False)
    if suffix == ".jp2":
        path.write_bytes(imagecodecs.jpeg2k_encode(photo.astype(np.uint16) * 257))
        [picture] = read(path)
        assert (picture.pixels.shape, picture.pixels.dtype, picture.native) == (photo.shape, np.uint16, True)


def test_errors_name_the_file_not_a_copy_of_it(tmp_path):
    (tmp_path / "bad.tif").write_bytes(b"II*\0 broken")
    with pytest.raises(BadPhotoError, match="not readable"):
        read(tmp_path / "bad.tif")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "bad.tif", "bad.tif")
    with pytest.raises(BadPhotoError, match=f"{tmp_path.name}/a.tar/bad.tif"):
        read(tmp_path / "a.tar")
    for array in (np.zeros(7), np.zeros((0, 5)), np.zeros((9, 9), complex)):
        with pytest.raises(BadPhotoError, match="not readable"):
            list(read_pictures(Source("a", array=array), Scale())[0])


def test_damage_of_planes_and_of_a_turned_photo(tmp_path, photo, micrograph):
    damage = np.zeros((2, 128, 160), np.uint8)
    damage[1, 5:9, 7:20] = 1
    tifffile.imwrite(tmp_path / "s.tif", np.stack([micrograph(0), micrograph(1)]), photometric="minisblack")
    np.save(tmp_path / "mask.npy", damage)
    first, second = read(tmp_path / "s.tif", masks=tmp_path / "mask.npy")
    assert first.hidden is None
    np.testing.assert_array_equal(second.hidden, damage[1] > 0)

    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(photo[:200, :300]).save(tmp_path / "turned.png", exif=exif)
    mask = np.zeros((300, 200), np.uint8)
    mask[10:20, 30:50] = 255
    Image.fromarray(mask).save(tmp_path / "turned_mask.png")
    [picture] = read(tmp_path / "turned.png", masks=tmp_path / "turned_mask.png")
    np.testing.assert_array_equal(picture.hidden, mask > 0)


def test_a_mask_of_another_size_is_a_reason(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    Image.fromarray(photo[:9, :9, 0]).save(tmp_path / "m.png")
    with pytest.raises(BadPhotoError, match="the mask must have the same size"):
        read(tmp_path / "a.png", masks=tmp_path / "m.png")


def test_useless_pictures_are_refused_in_sentences(photo):
    [small] = read_pictures(Source("a", array=photo[:95]), Scale())[0]
    with pytest.raises(BadPhotoError, match="it has only 640 x 95 pixels, the least is 96 on a side"):
        refuse_useless(small)
