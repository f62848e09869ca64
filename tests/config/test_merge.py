"""`extends` and overrides."""

from pathlib import Path

import pytest

from dlx import plugins
from dlx.config.load import load, override
from dlx.data import default_directory
from dlx.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


BASE = """\
data: {name: digits, standardize: true}
model:
  hidden: [30, 20]
  activation: {name: leaky_relu, negative_slope: 0.3}
optimizer: {name: momentum, lr: 0.5, momentum: 0.8}
train: {epochs: 7, batch_size: all}
"""


def test_extends_merges_mappings_and_replaces_lists(write):
    write("base/base.yaml", BASE)
    config = load(
        write("child.yaml", "extends: base/base.yaml\nmodel: {hidden: [5]}\noptimizer: {lr: 0.1}\n")
    )
    assert config.name == "child"
    assert config.data.standardize
    assert config.model.hidden == [5]
    assert config.model.activation.negative_slope == 0.3
    assert config.optimizer.arguments().items() >= {"lr": 0.1, "momentum": 0.8}.items()


def test_extends_chains_relative_to_each_file(write):
    write("base/base.yaml", BASE + "name: named\n")
    write("base/middle.yaml", "extends: base.yaml\nseed: 3\n")
    config = load(write("child.yaml", "extends: base/middle.yaml\ntrain: {epochs: 1}\n"))
    assert (config.name, config.seed, config.train.epochs) == ("named", 3, 1)
    assert config.train.batch_size == "all"


def test_what_the_shell_has_opened_is_relative_to_the_working_directory(
    write, monkeypatch, tmp_path
):
    write("base.yaml", BASE + "name: based\n")
    monkeypatch.chdir(tmp_path)
    with write("child.yaml", "extends: base.yaml\n").open() as file:
        config = load(f"/dev/fd/{file.fileno()}", ["data={name: csv, path: t.csv, target: y}"])
    assert (config.name, config.train.epochs) == ("based", 7)
    assert config.data.arguments()["path"] == tmp_path / "t.csv"


def test_a_path_in_a_home_folder(write, monkeypatch, tmp_path):
    write("base/base.yaml", BASE)
    monkeypatch.setenv("HOME", str(tmp_path / "base"))
    child = write("child.yaml", "extends: ~/base.yaml\n")
    assert load(child).train.epochs == 7
    data = load(child, ["data={name: csv, path: ~/rows.csv, target: y}"]).data
    assert data.arguments()["path"] == tmp_path / "base/rows.csv"


def test_a_path_in_the_home_of_nobody(write, monkeypatch, tmp_path):
    with pytest.raises(
        ConfigError, match=r"child\.yaml:1: extends: .*~no_such_user/b\.yaml: no such fi"
    ):
        load(write("child.yaml", "extends: ~no_such_user/b.yaml\n"))
    monkeypatch.setenv("DLX_DATA", "~no_such_user/data")
    assert default_directory() == Path("~no_such_user/data")
    with pytest.raises(ConfigError, match=r"--plugin ~no_such_user/mine\.py: no such file"):
        plugins.load("~no_such_user/mine.py")


def test_a_new_name_drops_the_options_of_the_old_one(write):
    write("base.yaml", BASE)
    child = "extends: base.yaml\noptimizer: {name: sgd}\nmodel: {activation: tanh}\nname: other\n"
    config = load(write("child.yaml", child))
    assert config.optimizer.lr == 0.01
    assert config.model.activation.arguments() == {}
    assert config.model.hidden == [30, 20]


def test_the_same_name_keeps_the_options(write):
    write("base.yaml", BASE)
    child = "extends: base.yaml\noptimizer: {name: momentum, lr: 0.1}\n"
    assert load(write("child.yaml", child)).optimizer.momentum == 0.8


def test_steps_take_the_place_of_epochs_and_back(write):
    write("base.yaml", BASE)
    child = write("child.yaml", "extends: base.yaml\ntrain: {steps: 9}\n")
    assert (load(child).train.epochs, load(child).train.steps) == (None, 9)
    config = load(child, ["train.epochs=2"])
    assert (config.train.epochs, config.train.steps) == (2, None)
    assert load(child, ["train.epochs=null"]).train.steps == 9


def test_extends_of_a_mapping_is_relative_to_the_working_directory(write, monkeypatch, tmp_path):
    write("base.yaml", BASE)
    monkeypatch.chdir(tmp_path)
    config = load({"extends": "base.yaml", "seed": 4})
    assert (config.seed, config.train.epochs) == (4, 7)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "seed: 1\nextends: b.yaml"}, r"a\.yaml:2: extends: .*b\.yaml: no such file"),
        ({"a": "extends: a.yaml"}, r"a\.yaml:1: extends: a circle \(.*a\.yaml -> .*a\.yaml\)"),
        ({"a": "extends: b.yaml", "b": "extends: a.yaml"}, r"b\.yaml:1: extends: a circle"),
        ({"a": "data: iris\nextends: [b]"}, r"a\.yaml:2: extends: received \['b'\]; name one"),
        ({"a": "extends: b.yaml", "b": "data: iris\nsed: 1"}, r"b\.yaml:2: sed: .*mean 'seed'"),
        ({"a": "extends: b.yaml", "b": "data: [\n"}, r"a\.yaml:1: extends: .*b\.yaml:2: "),
    ],
)
def test_errors_of_extends(write, files, message):
    for name, text in files.items():
        write(f"{name}.yaml", text)
    with pytest.raises(ConfigError, match=message):
        load(write("a.yaml", files["a"]))


