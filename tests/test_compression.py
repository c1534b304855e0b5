"""`hyperinr compress` keeps what it promises, and says what cannot be."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from click.testing import CliRunner
from models import random_model

from hyperinr.filters import about
from hyperinr.plugin.commands.compress import compress
from hyperinr.plugin.commands.model import info
from hyperinr_core import hinr


def test_compress_keeps_what_it_promises(tmp_path):
    model = random_model((16, 14, 12), n_encoders=9)
    hinr.save(model, tmp_path / "m.hinr")
    before = os.path.getsize(tmp_path / "m.hinr")
    sizes = []
    for target in (30, 45):
        result = CliRunner().invoke(
            compress, [str(tmp_path / "m.hinr"), "--target-psnr", str(target), "-o", str(tmp_path / "c.hinr")]
        )
        assert result.exception is None, result.output
        small = hinr.load(tmp_path / "c.hinr")
        errors = [
            small.generate(t).sample_grid() - model.generate(t).sample_grid() for t in model.encoder_positions[::2]
        ]
        found = -10 * np.log10(np.mean(np.square(errors)) / 16)  # the field's range is 4
        assert target - 0.5 < found < target + 4
        sizes.append(os.path.getsize(tmp_path / "c.hinr"))
    assert sizes[0] < sizes[1] < before
    limit = (sizes[0] + sizes[1]) // 2
    arguments = [str(tmp_path / "m.hinr"), "--max-bytes", str(limit), "-o", str(tmp_path / "d.hinr")]
    assert CliRunner().invoke(compress, arguments).exception is None
    assert sizes[0] * 0.8 < os.path.getsize(tmp_path / "d.hinr") <= limit


def test_a_compressed_model_says_the_quality_that_it_has_and_the_one_that_it_had(tmp_path):
    model = dataclasses.replace(
        random_model((16, 14, 12), n_encoders=9), quality={"training_psnr_db": {"density": [45.0] * 9}}
    )
    hinr.save(model, tmp_path / "m.hinr")
    for first, second, target in (("m", "c", "20"), ("c", "d", "15")):
        command = [str(tmp_path / f"{first}.hinr"), "--target-psnr", target, "-o", str(tmp_path / f"{second}.hinr")]
        assert CliRunner().invoke(compress, command).exception is None
    small, smaller = (hinr.load(tmp_path / f"{name}.hinr") for name in "cd")
    (measured,) = small.quality.values()
    mean = np.mean(measured["density"])
    theta = small.encoder_positions[0]
    error = small.generate(theta).sample_grid() - model.generate(theta).sample_grid()
    assert measured["density"][0] == pytest.approx(-10 * np.log10(np.mean(np.square(error)) / 16), abs=1e-3)
    assert about.quality_of(small) == f"density {mean:.1f} dB against the original (45.0 dB)" and 20 <= mean < 23
    said = CliRunner().invoke(info, [str(tmp_path / "c.hinr")]).output
    assert f", {mean:.2f} dB against the model it was compressed from, which has 45.00 dB on the training steps" in said
    assert small.provenance["original"] == {"quality": model.quality}
    assert smaller.provenance["original"] == {"quality": small.quality, "original": {"quality": model.quality}}
    assert "on the training steps" not in CliRunner().invoke(info, [str(tmp_path / "d.hinr")]).output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-bytes", "700"], "max-bytes is 700"),
        (["--target-psnr", "140"], "target-psnr is 140.0 dB"),
        (["--target-psnr", "40", "--max-bytes", "700"], "expected one of them"),
    ],
)
def test_compress_says_what_cannot_be(tmp_path, options, message):
    hinr.save(random_model(), tmp_path / "m.hinr")
    result = CliRunner().invoke(compress, [str(tmp_path / "m.hinr"), "-o", str(tmp_path / "c.hinr"), *options])
    assert message in str(result.exception) and not (tmp_path / "c.hinr").exists()
