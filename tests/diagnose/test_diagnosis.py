"""What stands out in runs: the gaps of the course, the signs of single rules, whole runs."""

import math
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import diagnosis as zoo
from dlx import api
from dlx.api.diagnosis import evidence_of
from dlx.cli.output import emit_findings
from dlx.config.load import load
from dlx.diagnose.diagnosis import diagnose
from dlx.diagnose.evidence import Errors, Evidence
from dlx.diagnose.mistakes import calibration_error
from dlx.diagnose.rules import remedies
from dlx.diagnose.rules.bias_variance import bias_and_variance
from dlx.diagnose.rules.finding import NAMES, Finding
from dlx.diagnose.simple_models import errors_of, simple_answers
from dlx.tracking.evaluations import Curve
from tests.guarded import LEARNING

pytestmark = pytest.mark.usefixtures("without_pictures")

DEEP = Path(__file__).parents[2] / "configs" / "course" / "deep_sigmoid.yaml"


def errors(share: float, rows: int = 10_000) -> Errors:
    wrong = np.zeros(rows)
    wrong[: round(share * rows)] = 1
    return Errors(wrong, 0.5)


@pytest.mark.parametrize(
    ("train", "dev", "human", "bias", "variance"),
    [
        (0.01, 0.11, 0.0, None, 0.10),
        (0.15, 0.16, 0.0, 0.15, None),
        (0.15, 0.30, 0.0, 0.15, 0.15),
        (0.005, 0.01, 0.0, None, None),
        (0.15, 0.16, 0.15, None, None),
        (0.01, 0.15, 0.01, None, 0.14),  # accuracies of 0.99 and 0.85
    ],
)
def test_the_cases_of_the_course(
    train: float, dev: float, human: float, bias: float | None, variance: float | None
) -> None:
    gaps = bias_and_variance(errors(train), errors(dev), human)
    assert gaps.bias == (bias and pytest.approx(bias - human))
    assert gaps.variance == (variance and pytest.approx(variance))


def test_eighteen_dev_rows_prove_nothing() -> None:
    assert bias_and_variance(errors(0.05), errors(3 / 18, rows=18)).variance is None
    assert bias_and_variance(errors(0.05), errors(1 / 6, rows=1800)).variance is not None


def test_a_mismatch_is_between_train_dev_and_dev() -> None:
    gaps = bias_and_variance(errors(0.01), errors(0.1), train_dev=errors(0.015))
    assert gaps.variance is None
    assert gaps.mismatch == pytest.approx(0.085)
    assert bias_and_variance(errors(0.01), errors(0.1), test=errors(0.2)).dev is not None


@pytest.mark.slow(*LEARNING, "dlx/diagnose/")
def test_nine_sigmoid_layers_let_nothing_pass_and_the_command_mends_them(tmp_path: Path) -> None:
    run = api.train(DEEP, ["train.steps=1000"], runs_dir=tmp_path)
    findings = api.diagnose_run(run)["findings"]
    first = findings[0]
    assert first["name"] == "dying_signal" and first["severity"] == "high"
    assert "nothing of the input reaches the output" in first["reason"]
    assert "no gradient reaches the input" in first["reason"]
    seen = first["evidence"]
    assert seen["between_rows_last"] < 1e-9 < 1e-4 < seen["between_rows_first"]
    assert seen["first_gradient"] < 1e-6
    command, config, *changes = shlex.split(first["try"])[1:]
    assert command == "train"
    mended = api.train(config, changes, runs_dir=tmp_path)
    assert mended.metrics["train"]["accuracy"] == 1


@pytest.mark.slow(*LEARNING, "dlx/diagnose/")
def test_equal_outputs_at_the_threshold_explain_the_accuracy_of_xor(tmp_path: Path) -> None:
    deep = "model.hidden=[10,10,10,10,10,10,10,10,10]"
    sigmoid = ["model.activation=sigmoid", "model.init=xavier_normal", "train.steps=300"]
    for changes, digits in (([deep, *sigmoid], 6), (["train.steps=1000"], 7)):
        run = api.train("gates/xor", changes, runs_dir=tmp_path)
        right = f"{100 * run.metrics['train']['accuracy']:.0f} %"
        [found] = [f for f in api.diagnose_run(run)["findings"] if f["name"] == "constant_outputs"]
        assert f"equal to {digits} digits, at the threshold 0.5" in found["reason"]
        assert f"their last digits decide which rows are right, {right} of them" in found["reason"]
    config, *changes = shlex.split(found["try"])[2:]  # of the net without a hidden layer
    assert api.train(config, changes, runs_dir=tmp_path).metrics["train"]["accuracy"] == 1


