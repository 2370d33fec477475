import numpy as np
import pytest

from inpaint_training.evaluation.cases import Case
from inpaint_training.evaluation.evaluator import KID_CASES, evaluate


def cases_of(photo, count):
    rng = np.random.default_rng(0)
    for number in range(count):
        y, x = rng.integers(0, 400, 2)
        mask = np.zeros((32, 32), bool)
        mask[8 : 12 + 12 * (number % 2), 8:24] = True  # 6 % or 25 %
        yield Case(str(number), photo[y : y + 32, x : x + 32], mask)


def test_bins_hold_every_case_once_and_kid_needs_enough(photo):
    from inpaint_training.losses.features import FeatureNetwork

    cases = list(cases_of(photo, KID_CASES))
    fillers = {"same": lambda image, mask: image, "black": lambda image, mask: np.where(mask[..., None], 0, image)}
    results = evaluate(fillers, cases, [FeatureNetwork("lite0")], sheet=3, seed=1)
    bins = results.bins()
    assert list(bins) == ["5-10 %", "20-40 %"]
    assert sorted(i for numbers in bins.values() for i in numbers) == list(range(KID_CASES))
    means = results.means()
    assert means["same"]["kid_lite0"] == means["same"]["lite0"] == 0
    assert means["black"]["kid_lite0"] > 0 < means["black"]["lite0"]
    assert "kid_lite0" not in results.means(bins["5-10 %"])["black"]
    parts = [results.means(numbers)["black"]["l1"] for numbers in bins.values()]
    assert np.mean(parts) == pytest.approx(means["black"]["l1"])
    assert len(results.sheet) == len(results.pictures) == 3
    assert results.sheet == sorted(set(results.sheet))


def test_the_worst_cases_are_those_of_the_method_that_is_named(photo):
    cases = list(cases_of(photo, 6))

    def blacken(image, mask):
        return np.where(mask[..., None], 0, image)

    results = evaluate({"same": lambda image, mask: image, "black": blacken}, cases, sheet=0, worst=("black", 3))
    errors = [np.mean(case.image[case.mask].astype(float) ** 2) for case in cases]
    assert results.worst == sorted(range(6), key=lambda i: -errors[i])[:3]
    assert sorted(results.pictures) == sorted(results.worst)
    np.testing.assert_array_equal(results.pictures[results.worst[0]]["same"], cases[results.worst[0]].image)


def test_intervals_hold_the_mean_and_resample_photos_not_crops(photo):
    """Ten crops of one photo are one sample: two photos alone have a wide interval, however many crops there are."""
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    cases = [Case(f"{name} {i}", np.full((64, 64, 3), level, np.uint8), mask)
             for name, level in (("dark", 10), ("bright", 200)) for i in range(10)]  # fmt: skip
    results = evaluate({"black": lambda image, mask: np.where(mask[..., None], np.uint8(0), image)}, cases)
    low, high = results.intervals(200)["black"]["l1"]
    mean = results.means()["black"]["l1"]
    assert low < mean < high
    assert (low, high) == pytest.approx((100 * 10 / 255, 100 * 200 / 255))
