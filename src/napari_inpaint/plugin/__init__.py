"""The napari plugin: a thin layer between napari's layers and the engine."""