def test_digits_that_were_learned_by_heart_have_high_variance(tmp_path: Path) -> None:
    changes = ["data.limit=60", "train.batch_size=all", "train.epochs=200"]
    run = api.train("digits", changes, runs_dir=tmp_path)
    first = api.diagnose_run(run)["findings"][0]
    assert (first["name"], first["severity"]) == ("high_variance", "high")
    gap = run.metrics["train"]["accuracy"] - run.metrics["dev"]["accuracy"]
    assert first["evidence"]["gap"] == pytest.approx(gap)
    for remedy in ("more data", "dropout", "a penalty"):
        assert remedy in first["reason"]


def test_a_healthy_run_has_nothing_severe(tmp_path: Path) -> None:
    run = api.train("iris", runs_dir=tmp_path)
    assert all(f["severity"] != "high" for f in api.diagnose_run(run)["findings"])


def evidence(train: dict[str, list[float]], **more: object) -> Evidence:
    steps = len(next(iter(train.values())))
    values = {"train": {tag: tuple(column) for tag, column in train.items()}}
    curve = Curve(tuple(range(steps)), values)
    config = load({"data": "digits"}, [])
    return Evidence(config, {"status": "completed"}, curve, **more)  # type: ignore[arg-type]


def names(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings]


def test_a_cost_that_rose_and_stayed_finite_exploded() -> None:
    found = diagnose(evidence({"cost": [2.3, 1e8, 4e8]}, errors={"train": errors(0.9)}))
    assert {"rate_too_high", "exploded_cost"} <= set(names(found))
    assert found[0].changes == ("optimizer.lr=0.0001",)


def test_without_a_record_of_its_steps_no_rate_is_too_low() -> None:
    falling = [2.3, 2.28, 2.26, 2.24, 2.22, 2.2]
    slow = {"cost": falling, "update_ratio/1": [1e-6] * 6, "between_rows/1": [1.0] * 6}
    failing = {"train": errors(0.45)}
    assert "rate_too_low" in names(diagnose(evidence(slow, errors=failing)))
    assert "rate_too_low" not in names(diagnose(evidence({"cost": falling}, errors=failing)))


def test_moving_inputs_of_a_layer_are_a_covariate_shift() -> None:
    def drifting(means: list[float]) -> Evidence:
        values = {"between_rows/1": [1.0] * 6, "between_rows/2": [1.0] * 6}
        return evidence(
            {"cost": [2, 1, 0.5, 0.2, 0.1, 0.1], "z_mean/1": means, "z_std/1": [1.0] * 6, **values}
        )

    assert "covariate_shift" in names(diagnose(drifting([0, 1, 2, 4, 6, 8])))
    assert "covariate_shift" not in names(diagnose(drifting([0, 0.1, 0.1, 0.2, 0.2, 0.2])))


def test_the_calibration_error_is_that_of_the_formula() -> None:
    outputs = np.tile([0.9, 0.1], (100, 1))
    targets = np.array([0] * 60 + [1] * 40)
    error, noise = calibration_error(outputs, targets)
    assert error == pytest.approx(0.3)
    assert noise == pytest.approx(math.sqrt(0.09 / 100))


def test_neighbours_do_not_answer_for_themselves() -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(400, 3))
    targets = generator.integers(0, 2, 400)  # nothing to learn
    found = simple_answers(inputs, targets, True, inputs[:9])["nearest neighbours"]
    assert errors_of(found.own, targets).mean() == pytest.approx(0.5, abs=0.1)
    assert found.others.shape == (9, 2)
    line = (inputs @ np.array([1.0, -2.0, 0.5]))[:, None]
    found = simple_answers(inputs, line, False, inputs[:9])["a linear model"]
    assert errors_of(found.own, line).mean() < 0.01
    assert np.abs(found.others - line[:9]).max() < 0.5


