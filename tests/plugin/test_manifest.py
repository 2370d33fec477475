from importlib.metadata import entry_points

from npe2 import PluginManifest


def test_the_manifest_is_valid_and_everything_in_it_can_be_imported():
    manifest = PluginManifest.from_distribution("napari-inpaint")
    manifest.validate_imports()
    assert manifest.name == "napari-inpaint"
    assert {command.id for command in manifest.contributions.commands} == {
        "napari-inpaint.widget",
        "napari-inpaint.sample",
    }
    assert [point.value for point in entry_points(group="napari.manifest", name="napari-inpaint")] == [
        "napari_inpaint:napari.yaml"
    ]
