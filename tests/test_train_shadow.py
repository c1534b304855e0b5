"""`hyperinr train-shadow` and `evaluate-shadow`: from a file to a strip of pictures, and what they refuse."""

from __future__ import annotations

import json

from click.testing import CliRunner
from light_models import GRID, pillars

from hyperinr.filters.image import to_image, write_image
from hyperinr.plugin.cli import hyperinr


def test_commands_from_a_file_to_a_strip(tmp_path):
    write_image(tmp_path / "pillars.vti", to_image(GRID, {"density": pillars()}))
    (tmp_path / "c.json").write_text(
        json.dumps({"training": {"samples": 60_000}, "encoding": {"log2_hashmap_size": 10}})
    )
    run = CliRunner().invoke
    model, volume = str(tmp_path / "s.hinr"), str(tmp_path / "pillars.vti")
    trained = run(
        hyperinr,
        ["train-shadow", volume, "-o", model, "--opacity", "0:0,1:0.3", "--lights", "8", "--encoders", "10",
         "--dims", "12", "11", "10", "--kind", "soft", "--config", str(tmp_path / "c.json"), "--device", "cpu"],
        catch_exceptions=False,
    )  # fmt: skip
    assert (
        trained.exit_code == 0 and "12 x 11 x 10 points, soft shadows, 8 training lights, 10 encoders" in trained.output
    )
    strip = tmp_path / "strip.png"
    found = run(
        hyperinr,
        ["evaluate-shadow", model, volume, "--lights", "3", "--json", "--strip", str(strip)],
        catch_exceptions=False,
    )
    report = json.loads(found.stdout)
    assert set(report) == {"held_out", "wins", "lights"} and len(report["lights"]) == 3
    assert strip.stat().st_size > 10_000
    table = run(hyperinr, ["evaluate-shadow", model, volume, "--lights", "2"], catch_exceptions=False)
    assert "inverse distance" in table.output and "of the lights" in table.output


def test_commands_say_what_is_wrong(tmp_path):
    write_image(tmp_path / "pillars.vti", to_image(GRID, {"density": pillars()}))
    volume = str(tmp_path / "pillars.vti")
    for arguments, words in (
        (["train-shadow", volume, "-o", "x.hinr", "--transfer-function", "Magic"], "no file and no preset"),
        (["train-shadow", volume, "-o", "x.hinr", "--field", "wind"], "has no scalar 'wind'"),
        (["train-shadow", volume, "-o", str(tmp_path / "no" / "x.hinr")], "is no folder that can be written to"),
    ):
        result = CliRunner().invoke(hyperinr, arguments)
        assert words in str(result.exception), arguments
