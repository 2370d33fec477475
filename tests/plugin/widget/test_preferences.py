"""The widget starts as the user likes it, as far as that can be."""

import pytest

from napari_inpaint.models import DEFAULT
from napari_inpaint.plugin.widget.preferences import Preferences


@pytest.mark.parametrize("model", ["nope", "/no/mine.onnx", " ", "compact.fp16.onnx", "(a file ...)"])
def test_preferences_that_cannot_be_met_are_named(viewer, monkeypatch, model):
    nonsense = Preferences(file=model, device="tpu", result="a pony", grow=99999999999)
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.read_preferences", lambda: nonsense)
    monkeypatch.setattr("napari_inpaint.plugin.widget.engine.warm_up", lambda settings: (settings, ""))
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    assert widget.model.value == DEFAULT
    assert f"is gone: {DEFAULT} is used" in widget.status.value
    assert (widget.device.value, widget.result.value) == ("auto", "new layer")


def test_a_preferred_model_in_one_precision(viewer, monkeypatch):
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.read_preferences", lambda: Preferences("compact.fp32"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    assert widget.model.value == "compact.fp32"
