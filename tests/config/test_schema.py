"""The sections: defaults, what is allowed, and all that is wrong at once."""

import pytest

from dlx.config.load import json_schema, load
from dlx.config.rows import Split
from dlx.errors import ConfigError

BAD = """\
name: ../x
dta: mnist
data:
  name: digits
  split: {dev: 0.6, test: 0.5, tset: 1}
  standardize: true
  scale: true
model:
  hidden: [100, -3, 2.5]
  hidden: 3
  activation: [reluu, {name: leaky_relu, negative_slop: 1}]
  dropout: 1.5
  batch_norm: yes
optimizer:
  lrate: 3
  lr: "fast"
  weight_decay: .nan
  schedule: {nme: cosine}
train: {steps: 1, epochs: 3, batch_size: al, device: gpu}
log: 3
seed: 1_000
ablation:
  vary: {model.activatoin: [relu], optimizer: [], seed: 3, log.level: [full], seeds.x: [1]}
"""

PROBLEMS = [
    r":1: name: received '\.\./x' \(allowed: a folder's name",
    r":2: dta: unknown key; did you mean 'data'\? \(allowed: name, data, model, optimizer,",
    r":5: data\.split\.test: dev 0\.6 and test 0\.5 leave no row to train on; lower one",
    r":5: data\.split\.tset: unknown key; did you mean 'test'\? \(allowed: dev, test, stop, judge,",
    r":7: data\.scale: scale and standardize are both given; keep one of them",
    r":9: model\.hidden\[1\]: received -3 \(allowed: an integer > 0, dense, maxout,",
    r":9: model\.hidden\[2\]: received 2\.5 \(allowed: an integer > 0, dense,",
    r":10: model: 'hidden' stands here twice, first at .*:9; remove one",
    r":11: model\.activation\[0\]: received 'reluu'; did you mean 'relu'\? \(allowed: identity,",
    r":11: model\.activation\[1\]\.negative_slop: unknown key; did you mean 'negative_slope'\?",
    r":12: model\.dropout: received 1\.5 \(allowed: a number >= 0 and < 1, dropout, alpha_dropout",
    r":13: model\.batch_norm: received 'yes' \(allowed: true, false or a mapping",
    r":15: optimizer\.lrate: unknown key; did you mean 'lr'\? \(allowed: name, lr, betas, eps,",
    r":16: optimizer\.lr: received 'fast' \(allowed: a number > 0\)",
    r":17: optimizer\.weight_decay: received NaN \(allowed: a number >= 0\)",
    r":18: optimizer\.schedule\.nme: unknown key; did you mean 'name'\? \(allowed: name, warmup\)",
    r":19: train\.steps: epochs and steps are both given; give one of them",
    r":19: train\.batch_size: received 'al'; did you mean 'all'\? "
    r"\(allowed: an integer > 0, all or auto",
    r":19: train\.device: received 'gpu' \(allowed: auto, cpu, cuda or cuda:N\)",
    r":20: log: received 3 \(allowed: a mapping \(level, points, metrics, every\)\)",
    r":21: seed: received '1_000' \(allowed: an integer >= 0\)",
    r":23: ablation\.vary\.model\.activatoin: unknown key; did you mean 'model\.activation'\?",
    r":23: ablation\.vary\.optimizer: received \[\] \(allowed: a non-empty list or a range",
    r":23: ablation\.vary\.seed: received 3 \(allowed: a non-empty list or a range",
    r":23: ablation\.vary\.seeds\.x: unknown key; did you mean 'seed'\?",
]


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    with pytest.raises(ConfigError) as caught:
        load(path, ["optimizer.lrr=3", "train.epochs"])
    *lines, first, second = str(caught.value).split("\n")
    assert len(lines) == len(PROBLEMS)
    for line, expected in zip(lines, PROBLEMS, strict=True):
        with pytest.raises(ConfigError, match=rf"^.*bad\.yaml{expected}"):
            raise ConfigError(line)
    assert first.startswith("override 'train.epochs': write KEY=VALUE")
    assert second.startswith("override 'optimizer.lrr=3': optimizer.lrr: unknown key; did you mean")


def test_defaults():
    config = load({"data": "digits"})
    assert config.name == "run"
    assert config.data.split == "auto"
    assert config.model.name == "mlp"
    assert config.model.activation.name == "relu"
    assert config.optimizer.name == "adam"
    assert config.optimizer.schedule.name == "constant"
    assert (config.train.epochs, config.train.steps, config.train.batch_size) == (10, None, "auto")
    assert (config.log.level, config.log.points, config.log.every) == ("standard", 200, None)
    assert config.seed == 0
    assert config.ablation is None


@pytest.mark.parametrize("stem", ["mnist-relu", "a.b", "näme", "two words"])
def test_the_name_is_the_stem_of_the_file(tmp_path, stem):
    path = tmp_path / f"{stem}.yaml"
    path.write_text("data: digits")
    assert load(path).name == stem


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "a\\b", ".a", "a..b", " a", "a ", "a\n", "x" * 101]
)
def test_names_that_are_no_folder(name):
    with pytest.raises(ConfigError, match=r"^name: received .*allowed: a folder's name"):
        load({"data": "digits", "name": name})


