"""The same file gives the same picture everywhere, and the clients in docs/export.md are complete."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator
from PIL import Image

from inpaint_export.graph.layout import to_bytes
from inpaint_export.precision.calibrate import to_feeds
from inpaint_export.precision.half import to_half
from inpaint_export.precision.quantize import to_int8
from inpaint_export.verify import make_case
from napari_inpaint.inference.runtime.providers import make_options

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
WASM = "onnxruntime-web@1.30.0"
PRECISIONS = ("fp32", "fp16", "int8")


@pytest.fixture(scope="module")
def models(tiny_proto, crops, tmp_path_factory):
    """The tiny network in every precision, as files of both layouts."""
    folder = tmp_path_factory.mktemp("models")
    for precision in PRECISIONS:
        model = ir.from_proto(tiny_proto)
        if precision == "fp16":
            to_half(model)
        elif precision == "int8":
            to_int8(model, crops[:4])
        ir.save(model, folder / f"{precision}.onnx")
        to_bytes(model)
        ir.save(model, folder / f"{precision}.bytes.onnx")
    return folder


def run(model, feeds):
    session = onnxruntime.InferenceSession(model, make_options(onnxruntime), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def read_client(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_reference_evaluator_agrees(models, precision):
    feeds = to_feeds(make_case(69, 70, "box"))
    model = models / f"{precision}.onnx"
    for got, wanted in zip(ReferenceEvaluator(str(model)).run(None, feeds), run(model, feeds), strict=True):
        # half precision is rounded after every layer here, eight bits now and then to the other side
        difference = np.abs(got - wanted)
        assert difference.max() <= {"fp32": 1e-5, "fp16": 2e-3, "int8": 1e-2}[precision]
        assert (difference > 5e-3).mean() < 1e-3


def test_the_client_in_python(models, tmp_path):
    case = make_case(256, 256, "none")
    shutil.copy(models / "fp32.onnx", tmp_path / "mine.onnx")
    Image.fromarray(case.image).save(tmp_path / "photo.png")
    subprocess.run([sys.executable, "-c", read_client("python")], cwd=tmp_path, check=True)
    filled = np.asarray(Image.open(tmp_path / "filled.png"))
    mask = np.zeros((256, 256), bool)
    mask[16:48, 8:296] = True
    np.testing.assert_array_equal(filled[~mask], case.image[~mask])
    expected = run(models / "fp32.bytes.onnx", {"image": case.image, "mask": mask.astype(np.uint8)})[0]
    np.testing.assert_allclose(filled, expected, atol=1)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_opencv_agrees(models, precision):
    """From version 5 on; before, it reads no file whose images have any size."""
    cv2 = pytest.importorskip("cv2", minversion="5")
    network = cv2.dnn.readNetFromONNX(str(models / f"{precision}.onnx"))
    for size in ((69, 70), (1, 1)):
        feeds = to_feeds(make_case(*size, "strokes"))
        for name, array in feeds.items():
            network.setInput(array, name)
        got = network.forward(["completion", "composite"])
        for mine, wanted in zip(got, run(models / f"{precision}.onnx", feeds), strict=True):
            np.testing.assert_allclose(mine, wanted, atol={"fp32": 1e-5, "fp16": 2e-3, "int8": 2e-2}[precision])


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A folder in which Node.js finds onnxruntime-web."""
    if shutil.which("npm") is None:
        pytest.skip("no npm: the models are not run in JavaScript")
    folder = tmp_path_factory.mktemp("javascript")
    (folder / "package.json").write_text('{"private": true}')
    npm = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", WASM, "pngjs@7.0.0"]
    subprocess.run(npm, cwd=folder, check=True)
    shutil.copy(Path(__file__).with_name("run_in_wasm.mjs"), folder)
    (folder / "fill.mjs").write_text(read_client("js"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_webassembly_agrees(models, node, precision):
    feeds = to_feeds(make_case(131, 97, "strokes"))
    for name, array in feeds.items():
        array.tofile(node / f"{name}.bin")
    model = models / f"{precision}.onnx"
    subprocess.run(["node", "run_in_wasm.mjs", model, "131", "97"], cwd=node, check=True)
    wanted = run(model, feeds)[1]
    got = np.fromfile(node / "composite.bin", np.float32).reshape(wanted.shape)
    np.testing.assert_allclose(got, wanted, atol={"fp32": 1e-5, "fp16": 2e-3, "int8": 5e-3}[precision])


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_client_in_javascript(models, node, precision):
    check_client(models / f"{precision}.bytes.onnx", node, ["node", "fill.mjs"], "png", "png")


@pytest.mark.slow
def test_the_client_in_cpp(models, tmp_path):
    (tmp_path / "fill.cpp").write_text(read_client("cpp"))
    if shutil.which("g++") is None:
        pytest.skip("no g++: the client in C++ is not compiled")
    build = subprocess.run(
        ["g++", "-std=c++17", "-Wall", "fill.cpp", "-l", "onnxruntime", "-o", "fill"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "onnxruntime_cxx_api.h: No such file" in build.stderr:
        pytest.skip("ONNX Runtime's headers are not installed: the client in C++ is not compiled")
    assert build.returncode == 0, build.stderr
    check_client(models / "int8.bytes.onnx", tmp_path, ["./fill"], "ppm", "pgm")


def check_client(model, folder, command, photo_format, mask_format):
    case = make_case(120, 90, "box")
    names = [f"photo.{photo_format}", f"mask.{mask_format}", f"filled.{photo_format}"]
    Image.fromarray(case.image).save(folder / names[0])
    Image.fromarray(case.mask).convert("L").save(folder / names[1])
    subprocess.run([*command, model, *names], cwd=folder, check=True)
    filled = np.asarray(Image.open(folder / names[2]))[..., :3]
    expected = run(model, {"image": case.image, "mask": case.mask.astype(np.uint8)})[0]
    np.testing.assert_allclose(filled, expected, atol=1)
    np.testing.assert_array_equal(filled[~case.mask], case.image[~case.mask])
