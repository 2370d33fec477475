import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_inpaint.command.cli import main
from napari_inpaint.io.images import read_image
from napari_inpaint.samples import THE_CREST


@pytest.fixture
def png(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_fills_a_box_and_reports(tmp_path, png, photo, capsys):
    output = tmp_path / "filled.png"
    assert main([str(png), "-o", str(output), "--box", "100", "120", "150", "190", "--record"]) == 0
    result = read_image(output).pixels
    changed = (result != photo).any(-1)
    assert changed[100:150, 120:190].any()
    changed[100:150, 120:190] = False
    assert not changed.any()
    out = capsys.readouterr().out
    assert "3500 pixels filled, CPUExecutionProvider" in out or "CUDA" in out
    record = json.loads((tmp_path / "filled.png.json").read_text(encoding="utf-8"))
    assert record["windows"][0]["holes"] == [[100, 120, 150, 190]]


def test_a_mask_file_and_boxes_and_json(tmp_path, png, photo, capsys):
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[10:20, 30:50] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    output = tmp_path / "filled.png"
    words = [
        str(png),
        "-o",
        str(output),
        "--mask",
        str(tmp_path / "mask.png"),
        "--box",
        "60",
        "60",
        "70",
        "70",
        "--json",
    ]
    assert main([*words, "--device", "cpu"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["output"] == str(output)
    assert printed["record"]["filled_pixels"] == 300


@pytest.mark.parametrize(("words", "name", "value"), [
    (["--values", "labels"], "values", "labels"), (["--values", "phase"], "values", "phase"),
    (["--mosaic", "2x2"], "mosaic", [2, 2]), (["--wrap", "x"], "wrap", "x"),
])  # fmt: skip
def test_says_what_numbers_mean_and_repeats_it(tmp_path, inpainter, photo, words, name, value, capsys):
    image = photo[:120, :160, 1]
    image = (image / 50 - 2).astype(np.float32) if value == "phase" else image.astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", image)
    fill = [str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif"), "--device", "cpu", "--model", "compact"]
    assert main([*fill, "--box", "40", "120", "70", "160", *words, "--record"]) == 0
    options = {name: tuple(value) if isinstance(value, list) else value}
    expected = inpainter.fill(image, boxes=[(40, 120, 70, 160)], **options)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)
    record = tmp_path / "out.tif.json"
    assert json.loads(record.read_text(encoding="utf-8"))[name] == value
    assert main([str(tmp_path / "in.tif"), "-o", str(tmp_path / "again.tif"), "--replay", str(record)]) == 0
    assert "bit for bit" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["2", "2x2x2", "axb", "0x2"])
def test_a_mosaic_has_rows_and_columns(png, tmp_path, text, capsys):
    try:
        assert main([str(png), "-o", str(tmp_path / "f.png"), "--box", "0", "0", "9", "9", "--mosaic", text]) == 1
    except SystemExit as error:
        assert error.code == 2
    assert "mosaic" in capsys.readouterr().err


def test_partial_boxes_are_clipped_and_it_says_so(tmp_path, png, capsys):
    assert main([str(png), "-o", str(tmp_path / "f.png"), "--box", "-5", "-5", "20", "20"]) == 0
    assert "clipped to (0, 0, 20, 20)" in capsys.readouterr().err


def test_an_empty_mask_copies_the_pixels(tmp_path, png, photo, capsys):
    Image.fromarray(np.zeros(photo.shape[:2], np.uint8)).save(tmp_path / "m.png")
    assert main([str(png), "-o", str(tmp_path / "f.png"), "--mask", str(tmp_path / "m.png")]) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "f.png").pixels, photo)
    assert "nothing to fill" in capsys.readouterr().out


def test_the_input_may_be_replaced_only_when_asked(tmp_path, png, photo, capsys):
    words = [str(png), "-o", str(png), "--box", "0", "0", "9", "9"]
    before = png.read_bytes()
    assert main(words) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert png.read_bytes() == before
    assert main([*words, "--overwrite"]) == 0
    assert png.read_bytes() != before


