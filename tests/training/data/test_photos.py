import io

import numpy as np
import pytest
from PIL import Image

from inpaint_training.data.photos import BadPhotoError, decode_photo, decode_upright, scale_down, scale_hidden


def encode(array, kind="PNG", **options):
    buffer = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_grey_stays_grey_and_colours_stay_colours(photo):
    assert decode_upright(encode(photo))[0].mode == "RGB"
    for kind in ("PNG", "JPEG", "TIFF", "BMP"):
        grey, hidden = decode_upright(encode(photo[..., 0], kind))
        assert grey.mode == "L"
        assert hidden is None
    assert decode_photo(encode(photo[..., 0])).mode == "RGB"


@pytest.mark.parametrize(
    "data",
    [
        encode(np.zeros((9, 9), np.uint16)), encode(np.zeros((9, 9), np.float32), "TIFF"), b"II*\0 nothing", b"",
        encode(np.zeros((9, 9), np.uint8), "TIFF", save_all=True, append_images=[Image.new("L", (9, 9))]),
        encode(np.zeros((9, 9), np.uint8), "TIFF", tiffinfo={42113: "0"}), encode(np.zeros((9, 9), np.uint8), "GIF"),
    ],
)  # fmt: skip
def test_what_is_more_than_a_photo_of_8_bits_is_left_to_another_reader(data):
    assert decode_upright(data) is None
    with pytest.raises(BadPhotoError, match="no photo of 8 bits"):
        decode_photo(data)


def test_transparent_pixels_are_hidden_and_opaque_photos_are_not(photo):
    alpha = np.full((*photo.shape[:2], 1), 255, np.uint8)
    assert decode_upright(encode(np.concatenate([photo, alpha], 2)))[1] is None
    alpha[10:20] = 0
    colours, hidden = decode_upright(encode(np.concatenate([photo, alpha], 2)))
    np.testing.assert_array_equal(hidden, alpha[..., 0] == 0)
    np.testing.assert_array_equal(np.asarray(colours)[30:], photo[30:])


def test_no_visible_pixel_of_a_scaled_photo_holds_any_of_the_hidden(photo):
    hidden = np.zeros(photo.shape[:2], bool)
    hidden[200:260, 300:310] = True
    one, other = photo.copy(), photo.copy()
    one[hidden], other[hidden] = 0, 255
    small, changed = (np.asarray(scale_down(Image.fromarray(each), 384)) for each in (one, other))
    visible = ~scale_hidden(hidden, small.shape[1::-1])
    np.testing.assert_array_equal(small[visible], changed[visible])
    assert visible.mean() > 0.98
