import io

import numpy as np
import pytest
from PIL import Image

import inpaint_training.data.duplicates
from inpaint_training.data.duplicates import Thumbnails, fingerprint


def test_twins_are_found_among_1000_photos():
    rng = np.random.default_rng(0)
    seen, pictures = Thumbnails(), []
    for i in range(1100):  # more than the first room
        cells = Image.fromarray(rng.integers(0, 256, (9, 11, 3), np.uint8))
        pictures.append(cells.resize((420, 360), Image.Resampling.BICUBIC))
        assert seen.find_or_add(fingerprint(pictures[-1]), str(i)) is None
    for i in range(0, 1100, 50):
        scaled = pictures[i].resize((1003, 857), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        pictures[i].save(buffer, "JPEG", quality=30)
        assert seen.find_or_add(fingerprint(scaled), "scaled") == str(i)
        assert seen.find_or_add(fingerprint(Image.open(buffer)), "recompressed") == str(i)
        mirrored = pictures[i].transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert seen.find_or_add(fingerprint(mirrored), f"mirrored {i}") is None
    assert len(seen.names) == 1100 + 22


@pytest.mark.parametrize("filter_", [Image.Resampling.NEAREST, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("scale", [0.71, 0.9, 0.97, 1.3, 2.3])
def test_a_photo_scaled_by_any_factor_is_a_twin(photo, scale, filter_):
    seen = Thumbnails()
    whole = Image.fromarray(photo)
    seen.find_or_add(fingerprint(whole), "whole")
    scaled = whole.resize((round(whole.width * scale), round(whole.height * scale)), filter_)
    assert seen.find_or_add(fingerprint(scaled), "scaled") == "whole"
    assert seen.find_or_add(fingerprint(whole.crop((0, 0, 400, 400))), "part") is None


def test_bits_are_counted_without_numpy_2_too(monkeypatch):
    words = np.random.default_rng(0).integers(0, 2**64, 50, np.uint64)
    expected = [int(word).bit_count() for word in words]
    assert inpaint_training.data.duplicates._count_bits(words).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert inpaint_training.data.duplicates._count_bits(words).tolist() == expected
    assert inpaint_training.data.duplicates._count_bits(words[:0]).tolist() == []


def test_flat_photos_are_no_twins():
    seen = Thumbnails()
    for grey in (0, 128, 255):
        assert seen.find_or_add(fingerprint(Image.new("RGB", (400, 400), (grey,) * 3)), str(grey)) is None