def test_a_missing_data_set_lists_the_names(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("seed: 1")
    with pytest.raises(ConfigError, match=r"c\.yaml:1: data: required, but not given \(allowed: "):
        load(path)


def test_a_choice_without_its_name_lists_the_names():
    with pytest.raises(ConfigError, match=r"data\.name: required.*\(allowed: .*digits.* or usps\)"):
        load({"data": {"standardize": True}})


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("train.epochs", -1, "an integer >= 0 or null"),
        ("train.epochs", 1.5, "an integer >= 0 or null"),
        ("train.epochs", True, "an integer >= 0 or null"),
        ("train.batch_size", 0, "an integer > 0, all or auto"),
        ("train.clip_norm", 0, "a number > 0 or null"),
        ("train.device", "cuda:x", "auto, cpu, cuda or cuda:N"),
        ("train.matmul_precision", "low", "highest, high or medium"),
        ("train.early_stopping", True, "a mapping (metric, patience) or null"),
        ("train.early_stopping", {"metric": "cost"}, "PART.METRIC (such as dev.cost)"),
        ("train.early_stopping", {"patience": 0}, "an integer >= 1"),
        ("train.checkpoint_seconds", float("inf"), "a number >= 0"),
        ("log.level", "loud", "minimal, standard or full"),
        ("log.every", 0, "an integer > 0, 'N epochs', 'N steps' or null"),
        ("log.every", "0 epochs", "an integer > 0, 'N epochs', 'N steps' or null"),
        ("seed", -1, "an integer >= 0"),
        (
            "ablation.seeds",
            0,
            "an integer > 0, a non-empty list of integers >= 0 or a mapping (until, max)",
        ),
        (
            "ablation.seeds",
            [],
            "an integer > 0, a non-empty list of integers >= 0 or a mapping (until, max)",
        ),
        ("ablation.design", "gird", "grid, one_at_a_time, zip or list"),
        ("data.split", "atuo", "auto or a mapping (dev, test, stop, judge, judged)"),
        ("data.split", {"dev": 1.0}, "an integer >= 0, a number >= 0 and < 1 or null"),
        ("data.split", {"dev": -1}, "an integer >= 0, a number >= 0 and < 1 or null"),
        ("data.standardize", "yes", "true or false"),
    ],
)
def test_one_line_says_what_is_allowed(key, value, allowed):
    section, _, name = key.partition(".")
    values = {section: {name: value} if name else value}
    if section == "data":
        values["data"]["name"] = "digits"
    with pytest.raises(ConfigError) as caught:
        load({"data": "digits", **values})
    assert str(caught.value).startswith(f"{key}")
    assert str(caught.value).endswith(f"(allowed: {allowed})")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({}, (10, None)),
        ({"epochs": 3}, (3, None)),
        ({"steps": 3}, (None, 3)),
        ({"epochs": None, "steps": 3.0}, (None, 3)),
        ({"epochs": 3, "steps": None}, (3, None)),
    ],
)
def test_either_epochs_or_steps(train, expected):
    config = load({"data": "digits", "train": train}).train
    assert (config.epochs, config.steps) == expected


def test_neither_epochs_nor_steps():
    with pytest.raises(ConfigError, match=r"train\.steps: neither epochs nor steps is given"):
        load({"data": "digits", "train": {"epochs": None}})


def test_a_split_keeps_counts_and_fractions_apart():
    split = load({"data": {"name": "digits", "split": {"dev": 100, "test": 0.25}}}).data.split
    assert isinstance(split, Split)
    assert dict(split) == {"dev": 100, "test": 0.25, "stop": None, "judge": None, "judged": False}
    assert type(split.dev) is int


def test_vary_accepts_the_options_of_every_entry():
    vary = {
        "optimizer": ["sgd", {"name": "momentum", "momentum": 0.5}],
        "optimizer.momentum": [0.9],
        "model.activation.negative_slope": [0.1],
        "model.dropout.input": [0.1],
        "data.split.dev": [3],
        "train": [{"steps": 3}],
    }
    config = load({"data": "digits", "ablation": {"vary": vary, "seeds": [1, 2]}})
    assert config.ablation is not None
    assert config.ablation.vary == vary


@pytest.mark.parametrize("key", ["name", "ablation.seeds", "seed.x", "optimizer.lr.x", "", "a..b"])
def test_vary_refuses_what_is_no_setting_of_a_run(key):
    with pytest.raises(ConfigError, match=rf"ablation\.vary\.{key}: unknown key"):
        load({"data": "digits", "ablation": {"vary": {key: [1]}}})


