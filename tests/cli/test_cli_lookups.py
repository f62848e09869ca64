"""`dlx init`, `dlx config`, `dlx list`, `dlx data`."""

import json
from pathlib import Path

import pytest

from dlx.config.shipped import command_of, shipped, summary
from dlx.registry import MODULES, get, names
from tests.cli.conftest import Command
from tests.guarded import LEARNING

SHIPPED = {
    *("breast_cancer", "digits", "iris", "mnist", "xor"),
    *("ablations/activation_depth", "ablations/mnist_knobs"),
    *("gates/and", "gates/nand", "gates/or", "gates/xor", "gates/half_adder"),
}


def test_the_shipped_configs() -> None:
    assert set(shipped()) >= SHIPPED
    assert all(summary(path) for path in shipped().values())


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_config_is_valid(name: str, dlx: Command) -> None:
    assert dlx("config", "validate", name).code == 0


@pytest.mark.slow(*LEARNING)
@pytest.mark.parametrize("name", shipped())
def test_a_shipped_config_works_shortened(
    name: str, dlx: Command, request: pytest.FixtureRequest
) -> None:
    steps = 0 if name.endswith("by_hand") else 3
    changes = [f"train.steps={steps}"]
    if "name: mnist" in shipped()[name].read_text():
        request.getfixturevalue("mnist")
        changes += ["data.limit=1000", "data.split={dev: 1000}", f"log.every={steps}"]
    if "\npretrain:" in shipped()[name].read_text():
        changes += ["pretrain.epochs=1"]
    ended = dlx("train", name, *changes, "--quiet", "--json")
    assert (ended.code, ended.json["status"], ended.json["steps"]) == (0, "completed", steps)


def test_init_lists(dlx: Command) -> None:
    assert set(dlx("init", "--json").json["configs"]) == set(shipped())
    assert "Handwritten digits" in dlx("init").out


@pytest.mark.parametrize("name", shipped())
def test_init_copies(name: str, dlx: Command, tmp_path: Path) -> None:
    ended = dlx("init", name)
    copy = tmp_path / f"{name.split('/')[-1]}.yaml"
    assert ended.code == 0
    files = "table.yaml and table.csv" if name == "table" else copy.name
    command = command_of(copy)
    assert ended.err == f"{files} written; `dlx {command} {copy.name}` trains it\n"
    assert copy.read_bytes() == shipped()[name].read_bytes()
    assert dlx("config", "validate", copy.name).code == 0


def test_init_says_that_an_ablation_is_one(dlx: Command) -> None:
    ended = dlx("init", "ablations/activation_depth")
    assert ended.err.endswith("; `dlx ablate activation_depth.yaml` trains it\n")


def test_init_overwrites_nothing(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    ended = dlx("init", "digits", "--output", "mine.yaml")
    assert ended.code == 2
    assert "mine.yaml exists already" in ended.err
    assert (tmp_path / "mine.yaml").read_text() == "mine"


def test_init_of_an_unknown_name(dlx: Command) -> None:
    ended = dlx("init", "digit")
    assert ended.code == 2
    assert "did you mean 'digits'? (there are: augment, autoencoder, " in ended.err


def test_a_file_goes_before_a_shipped_name(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "xor").write_text("data: iris\n")
    assert "name: iris" in dlx("config", "show", "xor").out


def test_config_show_is_resolved_and_loads_again(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("config", "show", "digits", "optimizer=sgd", "seed=4")
    (tmp_path / "again.yaml").write_text(ended.out)
    assert dlx("config", "show", "again.yaml").out == ended.out
    document = dlx("config", "show", "again.yaml", "--json").json
    assert document["optimizer"]["name"] == "sgd"
    assert (document["seed"], document["train"]["checkpoint_seconds"]) == (4, 30)


def test_config_validate(dlx: Command) -> None:
    assert dlx("config", "validate", "xor", "seed=2", "--json").json["valid"] is True
    ended = dlx("config", "validate", "xor", "model.hidden=wide", "model.init=he")
    assert ended.code == 2
    assert ended.err.startswith("error: 2 errors\n  override ")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("ablation={vary: {train.batch_size: [-1, 2]}}", "variant 'batch_size=-1': train.batch_si"),
        (
            "ablation={vary: {optimizer.lr: [1, 2]}, baseline: lr=3}",
            "'lr=3' is no variant; did you",
        ),
        ("ablation={vary: {seed: [1, 2]}}", "seeds are no factor"),
        ("search={space: {optimizer.lr: [-1, 1]}}", r"space.optimizer.lr: -1 cannot be trained"),
        ("search={space: {optimizer.lr: 1..0.1}}", "search.space.optimizer.lr: received '1..0.1'"),
        ("search={space: {data.split_seed: [1, 2]}}", "trials on different rows do not compare"),
    ],
)
def test_config_validate_checks_what_compares(section: str, message: str, dlx: Command) -> None:
    ended = dlx("config", "validate", "xor", section)
    assert (ended.code, message in ended.err) == (2, True), ended.err