BOX = ["--box", "5", "5", "20", "20"]
BAD = {
    "unreadable": (["{tmp}/text.png", *BOX], "is no image that is read here: PNG, JPEG"),
    "missing": (["{tmp}/nothing.png", *BOX], "No such file"),
    "mask of another size": (["{png}", "--mask", "{tmp}/small.png"], "the mask must have the same size"),
    "no known pixel": (["{png}", "--mask", "{tmp}/all.png"], "no pixel is known"),
    "box outside": (["{png}", "--box", "5000", "0", "5010", "9"], "lies outside the image of 512 x 640"),
    "empty box": (["{png}", "--box", "9", "9", "9", "20"], "is empty"),
    "no model": (["{png}", *BOX, "--model", "nonsense"], "no model 'nonsense'"),
    "no output name": (["{png}", *BOX, "--model", "{tmp}"], "no model"),
    "no onnx": (["{png}", *BOX, "--model", "{png}"], "is not a model that ONNX Runtime can load"),
    "other device": (["{png}", *BOX, "--device", "gpu"], "unknown device 'gpu'"),
}


@pytest.mark.parametrize(("words", "message"), BAD.values(), ids=BAD)
def test_bad_input_gets_a_sentence_and_writes_nothing(tmp_path, png, photo, capsys, words, message):
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(photo[:100, :, 0]).save(tmp_path / "small.png")
    Image.fromarray(np.full(photo.shape[:2], 255, np.uint8)).save(tmp_path / "all.png")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    words = [word.format(tmp=tmp_path, png=png) for word in words]
    assert main([*words, "-o", str(tmp_path / "out.png")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("inpaint-fill: ")
    assert message in err
    assert err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("words", [["{png}"], ["{png}", "-o", "{out}"], ["{png}", "-o", "{out}", "--box", "1", "2"],
                                   ["{png}", "-o", "{out}", *BOX, "--grow", "-1"], [], ["--nonsense"]])  # fmt: skip
def test_wrong_usage_exits_2(tmp_path, png, words):
    with pytest.raises(SystemExit) as exit_:
        main([word.format(png=png, out=tmp_path / "o.png") for word in words])
    assert exit_.value.code == 2
    assert not (tmp_path / "o.png").exists()


def test_wrong_output_is_refused_before_the_work(tmp_path, png, capsys):
    for output, message in (("f.txt", "must end in one of .png"), ("no/f.png", "is no folder")):
        assert main([str(png), "-o", str(tmp_path / output), *BOX]) == 1
        assert message in capsys.readouterr().err


def test_a_jpeg_says_that_it_is_encoded_again(tmp_path, capsys):
    assert main([str(THE_CREST.path), "-o", str(tmp_path / "f.jpg"), *BOX]) == 0
    assert capsys.readouterr().err.count("JPEG loses a little") == 1


@pytest.fixture
def scans(tmp_path, photo):
    """Five files in two folders: one is broken, one is a stack of 16 bits."""
    (tmp_path / "in/sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "sub/c.png")):
        Image.fromarray(photo[number * 50 : number * 50 + 120, :150]).save(tmp_path / "in" / name)
    tifffile.imwrite(tmp_path / "in/sub/d.tif", np.stack([photo[:120, :150, 0]] * 2).astype(np.uint16) * 200)
    (tmp_path / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return tmp_path


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_folder_with_a_broken_file(scans, capsys, jobs):
    words = [
        str(scans / "in"),
        "-o",
        str(scans / "out"),
        "--box",
        "30",
        "40",
        "70",
        "90",
        "--device",
        "cpu",
        "--jobs",
        jobs,
    ]
    words += ["--record", "--synthetic-mask", str(scans / "made-up")]
    assert main(words) == 1
    printed = capsys.readouterr()
    assert "broken.png is broken" in printed.err
    assert "4 of 5 files filled, 1 failed" in printed.err
    assert len(printed.out.splitlines()) == 4
    written = sorted(
        path.relative_to(scans / "out").as_posix() for path in (scans / "out").rglob("*") if path.is_file()
    )
    assert written == ["a.png", "a.png.json", "b.png", "b.png.json", "sub/c.png", "sub/c.png.json", "sub/d.tif",
                       "sub/d.tif.json"]  # fmt: skip
    for name in ("a.png", "sub/d.tif"):
        before, after = read_image(scans / "in" / name).pixels, read_image(scans / "out" / name).pixels
        made_up = np.asarray(Image.open((scans / "made-up" / name).with_suffix(".png")))
        changed = (before != after).reshape(-1, *before.shape[-3:])[0] if name == "a.png" else before[0] != after[0]
        changed = changed.any(-1) if changed.ndim == 3 else changed
        assert made_up.sum() == 40 * 50
        assert not (changed & ~made_up).any()


def test_a_second_run_skips_what_is_finished(scans, capsys):
    words = [str(scans / "in"), "-o", str(scans / "out"), "--box", "30", "40", "70", "90", "--device", "cpu"]
    main(words)
    whole = {path: path.read_bytes() for path in (scans / "out").rglob("*") if path.is_file()}
    (scans / "out/b.png").unlink()  # as if the run had been killed before it
    capsys.readouterr()
    assert main(words) == 1
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.out.splitlines()] == [str(scans / "out/b.png")]
    assert "1 of 5 files filled, 3 were there, 1 failed" in printed.err
    assert {path: path.read_bytes() for path in whole} == whole


def test_masks_by_name(scans, capsys):
    for name in ("a", "b"):
        (scans / "masks").mkdir(exist_ok=True)
        mask = np.zeros((120, 150), np.uint8)
        mask[10:40, 10 : 40 if name == "a" else 60] = 255
        Image.fromarray(mask).save(scans / "masks" / f"{name}.tif")
    images = [str(scans / "in/a.png"), str(scans / "in/b.png")]
    words = [*images, "-o", str(scans / "out"), "--mask", str(scans / "masks"), "--device", "cpu", "--json"]
    assert main(words) == 0
    records = [json.loads(line)["record"] for line in capsys.readouterr().out.splitlines()]
    assert [record["filled_pixels"] for record in records] == [900, 1500]
    assert main([*words, str(scans / "in/sub/c.png")]) == 1  # which has no mask: the others were filled
    printed = capsys.readouterr()
    assert "c.png has no mask in" in printed.err
    assert "looked for c.*" in printed.err
    assert "0 of 3 files filled, 2 were there, 1 failed" in printed.err


def test_self_check_prints_a_table_and_writes_nothing(tmp_path, png, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [png.name, "--box", "100", "120", "130", "160", "--self-check"]
    assert main(words) == 0
    table = capsys.readouterr().out
    assert "8 known places beside 1 hole were" in table
    assert [line.split()[0] for line in table.splitlines()[-5:]] == ["fill", "network", "smooth", "pull-push", "telea"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["fill"]["l1"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    with pytest.raises(SystemExit):
        main([*words, "--plan"])


def test_plans_of_a_folder(scans, capsys):
    (scans / "in/broken.png").unlink()
    assert main([str(scans / "in"), "--box", "30", "40", "70", "90", "--plan", "--json"]) == 0
    plans = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [plan["network_calls"] for plan in plans] == [1, 1, 1, 2]
    assert main([str(scans / "in"), "--box", "30", "40", "70", "90", "--plan"]) == 0
    assert "a.png: 1 window, 1 hole: 1 for the network" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--jobs", "0"], ["--grow", "-1"], ["--series", "-1"]])
def test_wrong_usage_exits_with_2(scans, words):
    with pytest.raises(SystemExit) as stop:
        main([str(scans / "in"), *words, "-o", str(scans / "out"), *(["--nan"] if words else [])])
    assert stop.value.code == 2


@pytest.mark.parametrize("axis", ["1", "-3"])
def test_a_stack_is_never_one_of_channels(tmp_path, capsys, axis):
    image = tmp_path / "cells.tif"
    tifffile.imwrite(image, np.zeros((3, 2, 40, 50), np.uint16), imagej=True, metadata={"axes": "TCYX"})
    words = [str(image), "-o", str(tmp_path / "out.tif"), "--box", "5", "5", "15", "15", "--sources", "stack"]
    assert main([*words, "--stack-axis", axis]) == 1
    assert f"axis {axis} of {image} holds channels" in capsys.readouterr().err
    assert main([*words, "--stack-axis", "0"]) == 0
