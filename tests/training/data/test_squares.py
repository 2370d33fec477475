import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaint_training.data.squares import DataConfig, random_square, to_network_values


@given(st.integers(0, 2**31), st.sampled_from([64, 72, 200]))
def test_squares_keep_to_the_photos_range(photo, seed, crop):
    square = random_square(torch.from_numpy(photo.copy()), crop, DataConfig(), np.random.default_rng(seed)).pixels
    assert square.shape == (3, crop, crop)
    assert 0 <= square.min() <= square.max() <= 255


def test_an_unscaled_crop_is_a_piece_of_the_photo(photo):
    small = torch.from_numpy(photo[:100, :100].copy())
    square = random_square(small, 100, DataConfig(), np.random.default_rng(0))
    torch.testing.assert_close(square.pixels, small.permute(2, 0, 1).float())
    assert square.hidden is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_native_crops_are_pieces_of_the_image(dtype):
    image = np.arange(130 * 150).reshape(130, 150, 1).astype(dtype)
    rng = np.random.default_rng(0)
    windows = np.lib.stride_tricks.sliding_window_view(image[..., 0], (96, 96)).reshape(-1, 96, 96)
    for _ in range(5):
        square = random_square(torch.from_numpy(image), 96, DataConfig(native=True), rng).pixels[0].numpy()
        assert (windows == square).all((1, 2)).any()


def test_zoomed_floats_stay_within_their_range():
    image = torch.from_numpy(np.random.default_rng(0).normal(1e6, 1e3, (200, 200, 1)).astype(np.float32))
    square = random_square(image, 50, DataConfig(crop_min=1), np.random.default_rng(0)).pixels
    assert image.min() <= square.min() < square.max() <= image.max()


def test_the_square_of_several_that_shows_most_is_taken():
    image, valid = torch.ones(400, 400, 1), torch.ones(400, 400, dtype=torch.uint8)
    valid[:, 200:] = 0
    rngs = [np.random.default_rng(seed) for seed in range(50)]
    squares = [random_square(image, 96, DataConfig(native=True), rng, valid) for rng in rngs]
    assert sum(square.hidden is None for square in squares) > 45  # of single ones a third


def test_values_pass_a_curve_from_what_is_known_around_the_hole():
    pixels = torch.full((1, 60, 60), 1000.0)
    pixels[:, ::2] = 2000
    pixels[:, 20:40, 20:40] = 9000
    mask = torch.zeros(60, 60)
    mask[20:40, 20:40] = 1
    values = to_network_values(pixels, mask, None, "uint16")
    assert set(values[0][mask == 0].unique().tolist()) == {0, 1}
    assert (values[0][mask == 1] == 1).all()  # beyond what is known around
    hidden = torch.zeros(60, 60, dtype=torch.bool)
    hidden[:10] = True
    values = to_network_values(pixels.masked_fill(hidden, 60000), mask, hidden, "uint16")
    assert (values[0][hidden] == 0).all()
    assert set(values[0][(mask == 0) & ~hidden].unique().tolist()) == {0, 1}
    assert not to_network_values(pixels, torch.ones(60, 60), None, "uint16").any()  # nothing is known
