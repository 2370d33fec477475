"""Where a caller wants a fill: in a copy, in another array, or in the image itself; channel by channel in lists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.arrays import is_elsewhere
from napari_inpaint.inference.inputs.panel import Panel
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.inputs.values import cast
from napari_inpaint.inference.windows.patches import copy_into, fill_in_place, keep_mask, to_copy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.windows.patches import Patch


def write(patches: Sequence[Patch], source: Planes, image: Any, target: Any, cancel: Event | None = None) -> Any:
    """Write patches where a caller wants them, and return that.

    Parameters
    ----------
    patches, source
    image
        What the source was read from: where it is a masked array, so is what is returned. Of a `Panel` a list is
        returned.
    target
        None: a copy, as `to_copy` makes it. The image: it is filled in place. Or another array of its shape and dtype.
        Of a `Panel` a list of such targets, or None.
    cancel
        As `copy_into`.
    """
    if isinstance(image, Panel):
        return _write_channels(patches, image, target or [None] * len(image.arrays), cancel)
    has_mask = isinstance(image, np.ma.MaskedArray) and (target is None or isinstance(target, np.ma.MaskedArray))
    if target is None:
        target = to_copy(source, patches)
    elif target is image:
        fill_in_place(source, patches)
    else:
        copy_into(target, source, patches, cancel)
    return keep_mask(target, image, source, patches) if has_mask else target


def _write_channels(patches: Sequence[Patch], panel: Panel, targets: Sequence[Any], cancel: Event | None) -> list[Any]:
    """Write every channel; when one cannot be filled in place, those before are taken back."""
    results: list[Any] = []
    changed: list[tuple[Planes, list[Patch]]] = []
    try:
        for channel, (array, target) in enumerate(zip(panel.arrays, targets, strict=True)):
            own = list(to_channel(patches, channel, np.dtype(array.dtype)))
            source = Planes(array if is_elsewhere(array) else np.asarray(array), None)
            results.append(write(own, source, array, target, cancel))
            if target is array:
                changed.append((source, own))
    except BaseException:
        for source, own in reversed(changed):
            fill_in_place(source, [patch.reverse() for patch in reversed(own)])
        raise
    return results


def to_channel(patches: Iterable[Patch], channel: int, dtype: np.dtype[Any]) -> Iterable[Patch]:
    """Yield what patches change in one channel, in its own dtype."""
    for patch in patches:
        if patch.channels.start <= channel < patch.channels.stop:
            own = slice(channel - patch.channels.start, channel - patch.channels.start + 1)
            mask = patch.mask if patch.mask.shape[-1] == 1 else patch.mask[..., own]
            before, pixels = (cast(values[..., own], dtype) for values in (patch.before, patch.pixels))
            yield replace(patch, channels=slice(0, 1), mask=mask, before=before, pixels=pixels)
