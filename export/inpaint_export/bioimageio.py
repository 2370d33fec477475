"""A package for the BioImage Model Zoo: the model file, test tensors, a cover, and a description of all of it.

Written by hand, because bioimageio.core pulls a runtime of its own; ``make test-bioimageio`` has it judge the result.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import yaml
from PIL import Image

from inpaint_export.graph.convert import describe_tensors
from inpaint_export.precision.calibrate import to_feeds
from inpaint_export.verify import make_case
from napari_inpaint.inference.runtime.contract import FLOAT_LAYOUT, IMAGE, LAYOUTS, MASK
from napari_inpaint.samples import THE_CREST

if TYPE_CHECKING:
    from napari_inpaint.inference.runtime.contract import ModelSpec

FORMAT = "0.5.4"
"""Of the description: what the fields below are known to be valid in."""
HOMEPAGE = "https://github.com/napari-inpaint/napari-inpaint"
NETWORK = {
    "text": "Iizuka, Simo-Serra, Ishikawa: Globally and Locally Consistent Image Completion, ACM TOG 36(4), 2017",
    "doi": "10.1145/3072959.3073659",
}


def make_package(model: bytes, spec: ModelSpec, session: Any) -> bytes:
    """Return the package of a model file: a zip archive.

    Parameters
    ----------
    model
        A model file of layout ``nchw-float``.
    spec
        What it says about itself.
    session
        ONNX Runtime's, of the file.
    """
    layout = LAYOUTS[FLOAT_LAYOUT]
    case = make_case(spec.window, spec.window, "box")
    tensors = to_feeds(case)
    tensors |= dict(zip(layout.outputs, session.run(list(layout.outputs), tensors), strict=True))

    files = {f"{name}.npy": _npy(array) for name, array in tensors.items()}
    files["model.onnx"] = model
    files["cover.png"] = _cover(tensors["composite"], case.image, case.mask)
    files["README.md"] = document(spec).encode()

    def refer(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    def describe_tensor(name: str, axes: tuple[str | int, ...], like: str | None = None) -> dict[str, Any]:
        return {"id": name, "description": layout.meanings[name], "axes": describe_axes(axes, like),
                "test_tensor": refer(f"{name}.npy"), "data": {"type": "float32", "range": [0.0, 1.0]}}  # fmt: skip

    description = {
        "format_version": FORMAT,
        "type": "model",
        "name": f"napari-inpaint {spec.name} {spec.precision}",
        "description": "Fills holes in RGB images: paints what could be where pixels are missing.",
        "authors": [{"name": "The napari-inpaint developers"}],
        "cite": [NETWORK],
        "license": spec.licence,
        "tags": ["inpainting", "image-restoration", "2d", "napari", "onnx"],
        "git_repo": HOMEPAGE,
        "documentation": "README.md",
        "covers": ["cover.png"],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [describe_tensor(name, axes) for name, axes in layout.inputs.items()],
        "outputs": [describe_tensor(name, axes, like=IMAGE) for name, axes in layout.outputs.items()],
        "weights": {"onnx": {**refer("model.onnx"), "opset_version": _opset(files["model.onnx"])}},
    }  # fmt: skip
    files["rdf.yaml"] = yaml.safe_dump(description, sort_keys=False, allow_unicode=True).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def check_licence(spec: ModelSpec) -> None:
    """Raise `ValueError` when the licence cannot be an SPDX identifier, which is one word; the zoo knows them all."""
    if not re.fullmatch(r"[A-Za-z0-9.+-]+", spec.licence):
        raise ValueError(
            f"the zoo wants an SPDX identifier as the weights' licence, for example CC0-1.0, not {spec.licence!r}: "
            "write it into the checkpoint's recipe.yaml as 'licence: ...'"
        )


def describe_axes(axes: tuple[str | int, ...], like: str | None = None) -> list[dict[str, Any]]:
    """Return the axes of a tensor in the zoo's words.

    Parameters
    ----------
    axes
        Of the contract: N, channels, H, W.
    like
        The input that an output's height and width are those of; an input's own are free, from 1.
    """
    channels = int(axes[1])
    names = [MASK] if channels == 1 else ["red", "green", "blue"]
    described: list[dict[str, Any]] = [{"type": "batch"}, {"type": "channel", "channel_names": names}]
    for name in ("y", "x"):
        size: dict[str, Any] = {"tensor_id": like, "axis_id": name} if like else {"min": 1, "step": 1}
        described.append({"type": "space", "id": name, "size": size})
    return described


def document(spec: ModelSpec) -> str:
    """Return the package's documentation, in Markdown."""
    return f"""# napari-inpaint {spec.name}

Fills holes in images. {spec.parameters:,} parameters, {spec.precision}; trained by the recipe `{spec.recipe}` on
{spec.data}; windows of {spec.window} px, holes of {spec.hole_min} to {spec.hole_max} px. Larger holes are best filled
in an image that is scaled down.

{describe_tensors(LAYOUTS[FLOAT_LAYOUT])}

## Validation

The network invents: what it paints was not measured. Mark synthetic pixels, and never analyse them. To see what a fill
is worth on your images, hide places that you know, fill them, and compare.

## Licence

Weights: {spec.licence}. The cover and the test image show {THE_CREST.credit}.

Made with [napari-inpaint]({HOMEPAGE}) {version("napari-inpaint")}, which fills images of any type and dimension.
"""


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _cover(composite: np.ndarray, image: np.ndarray, mask: np.ndarray) -> bytes:
    """Return a picture, twice as wide as high: with the hole in white, and filled."""
    filled = np.rint(composite[0].transpose(1, 2, 0) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.hstack([np.where(mask[..., None], np.uint8(255), image), filled])).save(buffer, "PNG")
    return buffer.getvalue()


def _opset(data: bytes) -> int:
    return int(onnx.load_model_from_string(data).opset_import[0].version)
