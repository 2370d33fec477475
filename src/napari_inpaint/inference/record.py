"""Provenance: what was filled, with what, and how."""

from __future__ import annotations

import base64
import zlib
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from napari_inpaint.inference.options import FillOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_inpaint.inference.copying.provenance import CopyRecord
    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.windows.intensity import IntensityCurve

SCHEMA = 4


@dataclass(frozen=True, slots=True)
class WindowRecord:
    """How one window was filled."""

    plane: tuple[int, ...]
    """Index of the plane in the leading axes; empty for one plane."""
    crop: Box
    """y0, x0, y1, x1, half-open."""
    holes: tuple[Box, ...]
    """Bounding boxes of the holes."""
    factor: int
    """The crop was scaled down by this."""
    provider: str
    """The ONNX Runtime provider that completed it; empty when the holes were filled smoothly."""
    smooth: tuple[str, ...]
    """Then: ``plate`` or ``membrane``, for colours or for every channel; or ``labels``, for all of them."""
    noise: tuple[float, ...]
    """And why: see `napari_inpaint.inference.blending.biharmonic.measure_noise`."""
    curves: tuple[IntensityCurve, ...]
    """From pixel values to the network's: one for colours, or one for every channel."""


@dataclass(slots=True)
class Record:
    """Everything that decided what the holes were filled with."""

    version: str
    """Of this package."""
    model: str = ""
    model_sha256: str = ""
    licence: str = ""
    recipe: str = ""
    precision: str = ""
    batch: int = 0
    """How many windows went into one call of the network, at most."""
    runtime: str = ""
    """Version of ONNX Runtime."""
    machine: str = ""
    """The CPU; results of one provider may differ in the last bit between kinds of CPUs."""
    provider: str = ""
    """The ONNX Runtime provider that ran last; empty when all holes were filled smoothly."""
    threads: int | None = None
    options: FillOptions = field(default_factory=FillOptions)
    shape: tuple[int, ...] = ()
    dtype: str = ""
    created: str = ""
    """When, in UTC, ISO 8601."""
    result_sha256: str = ""
    """Of the filled pixels, window by window."""
    holes: list[dict[str, Any]] = field(default_factory=list)
    """What was filled, see `napari_inpaint.inference.replay`."""
    mask_sha256: str = ""
    """Of the holes, see `napari_inpaint.inference.inputs.holes.hash_holes`."""
    masked_pixels: int = 0
    """How many values the image's own mask hid: a `numpy.ma` mask, or that inside a TIFF. The mask is not kept here."""
    filled_pixels: int = 0
    seconds: float = 0.0
    """From known holes to patches: without reading the mask and writing the result."""
    network_seconds: float = 0.0
    copy_seconds: float = 0.0
    windows: list[WindowRecord] = field(default_factory=list)
    """In the pixels of the image; of a mosaic, in its cells, whose places are the channels; of a 360° panorama,
    in the image three times side by side; of a phase, cosines of all channels and then sines are the channels. So it is
    with ``copies``. All else is in the pixels of the image."""
    copies: list[CopyRecord] = field(default_factory=list)
    """What the holes were copied from; none where ``options.detail`` is another one."""
    notes: list[str] = field(default_factory=list)
    """What the user should know, for example that a hole is larger than trained."""
    schema: int = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain types that JSON can hold."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain |= asdict(plain.pop("options"))
        windows = [{field.name: getattr(window, field.name) for field in fields(window)} for window in self.windows]
        for window in windows:
            window["curves"] = tuple(asdict(each) for each in window["curves"])
        copies = [asdict(copy) for copy in self.copies]
        return plain | {"windows": windows, "copies": copies, "notes": list(self.notes), "holes": list(self.holes)}


def to_earlier(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a later record holds as ``earlier``: those that a record holds so, and itself; the oldest first."""
    return [*record.get("earlier", []), {name: value for name, value in record.items() if name != "earlier"}]


def pack(data: bytes) -> str:
    """Return bytes as a record holds them: deflated, in base64."""
    return base64.b64encode(zlib.compress(data)).decode()


def unpack(text: str, size: int) -> bytes:
    """Return the bytes of a text of `pack`: at most one more than ``size``, whatever it claims to hold.

    Raises
    ------
    ValueError, zlib.error
        When it is no such text.
    """
    return zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
