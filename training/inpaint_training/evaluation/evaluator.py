"""Fill every crop with every method, and score the fills."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from inpaint_training.evaluation.cases import AREA_BINS
from inpaint_training.evaluation.metrics import RATIOS, Scores, average, score
from inpaint_training.losses.features import FeatureNetwork, compare_features, kernel_distance
from inpaint_training.progress import UNWATCHED, ProgressReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inpaint_training.evaluation.baselines import Filler
    from inpaint_training.evaluation.cases import Case
    from inpaint_training.progress import Watch

KID_CASES = 16
"""Fewer crops give no KID: its error would be larger than what it measures."""


@dataclass(slots=True)
class Results:
    """What every method made of every crop."""

    cases: Sequence[Case]
    scores: dict[str, list[Scores]]
    """For every method, in the order of the cases."""
    embeddings: dict[str, dict[str, list[torch.Tensor]]]
    """For every feature network and method, and for the original (its name is empty): one vector for every case."""
    sheet: list[int]
    """Numbers of the cases on the contact sheet."""
    worst: list[int] = field(default_factory=list)
    """Numbers of the cases whose holes a method fills worst, by PSNR, the worst first."""
    pictures: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    """What every method made of these cases, by number."""

    def means(self, numbers: Sequence[int] | None = None) -> dict[str, dict[str, float]]:
        """Return every method's mean scores, over all cases or those with these numbers."""
        chosen = range(len(self.cases)) if numbers is None else numbers
        rows = {name: average([values[i] for i in chosen]) for name, values in self.scores.items()}
        for network, vectors in self.embeddings.items():
            if len(chosen) >= KID_CASES:
                original = torch.stack([vectors[""][i] for i in chosen])
                for name, row in rows.items():
                    filled = torch.stack([vectors[name][i] for i in chosen])
                    row[f"kid_{network}"] = kernel_distance(original, filled)
        return rows

    def intervals(self, samples: int = 1000) -> dict[str, dict[str, tuple[float, float]]]:
        """Return the range of every method's mean scores in 95 % of samples of the photos, drawn with replacement.

        Efron and Tibshirani: An Introduction to the Bootstrap, 1993, section 13.3. The samples are the same for all.
        """
        photos: dict[str, list[int]] = {}
        for number, case in enumerate(self.cases):
            photos.setdefault(case.photo, []).append(number)
        groups, rng = list(photos.values()), np.random.default_rng(0)
        drawn = [
            np.concatenate([groups[group] for group in rng.integers(len(groups), size=len(groups))])
            for _ in range(samples)
        ]
        ranges: dict[str, dict[str, tuple[float, float]]] = {}
        for name, scores in self.scores.items():
            ranges[name] = {}
            for key in [key for key in average(scores) if key != "seconds"]:
                values = np.array([getattr(each, key) for each in scores], float)  # None becomes NaN
                middle = np.nanmedian if key in RATIOS else np.nanmean
                low, high = np.quantile([middle(values[numbers]) for numbers in drawn], (0.025, 0.975)).tolist()
                ranges[name][key] = low, high
        return ranges

    def bins(self) -> dict[str, list[int]]:
        """Return the numbers of the cases in every bin of hole area that occurs."""
        bins = {name: [i for i, case in enumerate(self.cases) if case.area_bin == name] for name in AREA_BINS}
        return {name: numbers for name, numbers in bins.items() if numbers}


def evaluate(fillers: Mapping[str, Filler], cases: Sequence[Case], networks: Sequence[FeatureNetwork] = (),
             sheet: int = 8, seed: int = 0, worst: tuple[str, int] | None = None,
             watch: Watch = UNWATCHED) -> Results:  # fmt: skip
    """Fill every case with every method.

    Parameters
    ----------
    fillers
        The methods by name.
    cases
        At least one.
    networks
        Feature networks that measure distances.
    sheet
        How many cases the contact sheet shows.
    seed
        Which ones.
    worst
        A method, and how many of the cases that it fills worst, by PSNR, are kept as pictures too.
    watch
        Is told after every case.

    Raises
    ------
    CancelledError
        When the event of ``watch`` is set.
    """
    shown = sorted(np.random.default_rng(seed).permutation(len(cases))[:sheet].tolist())
    results = Results(cases, {name: [] for name in fillers}, {}, shown)
    results.embeddings.update({network.name: {name: [] for name in ("", *fillers)} for network in networks})
    for filler in fillers.values():
        filler(cases[0].image, cases[0].mask)  # loading does not count
    begun = time.monotonic()
    for number, case in enumerate(tqdm(cases, "evaluate", unit=" crops", disable=not watch.bar)):
        watch.stop_if_cancelled()
        fills, seconds = {}, {}
        for name, filler in fillers.items():
            started = time.perf_counter()
            fills[name] = filler(case.image, case.mask)
            seconds[name] = time.perf_counter() - started
        if number in shown:
            results.pictures[number] = fills
        distances = _measure_features(case, fills, networks, results)
        for name, filled in fills.items():
            results.scores[name].append(score(case, filled, seconds[name], distances[name]))
        left = (time.monotonic() - begun) / (number + 1) * (len(cases) - number - 1)
        watch.tell(ProgressReport(number + 1, len(cases), left / 60))
    if worst is not None:
        values = results.scores[worst[0]]
        results.worst = sorted(range(len(cases)), key=lambda number: values[number].psnr_hole)[: worst[1]]
    for number in set(results.worst) - set(shown):
        case = cases[number]
        results.pictures[number] = {name: filler(case.image, case.mask) for name, filler in fillers.items()}
    return results


def _measure_features(case: Case, fills: Mapping[str, np.ndarray], networks: Sequence[FeatureNetwork],
                      results: Results) -> dict[str, dict[str, float]]:  # fmt: skip
    """Keep the embeddings; return the distances of every fill from the original, by method and network."""
    pictures = np.stack([case.image, *fills.values()])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255  # 1 + methods, 3, H, W
    distances: dict[str, dict[str, float]] = {name: {} for name in fills}
    for network in networks:
        with torch.inference_mode():
            levels = network(images.to(next(network.parameters()).device))
            found = compare_features([x[:1] for x in levels], [x[1:] for x in levels]).tolist()
            vectors = network.pool(levels).cpu()
        for name, vector in zip(("", *fills), vectors, strict=True):
            results.embeddings[network.name][name].append(vector)
        for name, distance in zip(fills, found, strict=True):
            distances[name][network.name] = distance
    return distances
