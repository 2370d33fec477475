import dataclasses

import pytest

from napari_inpaint.inference.runtime.contract import METADATA_PREFIX, ModelSpec

SPEC = ModelSpec(
    name="m", recipe="r", window=256, hole_min=8, hole_max=128, size_multiple=4, minimum_side=68, parameters=10,
    data="photos", licence="CC0-1.0",
)  # fmt: skip


def test_metadata_round_trip():
    assert ModelSpec.from_metadata(SPEC.to_metadata() | {"other": "key"}) == SPEC


def test_a_file_of_schema_1_has_one_stage():
    metadata = SPEC.to_metadata() | {METADATA_PREFIX + "schema": "1"}
    del metadata[METADATA_PREFIX + "stages"]
    spec = ModelSpec.from_metadata(metadata)
    assert (spec.stages, spec.has_attention) == ("completion", False)
    assert dataclasses.replace(spec, stages="coarse,refine").has_attention


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ModelSpec)])
def test_a_missing_key_is_named(field):
    metadata = SPEC.to_metadata()
    del metadata[METADATA_PREFIX + field]
    with pytest.raises(ValueError, match=METADATA_PREFIX + field):
        ModelSpec.from_metadata(metadata)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("window", "wide", "whole number"),
        ("window", "0", "must be 1 to"),
        ("hole_max", "257", "hole_max"),
        ("hole_min", "200", "hole_min"),
        ("stages", "refine,coarse", "stages must be completion or coarse,refine"),
    ],
)
def test_impossible_values_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        ModelSpec.from_metadata(SPEC.to_metadata() | {METADATA_PREFIX + field: value})


def test_a_newer_file_asks_for_an_upgrade_even_when_its_keys_have_other_names():
    with pytest.raises(ValueError, match=r"schema 99.*upgrade"):
        ModelSpec.from_metadata({METADATA_PREFIX + "schema": "99"})
