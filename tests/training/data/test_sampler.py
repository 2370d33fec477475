from dataclasses import replace

import numpy as np
import pytest
import torch

from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.pack import PackSettings, pack
from inpaint_training.data.sampler import Crops, held_out_batches, iterate_batches, split
from inpaint_training.recipes.library import load_recipe
from napari_inpaint.inference.windows.intensity import find_curve, sample_context, to_tensor


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


def test_planes_of_a_file_are_held_out_together():
    files = [f"file {index // 5}" for index in range(100)]
    held_out, trained = split(files, 24)
    assert len(held_out) == 10
    assert {files[index] for index in held_out}.isdisjoint(files[index] for index in trained)
    assert sorted(held_out + trained) == list(range(100))
    few, trained = split(files, 2)
    assert len(few) == 2
    assert len(trained) == 90  # the other planes of a held-out file are not trained on either
    assert split(["stack"] * 40, 24) == ([36, 37, 38, 39], list(range(36)))
    assert split(range(40), 24) == split([f"{index}.jpg" for index in range(40)], 24)


@pytest.fixture
def own(tmp_path, micrograph, photo):
    """A data set of images of all kinds; the last two hold no value in some places."""
    floats = micrograph(3) / np.float32(7)
    floats[40:100, 100:] = np.nan
    damaged = np.ma.MaskedArray(micrograph(2))
    damaged[:, :60] = np.ma.masked
    colours = np.stack([micrograph(n) for n in (4, 5, 6)], -1)
    images = [micrograph(0), colours, photo[:200, :200], photo[:200, 200:400, 0], damaged, floats]
    pack(images, tmp_path / "data", PackSettings(keep_duplicates=True))
    dataset = PhotoDataset(tmp_path / "data")
    assert len(dataset) == 6
    return Crops(dataset, range(6), torch.device("cpu"))


OWN = ["--phases", "[{share: 1, crop: 72, batch: 6, holes: {kind: boxes, side_min: 20, side_max: 40}}]",
       "--train.steps", "20", "--critics", "[]"]  # fmt: skip


@pytest.mark.parametrize("native", [True, False])
def test_what_holds_no_value_is_a_hole_that_is_not_judged(own, native):
    recipe = load_recipe("compact", [*OWN, f"--data.native={native}"])
    hidden = 0
    for step in range(8):
        batch = own.batch(recipe, step)
        assert equal(batch, own.batch(recipe, step))
        assert 0 <= batch.image.min() <= batch.image.max() <= 1
        if batch.hidden is None:
            continue
        hidden += int(batch.hidden.sum())
        assert (batch.mask[batch.hidden] == 1).all()
        assert (batch.image * batch.hidden == 0).all()
        assert (batch.judged <= batch.mask).all()
        assert (batch.judged.sum((1, 2, 3)) > 0).all()
        completion = torch.rand_like(batch.image).requires_grad_()
        target = batch.target(completion)
        assert not target.requires_grad
        assert torch.equal(target * ~batch.hidden, batch.image * ~batch.hidden)
        assert torch.equal(target * batch.hidden, completion * batch.hidden)
    assert hidden > 0


def test_values_that_are_hidden_are_never_seen(own):
    """Other ones change nothing, in crops that are zoomed too."""
    recipe = load_recipe("compact", OWN)
    other = own.of(own.photos)
    other.shards = {name: shard.clone() for name, shard in own.shards.items()}
    for index in (4, 5):
        pixels, hidden = other.photo(index), other.valid(index) == 0
        pixels.copy_(torch.from_numpy(np.where(hidden[..., None], 60000, pixels.float()).astype(pixels.numpy().dtype)))
    assert all(equal(own.batch(recipe, step), other.batch(recipe, step)) for step in range(8))


def test_grey_is_not_tinted_and_colours_are(own):
    batch = own.batch(load_recipe("compact", [*OWN, "--data.jitter", "0.3"]), 0)
    for row, photo in enumerate(own.photo_of(0, number) for number in range(6)):
        red, green, _ = batch.image[row]
        assert torch.equal(red, green) == (own.dataset.entries[photo].channels == 1)


def test_the_network_sees_what_the_engine_shows_it(own):
    """At the image's own scale a crop of 16 bits passes the engine's curve around its hole."""
    recipe = load_recipe("compact", [*OWN, "--data", "{native: true, flip: 0, jitter: 0}"])
    batch = own.cut([0], [np.random.default_rng(5)], recipe.phases[0], recipe.data)
    mask, pixels = batch.mask[0, 0].numpy() > 0, own.dataset.photo(0)
    nothing = np.zeros_like(mask)
    matches = 0
    for y, x in np.ndindex(128 - 71, 160 - 71):
        window = pixels[y : y + 72, x : x + 72]
        seen = to_tensor(window, nothing, find_curve(window, sample_context(~mask, mask)))
        matches += np.allclose(np.clip(seen, 0, 1), batch.image[0].numpy(), atol=1e-6)
    assert matches == 1


def test_images_without_an_up_are_turned_every_way(own):
    words = [*OWN, "--data", "{native: true, turn: 1, jitter: 0}", "--phases.0.batch", "64"]
    slope = own.of([3])
    slope.shards = {name: shard.clone() for name, shard in own.shards.items()}
    rows, columns = torch.meshgrid(torch.arange(200), torch.arange(200), indexing="ij")
    slope.photo(3)[..., 0] = (rows // 2 + columns // 4).byte()

    def ways(words):
        crops = slope.batch(load_recipe("compact", words), 0).image[:, 0]
        falls = [(float(crop[-9:].mean() - crop[:9].mean()), float(crop[:, -9:].mean() - crop[:, :9].mean()))
                 for crop in crops]  # fmt: skip
        return {(down > 0, right > 0, abs(down) > abs(right)) for down, right in falls}

    assert len(ways(words)) == 8
    assert ways([*words, "--data.turn", "0"]) == {(True, True, True), (True, False, True)}


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