def test_config_validate_lets_the_command_line_say_what_varies(dlx: Command) -> None:
    assert dlx("config", "validate", "xor", "ablation={seeds: 3}", "search={trials: 4}").code == 0


def test_config_schema(dlx: Command) -> None:
    assert dlx("config", "schema").json["$schema"].startswith("https://json-schema.org/")


def test_list_kinds(dlx: Command) -> None:
    assert dlx("list", "--json").json == {kind: names(kind) for kind in MODULES}
    assert "activation" in dlx("list").out


@pytest.mark.parametrize("kind", MODULES)
def test_list_a_kind(kind: str, dlx: Command) -> None:
    entries = dlx("list", kind, "--json").json["entries"]
    assert [entry["name"] for entry in entries] == names(kind)
    text = dlx("list", kind).out
    for entry in entries:
        registered = get(kind, entry["name"])
        assert f"{entry['name']}: {registered.summary}\n" in text
        assert registered.reference in text
        assert [option["name"] for option in entry["options"]] == list(registered.options)
        assert all(option["description"] for option in entry["options"])


def test_list_by_the_plural(dlx: Command) -> None:
    assert dlx("list", "activations").out == dlx("list", "activation").out
    assert "cross_entropy" in dlx("list", "losses").out
    assert "    negative_slope: 0.01    slope for z <= 0\n" in dlx("list", "activations").out


def test_list_tells_what_all_of_a_kind_have_in_common(dlx: Command) -> None:
    text = dlx("list", "dropouts").out
    assert "\n\nEvery dropout also takes:\n    input: 0.0    Share of the inputs" in text
    common = dlx("list", "block", "--json").json["common"]
    assert [(option["name"], option["default"]) for option in common] == [("repeat", 1)]
    assert dlx("list", "activation", "--json").json["common"] == []


def test_list_an_unknown_kind(dlx: Command) -> None:
    ended = dlx("list", "optimiser")
    assert ended.code == 2
    assert "did you mean 'optimizer'?" in ended.err


def test_data_list(dlx: Command) -> None:
    sources = dlx("data", "list", "--json").json["data"]
    assert [source["name"] for source in sources] == names("data")
    assert {source["name"] for source in sources if source["needs_fetch"]} >= {"mnist", "cifar10"}
    assert "digits" in dlx("data", "list").out


def test_data_show(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("data", "show", "digits", "--output", "digits.png")
    assert ended.code == 0
    assert "multiclass, 1,797 rows; inputs of shape 8 × 8" in ended.out
    assert "@" in ended.out  # a picture in characters
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")
    description = dlx("data", "show", "iris", "--json").json
    assert (description["rows"], description["classes"]["setosa"]["rows"]) == (150, 50)
    assert "sepal length" in dlx("data", "show", "iris").out


def test_data_show_has_no_picture_of_a_table(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("data", "show", "iris", "--output", "iris.png")
    assert ended.code == 3
    assert "which are not images" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_data_show_takes_the_options_of_a_source(dlx: Command) -> None:
    assert dlx("data", "show", "moons", "rows=50", "--json").json["rows"] == 50
    wrong = dlx("data", "show", "moons", "nose=0.3")
    assert wrong.code == 2 and "nose: unknown key; did you mean 'noise'?" in wrong.err


def test_data_fetch_what_is_there(dlx: Command) -> None:
    ended = dlx("data", "fetch", "digits", "--json")
    assert (ended.code, ended.json["rows"]) == (0, 1797)


def test_data_fetch_an_unknown_set(dlx: Command) -> None:
    ended = dlx("data", "fetch", "digit")
    assert ended.code == 2
    assert "did you mean 'digits'?" in ended.err


def test_numbers_that_are_not_finite_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    from dlx.cli.output import emit_json

    emit_json({"a": [float("nan"), float("-inf"), 1.5], "b": {"c": float("inf")}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, None, 1.5], "b": {"c": None}}
