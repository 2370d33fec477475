from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaint_training.data.sampler import Crops, DataConfig, held_out_batches, iterate_batches, random_square, split
from inpaint_training.recipes.library import load_recipe


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("random-mask", ["--phases.0.batch", "4", "--phases.1.batch", "6", "--train.steps", "20"])


def equal(a, b):
    return torch.equal(a.image, b.image) and torch.equal(a.mask, b.mask) and torch.equal(a.draws, b.draws)


def test_a_batch_depends_on_its_step_alone(crops, recipe):
    assert equal(crops.batch(recipe, 3), crops.batch(recipe, 3))
    assert not equal(crops.batch(recipe, 3), crops.batch(recipe, 4))
    other = replace(recipe, train=replace(recipe.train, seed=1))
    assert not equal(crops.batch(recipe, 3), crops.batch(other, 3))


@pytest.mark.parametrize("step", [0, 12])
def test_devices_share_a_batch_without_overlap(crops, recipe, step):
    whole, parts = crops.batch(recipe, step), [crops.batch(recipe, step, rank, 2) for rank in range(2)]
    for name in ("image", "mask", "draws"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts])), name
    assert whole.centres == parts[0].centres + parts[1].centres


def test_every_photo_is_visited_once_a_pass_in_a_new_order(crops):
    passes = [[crops.photo_of(0, number) for number in range(3 * visit, 3 * visit + 3)] for visit in range(20)]
    assert all(sorted(photos) == [0, 1, 2] for photos in passes)
    assert len(set(map(tuple, passes))) > 1


def test_images_are_counted_over_phases(recipe):
    assert [recipe.images_before(step) for step in (0, 1, 10, 11, 20)] == [0, 4, 40, 46, 100]
    assert [recipe.phase_of(step)[1:] for step in (0, 9, 10, 19)] == [(0, 10), (0, 10), (10, 20), (10, 20)]
    with pytest.raises(ValueError, match="beyond"):
        recipe.phase_of(20)


def test_a_batch_is_what_it_says(crops, recipe):
    batch = crops.batch(recipe, 10)
    assert batch.image.shape == (6, 3, 256, 256)
    assert batch.image.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    for mask, (y, x) in zip(batch.mask[:, 0], batch.centres, strict=True):
        assert set(mask.unique().tolist()) == {0, 1}
        assert mask[y, x] == 1


@given(st.integers(0, 2**31), st.sampled_from([64, 72, 200]))
def test_squares_keep_to_the_photos_range(photo, seed, crop):
    square = random_square(torch.from_numpy(photo.copy()), crop, DataConfig(), np.random.default_rng(seed))
    assert square.shape == (3, crop, crop)
    assert 0 <= square.min() <= square.max() <= 255


def test_an_unscaled_crop_is_a_piece_of_the_photo(photo):
    small = torch.from_numpy(photo[:100, :100].copy())
    square = random_square(small, 100, DataConfig(), np.random.default_rng(0))
    torch.testing.assert_close(square, small.permute(2, 0, 1).float())


def test_held_out_crops_are_always_the_same(crops, recipe):
    a, b = (list(held_out_batches(crops, recipe.phases[0])) for _ in range(2))
    assert len(a) == 1
    assert equal(a[0], b[0])


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("first", "end"), [(0, 5), (3, 4), (2, 2)])
def test_steps_come_in_order(ahead, first, end):
    assert list(iterate_batches(lambda step: step * 10, first, end, ahead)) == [(s, s * 10) for s in range(first, end)]


def test_held_out_photos_are_not_trained_on():
    held_out, trained = split(range(100), 24)
    assert len(held_out) == 10  # a tenth at most
    assert sorted(held_out + trained) == list(range(100))
    with pytest.raises(ValueError, match="one photo"):
        split(range(1), 24)


def test_other_photos_share_the_data_set_but_not_the_order(crops):
    other = crops.of([2])
    assert other.shards is crops.shards
    assert {other.photo_of(0, number) for number in range(6)} == {2}
    assert {crops.photo_of(0, number) for number in range(6)} == {0, 1, 2}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_data_set_that_fits_lives_on_the_device(crops, recipe):
    on_device = Crops(crops.dataset, crops.photos, torch.device("cuda"))
    assert on_device.resident
    assert all(shard.is_cuda for shard in on_device.shards.values())
    batch, expected = on_device.batch(recipe, 3), crops.batch(recipe, 3)
    assert batch.image.is_cuda
    assert batch.centres == expected.centres
    torch.testing.assert_close(batch.mask.cpu(), expected.mask)
    torch.testing.assert_close(
        batch.image.cpu(), expected.image, rtol=0, atol=5 / 255
    )  # the CPU rounds between its passes
