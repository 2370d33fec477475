from inpaint_training.evaluation.report import format_bins, format_table


def test_tables():
    rows = {"a": {"l1": 1.0, "psnr": 20.0, "rim": 0.5, "seconds": 1.0},
            "b": {"l1": 2.0, "psnr": 30.0, "rim": 1.2, "kid_lite0": 0.1, "seconds": 2.0}}  # fmt: skip
    assert format_table(rows).splitlines() == [
        "| method | L1 % (hole) | PSNR | rim jump | kid_lite0 | s per crop |",
        "| --- | --- | --- | --- | --- | --- |",
        "| a | **1.00** | 20.00 | 0.50 | – | 1.000 |",
        "| b | 2.00 | **30.00** | **1.20** | **0.1000** | 2.000 |",
    ]
    lines = format_bins({"< 5 %": (3, {"a": {"l1": 1.0}}), "> 40 %": (1, {"a": {"l1": 2.0}})}).splitlines()
    assert lines[2:] == ["| < 5 % | 3 | a | **1.00** |", "| > 40 % | 1 | a | **2.00** |"]
