import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint import Inpainter
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import Hole, find_holes
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.options import RULES
from napari_inpaint.inference.record import SCHEMA
from napari_inpaint.inference.replay import describe_holes, find_differences, read_holes, read_options
from napari_inpaint.inference.runtime.loading import describe_cpu
from napari_inpaint.inference.windows.patches import to_copy
from tests.inference.records.images import make_images


def as_record(holes):
    return json.loads(json.dumps({"schema": SCHEMA, "holes": describe_holes(holes)}))


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_holes_there_and_back(height, width, seed, density):
    masks = np.random.default_rng(seed).random((3, height, width)) < density
    masks[2] = masks[0]
    found = {(n,): find_holes(height, width, mask, [], 0) for n, mask in enumerate(masks)}
    np.testing.assert_array_equal(read_holes(as_record(found), masks.shape), masks)


def test_planes_with_the_same_holes_are_written_once():
    holes = find_holes(50, 60, np.eye(50, 60, dtype=bool), [Box(5, 20, 9, 30)], 0)
    record = as_record({(n,): holes for n in range(1000)})
    assert len(record["holes"]) == 1
    assert record["holes"][0]["masks"][0] is not None
    assert None in record["holes"][0]["masks"]
    assert read_holes(record, (1000, 50, 60)).sum() == 1000 * (50 + 40)


def damage(record, **changes):
    return record | {"holes": [record["holes"][0] | changes]}


GOOD = as_record({(): [Hole(Box(2, 3, 10, 12), np.eye(8, 9, dtype=bool))]})
BOMB = describe_holes({(): [Hole(Box(0, 0, 4000, 4000), np.eye(4000, dtype=bool))]})[0]["masks"]
BAD = {
    "no record": {}, "of a newer version": GOOD | {"schema": SCHEMA + 1},
    "holes of another kind": GOOD | {"holes": [5]},
    "outside the image": damage(GOOD, boxes=[[2, 3, 10, 120]]), "an empty box": damage(GOOD, boxes=[[2, 3, 2, 12]]),
    "no base64": damage(GOOD, masks=["%%%"]), "not deflated": damage(GOOD, masks=["AAAA"]),
    "of another size": damage(GOOD, boxes=[[2, 3, 10, 13]]), "more than it should hold": damage(GOOD, masks=BOMB),
    "no such plane": damage(GOOD, planes=[[7]]), "fewer masks than boxes": damage(GOOD, masks=[]),
    "masks of another kind": damage(GOOD, masks=[7]), "planes of another kind": damage(GOOD, planes=[5]),
}  # fmt: skip


@pytest.mark.parametrize("record", BAD.values(), ids=BAD)
def test_damaged_records_are_refused(record):
    assert read_holes(GOOD, (40, 50)).sum() == 8
    with pytest.raises(ValueError, match=r"."):
        read_holes(record, (40, 50))


def test_what_differs_is_named():
    before = {"result_sha256": "a", "threads": 2, "provider": "CPU", "windows": [1]}
    assert find_differences(before, before | {"windows": [2]}) == []
    assert find_differences(before, before | {"result_sha256": "b", "threads": 1}) == ["threads was 2, now 1"]
    assert find_differences(before, before | {"result_sha256": "b"}) == ["the image is not the one that was filled"]


@pytest.mark.parametrize("planes", [[()], [(0, 0)], [(9,)], [(-1,)], [("a",)], [3], None])
def test_a_record_with_planes_that_the_image_lacks_is_refused(inpainter, photo, planes):
    stack = np.stack([photo[:96, :96, 0]] * 2)
    inpainter.fill(stack, boxes=[(20, 20, 50, 50)])
    record = inpainter.last_record
    record["holes"] = [{**record["holes"][0], "planes": planes}]
    with pytest.raises(ValueError, match="damaged, or of another image"):
        read_holes(record, stack.shape)


def test_a_record_of_other_planes_than_the_last_axes_is_refused(inpainter, photo):
    inpainter.fill(photo[:96, :96], boxes=[(20, 20, 50, 50)])
    with pytest.raises(ValueError, match="only napari"):
        read_holes({**inpainter.last_record, "axes": [0, 2]}, (96, 96))


RECORDS = Path(__file__).with_name("records")


@pytest.mark.parametrize("name", ["dust", "beads", "stack"])
def test_a_record_of_the_first_rules_is_repeated_by_them(name):
    """Linear intensity ranges, and membranes in all narrow holes, whatever is done today."""
    image, _ = make_images()[name]
    record = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    planes = image.shape[:2] if name == "dust" else image.shape
    options = read_options(record, 2 if name == "dust" else None)
    inpainter = Inpainter(f"{record['model']}.{record['precision']}", "cpu", record["threads"])
    mask = read_holes(record, planes)
    job = read_job(image, mask, None, options)
    patches, again = inpainter.run(job, options)
    before = np.load(RECORDS / "filled.npz")[name]
    span = np.ptp(image.astype(float))
    filled = to_copy(job.source, patches)[mask].astype(float)
    np.testing.assert_allclose(filled, before, atol=1e-3 * span, rtol=0)  # other CPUs round otherwise
    if find_differences(record, again.to_dict()):
        assert describe_cpu() != record["machine"] or again.runtime != record["runtime"]
    now = replace(options, rules=RULES)
    patches, _ = inpainter.run(job, now)
    changed = np.abs(to_copy(job.source, patches)[mask].astype(float) - before)
    assert (changed > 1e-5 * span).any() == (name != "stack")
