"""What the widget starts with: napari's preferences, on the page of this plugin."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from napari_inpaint.models import DEFAULT

NEW_LAYER, IN_PLACE = "new layer", "in place"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The same names, and defaults, as in the manifest."""

    model: str = DEFAULT
    file: str = ""
    device: str = "auto"
    result: str = NEW_LAYER
    seam: bool = True
    grow: int = 0
    origins: bool = False


def read_preferences() -> Preferences:
    """Return the user's preferences; the defaults in a napari that has none for plugins (before 0.9)."""
    try:
        from napari.settings import get_plugin_settings

        settings: Any = get_plugin_settings("napari-inpaint").filling
    except (ImportError, AttributeError, KeyError):
        return Preferences()
    return Preferences(**{field.name: getattr(settings, field.name) for field in fields(Preferences)})
