"""Files from strangers: whatever they hold, there is a result or one sentence, and nothing half-written."""

import io
import os
import struct
import zlib

import numpy as np
import onnx
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_inpaint.command.cli import main
from napari_inpaint.inference.runtime.contract import METADATA_PREFIX, ModelSpec
from napari_inpaint.inference.runtime.session import Session
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import read_image
from napari_inpaint.io.masks import read_mask
from napari_inpaint.models import bundled_models

MODEL = bundled_models()["compact"]["int8"]
GOOD = {entry.key: entry.value for entry in onnx.load(MODEL).metadata_props}
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
TEXT = st.text(max_size=30) | st.sampled_from(["", "0", "-1", "1e9", "99999999999999999999", "9" * 5000, "²", "nan"])


@given(st.dictionaries(st.sampled_from(list(GOOD)), TEXT | st.none(), max_size=4))
def test_metadata_of_models(changes):
    """A model that is accepted says nothing absurd about itself."""
    metadata = {key: value for key, value in (GOOD | changes).items() if value is not None}
    try:
        spec = ModelSpec.from_metadata(metadata)
    except ValueError as error:
        assert len(str(error)) < 1000
    else:
        assert 1 <= spec.hole_min <= spec.hole_max <= spec.window <= 4096
        assert spec.size_multiple <= 1024
        assert spec.name.isprintable()


@RELAXED
@given(st.data())
def test_bytes_of_models(tmp_path, data):
    """A damaged model file is refused, or works, or says that it is damaged."""
    content = bytearray(MODEL.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, 3000) | st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "model.onnx"
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    image, mask = np.zeros((1, 3, 68, 68), np.float32), np.ones((1, 1, 68, 68), np.float32)
    try:
        completion = Session(path, "cpu", threads=1).complete(image, mask)
    except (ValueError, RuntimeError) as error:
        assert str(error)
    else:
        assert np.isfinite(completion).all()
        assert completion.shape == image.shape


def change_model(change):
    model = onnx.load(MODEL)
    change(model)
    return model.SerializeToString()


def add_custom_operator(model):
    model.opset_import.append(onnx.helper.make_opsetid("evil.domain", 1))
    name = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if output == name else output for output in node.output]
    model.graph.node.append(onnx.helper.make_node("Run", ["before"], [name], domain="evil.domain"))


def keep_weights_outside(model):
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")


def claim_a_huge_output(model):
    name = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if output == name else output for output in node.output]
    shape = onnx.numpy_helper.from_array(np.array([1 << 20, 3, 1 << 12, 1 << 12]), "absurd")
    model.graph.initializer.append(shape)
    model.graph.node.append(onnx.helper.make_node("ConstantOfShape", ["absurd"], ["zeros"]))
    model.graph.node.append(onnx.helper.make_node("Cast", ["zeros"], [name], to=onnx.TensorProto.FLOAT))


def claim_a_huge_window(model):
    for entry in model.metadata_props:
        if entry.key == METADATA_PREFIX + "window":
            entry.value = str(10**9)


@pytest.mark.parametrize(
    "change", [add_custom_operator, keep_weights_outside, claim_a_huge_output, claim_a_huge_window]
)
def test_hostile_models_are_refused(tmp_path, photo, capsys, change):
    (tmp_path / "evil.onnx").write_bytes(change_model(change))
    Image.fromarray(photo).save(tmp_path / "in.png")
    words = [str(tmp_path / "in.png"), "--box", "5", "5", "40", "40", "-o", str(tmp_path / "out.png")]
    assert main([*words, "--model", str(tmp_path / "evil.onnx"), "--device", "cpu"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("inpaint-fill: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.onnx", "in.png"]


CODECS = {"JP2": "jpeg2k_encode", "JXL": "jpegxl_encode", "AVIF": "avif_encode"}


def encode(kind):
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    buffer = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(buffer, image, compression="zlib", photometric="rgb")
    elif kind == "NPY":
        np.save(buffer, image)
    elif kind == "PNG16":
        import imagecodecs

        buffer.write(imagecodecs.png_encode(image.astype(np.uint16)))
    elif kind in CODECS:
        import imagecodecs

        buffer.write(getattr(imagecodecs, CODECS[kind])(image))
    else:
        Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


KINDS = {"PNG": ".png", "PNG16": ".png", "JPEG": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "NPY": ".npy",
         "BMP": ".bmp", "GIF": ".gif", "JP2": ".jp2", "JXL": ".jxl", "AVIF": ".avif"}  # fmt: skip
FILES = {kind: encode(kind) for kind in KINDS}


@RELAXED
@given(kind=st.sampled_from(list(KINDS)), data=st.data())
def test_headers_of_images(tmp_path, kind, data):
    """A damaged image is read as one, or refused by name; it never takes memory that its size does not explain."""
    content = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, min(200, len(content) - 1)) | st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from([0, 1, 127, 128, 254, 255]) | st.integers(0, 255))
    path = tmp_path / f"image{KINDS[kind]}"
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        pixels = read_image(path).pixels
    except FileError as error:
        assert "image" in str(error)
    except MemoryError:  # said by the command
        pass
    else:
        assert pixels.nbytes < 1 << 30


@RELAXED
@given(data=st.data(), shape=st.lists(st.integers(0, 9), max_size=4))
def test_masks_of_any_shape_and_dtype(tmp_path, data, shape):
    dtype = data.draw(st.sampled_from(["?", "u1", ">i2", "f4", "f8", "c8", "S3", "M8[s]"]))
    mask = np.zeros(shape, dtype)
    if dtype[0] == "f" and mask.size:
        mask.flat[0] = data.draw(st.sampled_from([0, np.nan, np.inf, 1]))
    np.save(tmp_path / "mask.npy", mask)
    try:
        holes = read_mask(tmp_path / "mask.npy", (2, 5, 7)).holes
    except FileError:
        return
    assert holes.dtype == bool
    assert holes.shape in ((5, 7), (2, 5, 7))


