"""Run a model of layout nchw-float in OpenVINO, in an environment that has it.

python run_in_openvino.py RUNTIME MODEL CASES OUTPUTS; CASES is an npz file of images and masks, OUTPUTS one of what the
model makes of them.
"""

import sys

import numpy as np


def open_plain(model, **settings):
    import openvino

    compiled = openvino.Core().compile_model(model, "CPU", settings)
    return lambda image, mask: list(compiled([image, mask]).values())


def open_provider(model):
    """Open it in ONNX Runtime, with nothing left to ONNX Runtime's own CPU provider."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["OpenVINOExecutionProvider"])
    assert session.get_providers()[0] == "OpenVINOExecutionProvider"
    return lambda image, mask: session.run(None, {"image": image, "mask": mask})


RUNTIMES = {
    "openvino": lambda model: open_plain(model, INFERENCE_PRECISION_HINT="f32"),
    "openvino by default": open_plain,
    "onnxruntime": open_provider,
}

if __name__ == "__main__":
    runtime, model, cases, outputs = sys.argv[1:]
    complete = RUNTIMES[runtime](model)
    given = np.load(cases)
    got = [complete(given[f"image {n}"], given[f"mask {n}"]) for n in range(len(given.files) // 2)]
    np.savez(outputs, **{f"{name} {n}": array for n, arrays in enumerate(got)
                         for name, array in zip(("completion", "composite"), arrays, strict=True)})  # fmt: skip
