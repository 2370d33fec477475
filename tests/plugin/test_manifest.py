"""What napari finds in the manifest, and where it offers it."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from npe2 import PluginManifest

from napari_inpaint.plugin.widget.preferences import Preferences, read_preferences


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("napari-inpaint")


def test_the_manifest_is_valid_and_everything_in_it_can_be_imported(manifest):
    manifest.validate_imports()
    assert manifest.name == "napari-inpaint"
    assert [point.value for point in entry_points(group="napari.manifest", name="napari-inpaint")] == [
        "napari_inpaint:napari.yaml"
    ]
    said = subprocess.run([sys.executable, "-m", "npe2", "validate", "napari-inpaint", "--imports"], text=True,
                          capture_output=True)  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr


def test_it_is_found_in_the_menus(make_napari_viewer):
    viewer = make_napari_viewer()
    from napari._app_model import get_app_model

    app = get_app_model()
    for menu, title in (("napari/layers/filter", "Inpaint"), ("napari/file/new_layer", "Holes"),
                        ("napari/file/samples", "Landscape with a date burnt in")):  # fmt: skip
        items = list(app.menus.get_menu(menu))
        titles = [getattr(getattr(item, "command", item), "title", "") for item in items]
        for item in items:
            if hasattr(item, "submenu"):
                titles += [each.command.title for each in app.menus.get_menu(item.submenu)]
        assert any(title in each for each in titles), (menu, titles)
    assert viewer.layers == []


def test_defaults_are_the_same_in_the_manifest_and_in_the_program(manifest):
    said = manifest.contributions.configurations["filling"].properties
    assert Preferences(**{name: each.default for name, each in said.items()}) == Preferences()


def test_preferences_are_read(monkeypatch, plugins):
    from napari import settings

    class Chosen:
        class filling:
            model, file, device, result, seam, grow, origins = "compact", "", "cpu", "in place", False, 3, True

    monkeypatch.setattr(settings, "get_plugin_settings", lambda name: {"napari-inpaint": Chosen}[name])
    assert read_preferences() == Preferences("compact", "", "cpu", "in place", False, 3, True)
    monkeypatch.delattr(settings, "get_plugin_settings")
    assert read_preferences() == Preferences()