@RELAXED
@given(st.lists(st.lists(st.integers(-(2**70), 2**70) | st.integers(-5, 60), min_size=4, max_size=4), max_size=3))
def test_any_boxes(tmp_path, boxes):
    source, output = tmp_path / "in.npy", tmp_path / "out.npy"
    image = np.arange(2000, dtype=np.uint16).reshape(40, 50)
    np.save(source, image)
    words = [word for box in boxes for word in ("--box", *map(str, box))]
    status = main([str(source), "-o", str(output), "--overwrite", *(words or ["--nan"]), "--device", "cpu"])
    assert status in (0, 1)
    if status == 0:
        assert np.load(output).shape == image.shape
        output.unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]


def png_of(width, height, depth, data):
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def bombs():
    zeros = zlib.compress(bytes(1 << 20), 9)
    tiff = io.BytesIO()
    with tifffile.TiffWriter(tiff) as writer:
        writer.write(np.zeros((64, 64), np.uint8), rowsperstrip=64, metadata=None)
    wide = bytearray(tiff.getvalue())
    for code, value in ((256, 1 << 20), (257, 1 << 20)):
        place = wide.index(struct.pack("<H", code), 8)
        wide[place : place + 12] = struct.pack("<HHII", code, 4, 1, value)
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    header += b" " * (118 - len(header)) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(800)
    image = FILES["JP2"]
    size = struct.pack(">II", 40, 50)
    huge = struct.pack(">II", 1 << 20, 1 << 20)
    place = image.index(b"\xff\x4f\xff\x51") + 8
    jp2 = image.replace(size, huge)[:place] + huge + image[place + 8 :]
    avif = FILES["AVIF"].replace(b"ispe" + bytes(4) + struct.pack(">II", 50, 40), b"ispe" + bytes(4) + huge)
    bmp = FILES["BMP"][:18] + struct.pack("<ii", 1 << 20, 1 << 20) + FILES["BMP"][26:]
    gif = FILES["GIF"][:6] + b"\xff\xff\xff\xff" + FILES["GIF"][10:]
    jxl = b"\xff\x0a" + (((1 << 20) - 1) << 3 | 3 << 1 | 1 << 33 | 1 << 36).to_bytes(5, "little") + FILES["JXL"][7:]
    return {
        "wide.jp2": jp2, "wide.avif": avif, "wide.bmp": bmp, "wide.gif": gif, "wide.jxl": jxl,
        "8 bits.png": png_of(60_000, 60_000, 8, zeros), "16 bits.png": png_of(60_000, 60_000, 16, zeros),
        "wide.tif": bytes(wide), "array.npy": npy,
    }  # fmt: skip


BOMBS = bombs()


@pytest.mark.parametrize("name", BOMBS)
def test_decompression_bombs_are_refused(tmp_path, capsys, name):
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    assert main([str(path), "--box", "0", "0", "5", "5", "-o", str(tmp_path / f"out{path.suffix}")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert name in line
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.25, 0.5, 0.75, 0.98])
def test_truncated_files_are_refused(tmp_path, capsys, kind, share):
    path = tmp_path / f"in{KINDS[kind]}"
    path.write_bytes(FILES[kind][: int(len(FILES[kind]) * share)])
    assert main([str(path), "--box", "0", "0", "5", "5", "-o", str(tmp_path / f"out{KINDS[kind]}")]) == 1
    assert path.name in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.posix("links and pipes need rights there")
@pytest.mark.parametrize("trick", ["file", "dangling file", "folder", "synthetic", "offsets", "record"])
def test_links_at_the_output_are_not_followed(tmp_path, photo, capsys, trick):
    """A folder that somebody else prepared must not lead the results elsewhere."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    Image.fromarray(photo).save(tmp_path / "in" / "sub" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "maps").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_text("precious")
    target = tmp_path / {"synthetic": "masks", "offsets": "maps"}.get(trick, "out") / "sub"
    if trick in ("folder", "synthetic", "offsets"):
        target.symlink_to(tmp_path / "elsewhere")
    else:
        target.mkdir()
        name = "nothing.png" if trick == "dangling file" else "a.png"
        (target / ("a.png.json" if trick == "record" else "a.png")).symlink_to(tmp_path / "elsewhere" / name)
    words = [str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--box", "5", "5", "40", "40", "--overwrite"]
    words += ["--synthetic-mask", str(tmp_path / "masks"), "--offsets", str(tmp_path / "maps"), "--record"]
    assert main(words) == 1
    assert "link" in capsys.readouterr().err
    assert (tmp_path / "elsewhere" / "a.png").read_text(encoding="utf-8") == "precious"
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["a.png"]


@pytest.mark.posix("links and pipes need rights there")
def test_pipes_and_loops_in_a_folder_are_left_alone(tmp_path, photo):
    (tmp_path / "in").mkdir()
    Image.fromarray(photo).save(tmp_path / "in" / "a.png")
    os.mkfifo(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    assert main([str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--box", "5", "5", "40", "40"]) == 0
    assert [path.name for path in (tmp_path / "out").rglob("*.png")] == ["a.png"]


def test_pixels_of_no_bytes_are_refused(tmp_path, capsys):
    header = b"{'descr': '|V0', 'fortran_order': False, 'shape': (99999999, 9999999), }"
    (tmp_path / "in.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n")
    assert main([str(tmp_path / "in.npy"), "--box", "0", "0", "5", "5", "-o", str(tmp_path / "out.npy")]) == 1
    assert "only bool, integers and floats" in capsys.readouterr().err
