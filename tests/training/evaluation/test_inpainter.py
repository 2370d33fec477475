import threading

import numpy as np
import pytest
import torch

from inpaint_training.evaluation.inpainter import CheckpointInpainter
from napari_inpaint.inference.cancelling import FillCancelledError


def test_a_checkpoint_row_is_the_networks_own_result(run, network, photo):
    image, box = photo[:128, :128].copy(), (40, 40, 80, 70)
    image[39, 45], image[39, 46] = 0, 255  # on the rim: the intensity range is that of the dtype
    inpainter = CheckpointInpainter(run, "cpu")
    filled = inpainter.fill(image, boxes=[box], seam=False, detail="network")
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 40:80, 40:70] = 1
    with torch.no_grad():
        expected = network(tensor, mask)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(filled[40:80, 40:70], np.rint(expected[40:80, 40:70] * 255).astype(np.uint8))
    record = inpainter.last_record
    assert (record["model"], record["provider"], inpainter.device) == ("tiny", "torch-cpu", "torch-cpu")
    again = inpainter.__reduce__()
    np.testing.assert_array_equal(again[0](*again[1]).fill(image, boxes=[box], seam=False, detail="network"), filled)


def test_cancel_is_looked_at_before_a_call(run):
    session, event = CheckpointInpainter(run, "cpu").session, threading.Event()
    image, mask = np.zeros((1, 3, 72, 72), np.float32), np.ones((1, 1, 72, 72), np.float32)
    session.complete(image, mask, event)
    event.set()
    with pytest.raises(FillCancelledError):
        session.complete(image, mask, event)
