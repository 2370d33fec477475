"""The facts that training, export and inference share about a model file.

Standard library only, so that every side can import it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

HOLE_THRESHOLD: Final = 0.5
"""A mask value of at least this counts as a hole; masks are 1 inside holes and 0 where pixels are known."""

IMAGE: Final = "image"
MASK: Final = "mask"
COMPLETION: Final = "completion"
COMPOSITE: Final = "composite"
FILLED: Final = "filled"

COARSE: Final = "coarse"
REFINE: Final = "refine"
"""Stages of a network of two. The second refines what the first completed, and copies by attention."""
ONE_STAGE: Final = "completion"
TWO_STAGES: Final = f"{COARSE},{REFINE}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The tensors of a model file."""

    element: str
    """Type of all elements: ``float`` (float32) or ``uint8``."""
    inputs: dict[str, tuple[str | int, ...]]
    """Axes by name: a letter where the size is free, a number where it is fixed."""
    outputs: dict[str, tuple[str | int, ...]]
    """Axes by name."""
    meanings: dict[str, str]
    """What the tensors are, in words, by name."""
    value_range: str
    """Of images."""
    mask_meaning: str
    """Polarity of the mask."""


FLOAT_LAYOUT: Final = "nchw-float"
BYTE_LAYOUT: Final = "nhwc-uint8"
LAYOUTS: Final = {
    FLOAT_LAYOUT: Layout(
        element="float",
        inputs={IMAGE: ("N", 3, "H", "W"), MASK: ("N", 1, "H", "W")},
        outputs={COMPLETION: ("N", 3, "H", "W"), COMPOSITE: ("N", 3, "H", "W")},
        meanings={
            IMAGE: "RGB in 0..1; what lies under holes does not matter",
            MASK: "1 inside holes, 0 where pixels are known; 0.5 and more is a hole",
            COMPLETION: "what the network paints",
            COMPOSITE: "the image, its holes filled from the completion; known pixels are the image's, bit for bit",
        },
        value_range="0..1",
        mask_meaning="1 = hole, 0 = known",
    ),
    BYTE_LAYOUT: Layout(
        element="uint8",
        inputs={IMAGE: ("H", "W", 3), MASK: ("H", "W")},
        outputs={FILLED: ("H", "W", 3)},
        meanings={
            IMAGE: "RGB; what lies under holes does not matter",
            MASK: "not 0 inside holes, 0 where pixels are known",
            FILLED: "the image, its holes filled; known pixels are the image's, bit for bit",
        },
        value_range="0..255",
        mask_meaning="not 0 = hole, 0 = known",
    ),
}
"""What a model file may take: batches of float images, as this package uses them, or one image as other programs hold
it in memory."""

PRECISIONS: Final = ("fp32", "fp16", "int8")
"""Arithmetic of the layers."""
MOST: Final = {
    "window": 4096, "hole_min": 4096, "hole_max": 4096, "size_multiple": 1024, "minimum_side": 4096,
    "parameters": 10**11,
}  # fmt: skip
"""Largest numbers that a model file may claim: it decides how much memory a window takes."""
LONGEST_TEXT: Final = 10_000
METADATA_PREFIX: Final = "napari_inpaint."
SCHEMA: Final = 2
SINCE: Final = {"stages": 2}
"""Fields that files of an older schema lack; their defaults hold for those."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model file says about itself, kept in the file's metadata.

    The field names, with ``METADATA_PREFIX`` before them, are the metadata keys.
    """

    name: str
    """What the model is called, for example ``compact``."""
    recipe: str
    """The training recipe that produced it."""
    window: int
    """Side of the windows that it was trained on, in pixels."""
    hole_min: int
    """Smallest side of a trained hole, in pixels."""
    hole_max: int
    """Largest side of a trained hole, in pixels; a larger hole is scaled down before the network sees it."""
    size_multiple: int
    """The network works on multiples of this; the graph pads by itself."""
    minimum_side: int
    """The network works on at least this side; the graph pads by itself."""
    parameters: int
    """Number of trained parameters."""
    data: str
    """What it was trained on."""
    licence: str
    """The licence of the weights."""
    precision: str = "fp32"
    """One of `PRECISIONS`. It does not change the type of inputs and outputs."""
    layout: str = FLOAT_LAYOUT
    """Key of `LAYOUTS`: which tensors go in and come out."""
    value_range: str = LAYOUTS[FLOAT_LAYOUT].value_range
    """Of images, in and out."""
    mask_meaning: str = LAYOUTS[FLOAT_LAYOUT].mask_meaning
    """Polarity of the mask."""
    stages: str = ONE_STAGE
    """`ONE_STAGE` or `TWO_STAGES`: the networks that run one after the other."""
    schema: int = SCHEMA
    """Version of this table."""

    def __post_init__(self) -> None:
        """Refuse numbers that no network can have.

        Raises
        ------
        ValueError
            Names the field, its value and what is allowed.
        """
        for name, most in MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be 1 to {most}, not {getattr(self, name)}")
        for name in ("name", "recipe", "data", "licence"):
            if not getattr(self, name).isprintable() or len(getattr(self, name)) > LONGEST_TEXT:
                raise ValueError(f"{name} must be a printable text of up to {LONGEST_TEXT} characters")
        if self.stages not in (ONE_STAGE, TWO_STAGES):
            raise ValueError(f"stages must be {ONE_STAGE} or {TWO_STAGES}, not {self.stages[:50]!r}")
        if not self.hole_min <= self.hole_max <= self.window:
            raise ValueError(
                f"hole_min <= hole_max <= window must hold, not {self.hole_min}, {self.hole_max}, {self.window}"
            )

    @property
    def has_attention(self) -> bool:
        """Whether a second stage copies by attention: it takes memory, and rounding can decide what is copied."""
        return self.stages == TWO_STAGES

    def with_layout(self, layout: str) -> ModelSpec:
        """Return the same with another key of `LAYOUTS`, and what follows from it."""
        known = LAYOUTS[layout]
        return replace(self, layout=layout, value_range=known.value_range, mask_meaning=known.mask_meaning)

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata of the model file: one string per field."""
        return {METADATA_PREFIX + field.name: str(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> ModelSpec:
        """Read the spec from a model file's metadata.

        Parameters
        ----------
        metadata
            All key-value pairs of the file; keys without our prefix are ignored.

        Raises
        ------
        ValueError
            When keys are missing or hold something else than they should, or when the file was written by a newer
            version of this package; the message names them.
        """
        newer = metadata.get(f"{METADATA_PREFIX}schema", "")
        if newer.isdecimal() and (len(newer) > 9 or int(newer) > SCHEMA):
            raise ValueError(f"the file has schema {newer[:20]}, this version reads up to {SCHEMA}: upgrade it")
        older = {name for name, since in SINCE.items() if newer.isdecimal() and int(newer) < since}
        known = [field.name for field in fields(cls) if field.name not in older]
        missing = [name for name in known if METADATA_PREFIX + name not in metadata]
        if missing:
            keys = ", ".join(METADATA_PREFIX + name for name in missing)
            raise ValueError(f"the metadata lack {keys}")
        values: dict[str, str | int] = {}
        kinds = get_type_hints(cls)
        for name in known:
            text = metadata[METADATA_PREFIX + name]
            try:
                values[name] = kinds[name](text)
            except ValueError:
                raise ValueError(f"{METADATA_PREFIX}{name} should be a whole number, not {text[:50]!r}") from None
        return cls(**values)  # type: ignore[arg-type]
