"""Where `Slices` was: snippets in people's consoles import it from here."""

from napari_inpaint.plugin.layers.frame import Slices as Slices
