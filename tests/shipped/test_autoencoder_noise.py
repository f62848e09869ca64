"""The shipped ablation of noise shows what docs/course.md says, of three variants at five seeds."""

from pathlib import Path

import pytest

from dlx import api
from dlx.config.shipped import shipped
from tests.guarded import LEARNING

pytestmark = [pytest.mark.slow(*LEARNING), pytest.mark.usefixtures("one_thread")]

NOISE = [None, {"name": "salt_and_pepper", "rate": 0.3}, {"name": "gaussian", "std": 0.6}]


def test_noise_makes_better_codes_and_worse_reconstructions(tmp_path: Path) -> None:
    config = api.read_ablation(
        shipped()["ablations/autoencoder_noise"], ["log.points=2"], seeds="5"
    )
    assert config.ablation is not None
    section = config.ablation.model_copy(update={"vary": {"model.corruption": NOISE}})
    config = config.model_copy(update={"ablation": section})
    summary = api.train_plan(api.plan_ablation(config), runs_dir=tmp_path).summary
    plain, salted, strong = (each["metrics"]["dev"] for each in summary["variants"])
    assert salted["probe_accuracy"]["mean"] > plain["probe_accuracy"]["mean"]
    assert strong["fine_tuned_error"]["mean"] < plain["fine_tuned_error"]["mean"]
    for tag, most in (("probe_accuracy", 0.94), ("fine_tuned_accuracy", 0.94)):
        assert 0.85 < plain[tag]["mean"] < most
    errors = [each["squared_error_per_row"]["mean"] for each in (plain, salted, strong)]
    assert errors == sorted(errors) and errors[2] > 4 * errors[0]