@pytest.mark.parametrize(
    ("written", "warmup"),
    [
        ("linear_warmup", 100),
        ("{name: linear_warmup}", 100),
        ("{name: linear_warmup, steps: 7}", 7),
    ],
)
def test_a_schedule_that_is_gone_is_answered_with_what_to_write(tmp_path, written, warmup):
    path = tmp_path / "old.yaml"
    path.write_text(f"data: digits\noptimizer:\n  schedule: {written}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    instead = f"schedule: {{name: constant, warmup: {warmup}}}"
    said = f"{path}:3: optimizer.schedule: linear_warmup is gone; write {instead}"
    assert str(caught.value) == said
    path.write_text(f"data: digits\noptimizer:\n  {instead}\n")
    assert load(path).optimizer.schedule.warmup == warmup


HUGE = {
    "train.steps": (10**400, r"received an integer of about 401 digits; at most 1,000,000,000,000"),
    "train.epochs": (1e300, r"received an integer of about 301 digits; at most 1,000,000,000,000"),
    "train.batch_size": (10**30, r"at most 1,000,000,000,000 can be used here"),
    "model.hidden": ([10**30], r"received 10{30}; at most 1,000,000,000,000"),
    "seed": (
        10**4000,
        r"received an integer of about 4001 digits; at most 9,223,372,036,854,775,807",
    ),
    "optimizer.lr": (10**400, r"received an integer of about 401 digits \(allowed: a number > 0\)"),
    "optimizer.weight_decay": (1e39, r"weight_decay: received 1e\+39; at most 3e\+38 can be used"),
    "log.every": (f"1{'0' * 5000} steps", r"log\.every: received '10{54,}\.\.\. \(allowed"),
    "train.device": (f"cuda:{'1' * 5000}", r"train\.device: received 'cuda:1+\.\.\."),
    "data.fold": ({"number": 1, "of": 10**30}, r"data\.fold\.of: received 10{30}; at most"),
    "data.split": ({"dev": 10**30}, r"data\.split\.dev: received 10{30}; at most"),
    "data.rows": (10**13, r"data\.rows: received 10{13}; at most"),
    "ablation.seeds": (10**9, r"ablation\.seeds: received 10{9}; at most 100,000 can be used here"),
    "ablation.tune_seeds": (10**9, r"ablation\.tune_seeds: received 10{9}; at most 100,000"),
    "ablation.vary": (
        {"optimizer.lr": f"1..2 log 1{'0' * 5000}"},
        r"optimizer\.lr: received '1\.\.",
    ),
    "name": (10**5000, "the config holds an integer of thousands of digits; shorten it"),
}


@pytest.mark.parametrize("key", HUGE)
def test_huge_numbers_are_refused_by_their_keys(key):
    value, said = HUGE[key]
    section, _, option = key.partition(".")
    config = {"data": {"name": "moons"}, "model": {"name": "mlp"}, "optimizer": {"name": "adam"}}
    config[section] = {**config.get(section, {}), option: value} if option else value
    with pytest.raises(ConfigError, match=said):
        load(config)


def test_a_mark_of_missing_values_may_be_the_largest_number():
    marks = [-1.7976931348623157e308]
    data = {"name": "csv", "path": "a.csv", "target": "y", "missing_values": marks}
    assert load({"data": data}).data.missing_values == marks


def test_a_zero_has_no_sign():
    config = load({"data": "moons", "optimizer": {"name": "adam", "weight_decay": -0.0}})
    assert str(config.optimizer.weight_decay) == "0.0"


@pytest.mark.parametrize("text", ["9" * 9999, f"0x{'f' * 9999}", f"0o{'7' * 9999}"])
def test_an_integer_that_cannot_be_written_out_is_refused(text):
    with pytest.raises(ConfigError, match=r"override 'seed=.+\.\.\.: .+ is not a number") as caught:
        load({"data": "moons"}, [f"seed={text}"])
    assert max(map(len, str(caught.value).split("\n"))) < 200


def test_bounds_are_in_the_json_schema():
    properties = json_schema()["properties"]
    assert properties["seed"]["maximum"] == 2**63 - 1
    assert load({"data": "moons", "seed": 2**63 - 1}).seed == 2**63 - 1


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(ConfigError, match=r"large\.yaml: it is larger than 2 MB"):
        load(path)


def test_a_text_that_yaml_takes_for_a_number_is_to_be_put_in_quotes(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("name: 010\ndata: iris\n")
    with pytest.raises(ConfigError, match=r"name: received 10 .*; if it is a text, put it in quot"):
        load(path)
    path.write_text("data: {name: csv, path: a.csv, target: y, ignore: [null]}\n")
    with pytest.raises(ConfigError, match=r"ignore\[0\]: received null .* put it in quotes"):
        load(path)
    with pytest.raises(ConfigError, match=r"if it is a text, write 'data\.id=.010.', with"):
        load(path, ["data.ignore=[]", "data.id=010"])


def test_of_many_problems_the_first_are_told(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("data: digits\n" + "".join(f"key{number}: 1\n" for number in range(3000)))
    with pytest.raises(ConfigError) as caught:
        load(path)
    *told, last = str(caught.value).split("\n")
    assert len(told) == 50 and last == "and more; correct these first"
    assert all(f"c.yaml:{line}: key{line - 2}: " in told[line - 2] for line in range(2, 52))