def test_links_that_lead_in_a_circle_are_no_file_to_extend(write, tmp_path):
    for name, other in (("x.yaml", "y.yaml"), ("y.yaml", "x.yaml")):
        (tmp_path / name).symlink_to(other)
    child = write("child.yaml", "data: iris\nextends: x.yaml\n")
    with pytest.raises(
        ConfigError, match=r"child\.yaml:2: extends: the links of .*x\.yaml lead in"
    ):
        load(child)
    with pytest.raises(ConfigError, match=r"x\.yaml: Too many levels of symbolic links"):
        load(tmp_path / "x.yaml")


def test_a_folder_that_links_to_itself_is_a_circle_too(write, tmp_path):
    (tmp_path / "again").symlink_to(".")
    child = write("child.yaml", "data: iris\nextends: again/again/child.yaml\n")
    with pytest.raises(ConfigError, match=r"child\.yaml:2: extends: a circle"):
        load(child)


def test_a_long_chain_of_files_is_refused_in_one_line(write):
    for number in range(30):
        write(f"x{number}.yaml", f"extends: x{number + 1}.yaml\n")
    with pytest.raises(
        ConfigError, match="extends: more than 20 files extend each other"
    ) as caught:
        load(write("x0.yaml", "extends: x1.yaml\n"))
    assert len(str(caught.value)) < 400


def test_a_mapping_that_holds_itself_is_nested_too_deeply():
    config = {"data": []}
    config["data"].append(config["data"])
    with pytest.raises(ConfigError, match="nested too deeply; write it flatter"):
        load(config)


@pytest.mark.parametrize(
    ("texts", "key", "expected"),
    [
        (["optimizer.lr=1e-2"], "optimizer.lr", 0.01),
        (["optimizer.lr=1", "optimizer.lr=2"], "optimizer.lr", 2.0),
        (["optimizer.lr=1"], "optimizer.momentum", 0.8),
        (["optimizer=sgd"], "optimizer.lr", 0.01),
        (["optimizer={lr: 0.3}"], "optimizer.name", "adam"),
        (["optimizer.name=sgd"], "optimizer.lr", 0.01),
        (["optimizer.schedule.warmup=5"], "optimizer.schedule.name", "constant"),
        (["model.hidden=[100,100]"], "model.hidden", [100, 100]),
        (["model.hidden=[]"], "model.hidden", []),
        (["model.activation=elu", "model.activation.alpha=2"], "model.activation.alpha", 2.0),
        (["model.activation.negative_slope=0.4"], "model.activation.negative_slope", 0.4),
        (["model.init.negative_slope=0.4"], "model.init.name", "he_normal"),
        (["model.output.name=tanh"], "model.output.name", "tanh"),
        (["data.split.dev=0.1"], "data.split.dev", 0.1),
        (["data.split=auto"], "data.split", "auto"),
        (["train.early_stopping.patience=3"], "train.early_stopping.metric", "stop.cost"),
        (["name=a=b"], "name", "a=b"),
        (["train.clip_norm="], "train.clip_norm", None),
        (["train.batch_size=32"], "train.batch_size", 32),
        (["log.every=2 epochs"], "log.every", "2 epochs"),
    ],
)
def test_overrides(write, texts, key, expected):
    value = load(write("base.yaml", BASE), texts)
    for part in key.split("."):
        value = getattr(value, part)
    assert value == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "optimizer.lrr=1",
            "^override 'optimizer.lrr=1': optimizer.lrr: unknown key; did you mean",
        ),
        ("lr=0.1", "^override 'lr=0.1': lr: unknown key; did you mean 'optimizer.lr'"),
        ("metric=dev.cost", "unknown key; did you mean 'ablation.metric'"),  # and search.metric
        ("epochs=5", "^override 'epochs=5': epochs: unknown key; did you mean 'train.epochs'"),
        ("optimzer.lr=1", "^override 'optimzer.lr=1': optimzer: unknown key; did you mean 'optim"),
        ("optimizer.lr=-1", r"optimizer.lr: received -1 \(allowed: a number > 0\)"),
        ("optimizer.lr", "override 'optimizer.lr': write KEY=VALUE, for example"),
        ("=3", "override '=3': write KEY=VALUE"),
        ("a..b=3", r"override 'a..b=3': write KEY=VALUE"),
        ("model.hidden=[1", r"override 'model.hidden=\[1': while parsing a flow sequence"),
        ("optimizer.lr=0.1,1", r"compares several values: --vary optimizer.lr=0.1,1$"),
        ("model.hidden=8,16", r"compares several values: --vary model.hidden=8,16$"),
        ("optimizer.lr=1e-4..1 log 7", r"values: --vary 'optimizer.lr=1e-4..1 log 7'$"),
        ("model.activation=rel,tanh", r"step or a list of activations\); `dlx ablate` compares"),
        ("model.hidden=[8,a]", r"maxout, residual or branch\)$"),
        ("seed=!x 3", "override 'seed=!x 3': unknown tag '!x'"),
        (
            "data.name=digts",
            "override 'data.name=digts': data.name: received 'digts'; did you mean",
        ),
        ("extends=x.yaml", "override 'extends=x.yaml': extends: unknown key"),
        ("seed.x=1", r"override 'seed.x=1': seed: received {\"x\": 1}"),
    ],
)
def test_errors_of_overrides(write, text, message):
    with pytest.raises(ConfigError, match=message):
        load(write("base.yaml", BASE), [text])


def test_a_loaded_config_can_be_overridden(write):
    config = load(write("base.yaml", BASE))
    assert override(config, []) == config
    longer = override(config, ["train.epochs=40"])
    assert longer.train.epochs == 40
    assert longer.optimizer == config.optimizer
    assert override(config, ["train.steps=40"]).train.epochs is None
    with pytest.raises(ConfigError, match=r"^override .*: train\.epoch: unknown key"):
        override(config, ["train.epoch=1"])