def test_a_column_with_the_answer_and_copied_rows_are_named(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{int(a + b > 0)}" for a, b in generator.normal(size=(120, 2))]
    rows = [f"{row},{2 * int(row[-1]) + 1}" for row in rows]  # a code of the answer
    (tmp_path / "t.csv").write_text("\n".join(["a,b,won,fee", *rows, *rows]))
    config = {"data": {"name": "csv", "path": str(tmp_path / "t.csv"), "target": "won"}}
    run = api.train(config, ["train.epochs=5", "model.hidden=[4]"], runs_dir=tmp_path)
    found = {f["name"]: f for f in api.diagnose_run(run)["findings"]}
    assert "input fee alone tells 100 %" in found["leaking_column"]["reason"]
    assert found["duplicate_rows"]["evidence"]["copied"] > 10
    config, changes = _command(found["leaking_column"]["try"])
    assert changes == ["data.ignore=[fee]"]
    assert api.prepare(config, changes).splits.features == ("a", "b")


def test_dev_rows_of_another_kind_are_told_by_their_inputs(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, shift in {"train": 0.0, "dev": 1.5, "test": 0.0}.items():
        inputs = generator.normal((shift, 0), size=(80, 2))
        rows = [f"{a:.3f},{b:.3f},{int(b > 0)}" for a, b in inputs]
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,b,won", *rows]))
    path = {name: str(tmp_path / f"{name}.csv") for name in ("train", "dev", "test")}
    data = {"name": "csv", "path": path, "target": "won"}
    run = api.train({"data": data}, ["train.epochs=20"], runs_dir=tmp_path)
    found = {f["name"]: f for f in api.diagnose_run(run)["findings"]}
    assert "the mean of input a is 1." in found["data_mismatch"]["reason"]
    assert found["data_mismatch"]["evidence"]["inputs"] == 1


def test_a_penalty_that_holds_weights_small_is_high_bias() -> None:
    def found(sure: float, *changes: str) -> list[Finding]:
        outputs = np.tile([sure, 1 - sure], (100, 1))
        said = {"train": (outputs, np.zeros(100, int))}
        run = evidence({"cost": [0.7, 0.5, 0.4]}, errors={"train": errors(0.05)}, said=said)
        run = replace(run, config=load({"data": "digits"}, ["data.human_error=0.05", *changes]))
        return [f for f in diagnose(run) if f.name == "high_bias"]

    decay = "optimizer={name: adamw, weight_decay: 0.1}"
    assert found(0.6, decay)[0].changes == ("optimizer.weight_decay=0",)
    assert found(0.6, "train.penalty={l2: 0.1}")[0].changes == ("train.penalty=null",)
    assert not found(0.95, decay) and not found(0.6)


def test_a_state_that_grows_from_step_to_step_explodes() -> None:
    def found(state: float) -> list[Finding]:
        layers = ("1.projection", "1", "2")
        values = {f"between_rows/{layer}": [1.0] * 3 for layer in layers}
        values |= {"activation_std/1": [state] * 3, "activation_std/1.projection": [0.2] * 3}
        info = {"status": "completed", "task": {"class_counts": [50, 50]}}
        run = evidence({"cost": [4.0, 1.0, 0.5], **values}, errors={"train": errors(0.2)})
        return [f for f in diagnose(replace(run, info=info)) if f.name == "exploding_gradient"]

    assert found(2.0)[0].evidence["ratio"] == pytest.approx(10)
    assert not found(0.6)


def test_dropout_of_most_units_is_what_is_taken_away() -> None:
    def changes(dropout: float) -> tuple[str, ...]:
        run = evidence({"cost": [1.0, 0.9, 0.8]}, errors={"train": errors(0.4)})
        config = load({"data": "digits"}, [f"model.dropout={dropout}"])
        return remedies.sound_start(replace(run, config=config))

    assert changes(0.8) == ("model.dropout=0",) != changes(0.2)


def test_findings_that_one_command_may_cure_are_printed_as_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding = {"severity": "high", "reason": "why", "try": "dlx train c.yaml a=1"}
    told = [{**finding, "name": name} for name in ("symmetry", "plateau", "saturation")]
    told[2]["try"] = "dlx evaluate r"
    emit_findings([*told, {**told[2], "name": "too_few_rows"}], most=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  try: dlx train c.yaml a=1  (also against plateau)"
    assert lines[2].startswith("high: saturation") and lines[4] == "(1 more: `dlx diagnose`)"


def test_a_bad_start_is_mended_by_another_start_and_not_by_a_lower_rate() -> None:
    def changes(shares: list[float]) -> tuple[str, ...]:
        values = {"cost": [1.0, 0.9, 0.8], **{f"between_rows/{n}": [1.0] * 3 for n in (1, 2)}}
        run = evidence(values | {"activation_saturated/1": shares}, errors={"train": errors(0.3)})
        return next(f.changes for f in diagnose(run) if f.name == "saturation")

    assert changes([0.6, 0.6, 0.6]) == ("model.init=xavier_normal",)
    assert changes([0.2, 0.6, 0.6]) == ("optimizer.lr=0.0001",)


def test_a_network_with_dead_biases_gets_others_and_learns(tmp_path: Path) -> None:
    dead = ["model.bias={name: constant, value: -3}", "data.scale=true", "train.epochs=5"]
    run = api.train("digits", dead, runs_dir=tmp_path)
    [found] = [f for f in api.diagnose_run(run)["findings"] if f["name"] == "dead_units"]
    mended = api.train(*_command(found["try"]), runs_dir=tmp_path)
    assert run.metrics["train"]["accuracy"] < 0.2 < 0.8 < mended.metrics["train"]["accuracy"]


def test_smoothed_labels_are_not_cured_by_dropout(tmp_path: Path) -> None:
    smoothed = ["model.loss={name: cross_entropy, label_smoothing: 0.4}", "train.epochs=10"]
    run = api.train("digits", smoothed, runs_dir=tmp_path)
    [found] = [f for f in api.diagnose_run(run)["findings"] if f["name"] == "poor_calibration"]
    assert found["evidence"]["confidence"] < found["evidence"]["accuracy"]
    mended = api.train(*_command(found["try"]), runs_dir=tmp_path)
    assert "poor_calibration" not in {f["name"] for f in api.diagnose_run(mended)["findings"]}


def _command(text: str) -> tuple[str, list[str]]:
    """Return the config and the changes of `dlx train`."""
    _, command, config, *changes = shlex.split(text)
    assert command == "train"
    return config, changes


def test_every_name_has_its_place_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text()
    missing = [name for name in NAMES if f"`{name}`" not in page]
    assert not missing


@pytest.mark.slow("dlx/diagnose/", "dlx/training/layer_statistics.py", "benchmarks/diagnosis.py")
@pytest.mark.parametrize(("name", "case"), [*zoo.SICK.items(), *zoo.HEALTHY.items()])
def test_what_is_wrong_is_told_and_each_command_can_run(
    name: str, case: zoo.Case, tmp_path: Path
) -> None:
    findings = zoo.examine(case, 0, tmp_path)
    zoo.run_as_printed(findings)
    assert zoo.is_told(case, findings), findings


def test_a_remedy_fits_options_with_a_value_for_each_layer(tmp_path: Path) -> None:
    changes = ["model.hidden=[3,3,3]", "model.activation=[tanh,relu,tanh]"]
    changes.append("model.init=[he_normal,zeros,he_normal,xavier_normal]")
    run = api.train("digits", [*changes, "train.epochs=3"], runs_dir=tmp_path)
    e = evidence_of(run, run.labelled_splits(None, None))
    for change in (remedies.hidden(e, [128, 128]), remedies.simpler(e)):
        job = api.prepare(run.path / "config.yaml", list(change))
        assert job.member.design.layers


def test_a_schedule_that_ends_too_soon_and_a_cost_that_still_falls_are_told(tmp_path: Path) -> None:
    sgd = "optimizer={name: sgd, lr: 0.05}"
    short = api.train("digits", [sgd, "train.epochs=6"], runs_dir=tmp_path)
    assert "still_improving" in [f["name"] for f in api.diagnose_run(short)["findings"]]
    soon = "optimizer.schedule={name: step, every: 15, gamma: 0.01}"
    cut = api.train("digits", [sgd, soon, "train.epochs=6"], runs_dir=tmp_path)
    assert "rate_too_low" in [f["name"] for f in api.diagnose_run(cut)["findings"]]


def test_an_autoencoder_that_principal_components_beat_has_high_bias(tmp_path: Path) -> None:
    model = "model={name: autoencoder, encoder: [8]}"
    changes = ["data.scale=true", model, "optimizer={name: sgd, lr: 0.01}", "train.epochs=3"]
    run = api.train("digits", changes, runs_dir=tmp_path)
    found = {f["name"]: f for f in api.diagnose_run(run)["findings"]}
    assert "8 principal components" in found["high_bias"]["reason"]


def test_a_code_that_is_too_narrow_gets_more_units(tmp_path: Path) -> None:
    model = "model={name: autoencoder, encoder: [16, 1]}"
    run = api.train("digits", ["data.scale=true", model, "train.epochs=5"], runs_dir=tmp_path)
    found = {f["name"]: f for f in api.diagnose_run(run)["findings"]}
    config, [change] = _command(found["high_bias"]["try"])
    assert change == "model.encoder=[16, 5]" and api.prepare(config, [change])


def test_the_error_of_numbers_is_uncertain_as_a_ratio_is() -> None:
    """The rows tell both what the network and what the mean leaves."""
    draws, ratios, told = np.random.default_rng(0), [], []
    for _ in range(4000):
        truth = draws.standard_t(6, 60)
        squares, left = (truth - 0.7 * truth - draws.normal(0, 0.5, 60)) ** 2, truth**2
        errors = Errors(squares / left.mean(), 1.0, left / left.mean())
        ratios.append(errors.mean)
        told.append(errors.variance)
    assert np.mean(told) == pytest.approx(np.var(ratios), rel=0.15)
