"""Plug-ins: what they register, how they fail, what a run remembers of them."""

import builtins
import hashlib
import re
import signal
import sys
from pathlib import Path

import pytest
import torch

import dlx
from dlx import api, plugins, registry
from dlx.ablation import planning
from dlx.ablation.execution import reason_of
from dlx.config.load import json_schema, load
from dlx.config.types import choice, entry_model, option_problem
from dlx.data.dataset import Task
from dlx.errors import ConfigError, DlxWarning, of_plugin
from dlx.models.heads import build_head
from dlx.nn import metrics
from dlx.plugin_results import check_signatures
from tests.shown_files import write_example

pytestmark = pytest.mark.usefixtures("forgotten")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return write_example(tmp_path)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(text)
    return path


ACTIVATION = '''\
import dlx

@dlx.register("activation", learned={{"height": 1.0, "width": 2.0}}{settings})
def bump(z, height, width):
    """A bump of a learned height and width."""
    return height * (-width * z * z).exp()
'''
XOR = ["model.activation=bump", "model.hidden=[3]", "train.epochs=null", "train.steps=20"]


def test_a_plugin_is_loaded_once(example: Path) -> None:
    first = plugins.load(example)
    assert plugins.load(str(example)) == first
    assert first.sha256 == hashlib.sha256(example.read_bytes()).hexdigest()
    assert plugins.loaded() == [{"path": str(example), "sha256": first.sha256}]


def test_its_names_are_listed_and_in_the_schema(example: Path) -> None:
    plugins.load(example)
    assert registry.get("activation", "hardswish").reference.startswith("Howard et al. (2019)")
    assert registry.get("initializer", "tiny").options["std"].default == 1e-3
    definitions = json_schema()["$defs"]
    assert {"hardswish", "relu"} <= set(definitions["activation"]["anyOf"][0]["enum"])
    assert definitions["data_rings"]["properties"]["rows"]["default"] == 200
    assert "block_bottleneck" in definitions


def test_a_run_is_trained_loaded_and_exported_with_it(example: Path, tmp_path: Path) -> None:
    plugins.load(example)
    run = dlx.train(example.with_name("rings.yaml"), ["model.init=tiny"], runs_dir=tmp_path)
    assert run.info["plugins"] == plugins.loaded()
    again = dlx.load(run.path)
    assert again.evaluate()["test"] == pytest.approx(run.metrics["test"], rel=1e-6)
    assert any(isinstance(m, torch.nn.Hardswish) for m in again.network().modules())
    script = run.export(tmp_path / "export")[1].read_text()
    assert "nn.Hardswish()" in script


def test_an_activation_with_learned_numbers_and_no_module(tmp_path: Path) -> None:
    plugins.load(write(tmp_path, ACTIVATION.format(settings="")))
    run = dlx.train("configs/xor.yaml", XOR, runs_dir=tmp_path)
    learned = {name for name in run.tensors if name.endswith(("height", "width"))}
    assert learned == {"1.height", "1.width"}
    assert bool((run.tensors["1.height"] != 1).all())
    outputs = dlx.load(run.path).predict([[0, 1]])
    plain = run.network()(torch.tensor([[0.0, 1.0]])).detach().numpy()
    assert outputs == pytest.approx(plain, rel=1e-6)
    with pytest.raises(ConfigError, match=r"bump is code of a plug-in, .* or use --format onnx"):
        run.export(tmp_path / "export")


def test_traits_of_a_plugin_are_heard(tmp_path: Path) -> None:
    text = """\
import dlx

@dlx.register("activation", bounds=({low}, 1))
def {name}(z):
    \"""Half of z / (1 + |z|), moved.\"""
    return {low} + (1 - {low}) * (z / (1 + z.abs()) + 1) / 2
"""
    names = {"gentle": 0, "signed": -1}
    for name, low in names.items():
        (tmp_path / name).mkdir()
        plugins.load(write(tmp_path / name, text.format(name=name, low=low)))
    task = Task("binary", 2, 1, ("no", "yes"), (2,))
    gentle, signed = (build_head(task, choice("activation", name), "mse") for name in names)
    assert gentle.gives_probabilities and not signed.gives_probabilities
    classes = torch.tensor([0, 1])
    assert gentle.encode(classes).flatten().tolist() == [0, 1]
    assert signed.encode(classes).flatten().tolist() == [-1, 1]


def test_a_module_that_learns_something_else(tmp_path: Path) -> None:
    text = "import torch\n" + ACTIVATION.format(settings=", module=torch.nn.PReLU")
    plugins.load(write(tmp_path, text))
    with pytest.raises(
        ConfigError, match=r"bump learns height, width, but its torch module weight; give a module"
    ):
        dlx.train("configs/xor.yaml", XOR, runs_dir=tmp_path)


def test_a_layer_without_a_plain_form_is_refused_before_training(tmp_path: Path) -> None:
    text = '''\
import dataclasses
import dlx
from dlx.nn.layers import Spec

@dataclasses.dataclass(frozen=True)
class OddSpec(Spec):
    name: str
    inputs: int
    outputs: int
    structure = ("odd",)
    layer_class = None

@dlx.register("block")
def odd(place):
    """A layer of a kind that torch has not."""
    return OddSpec(place.name, place.inputs, 3)
'''
    plugins.load(write(tmp_path, text))
    with pytest.raises(
        ConfigError,
        match=r"layer 1: OddSpec has no plain torch form.*give the class a method plain",
    ):
        dlx.train("configs/xor.yaml", ["model.hidden=[odd]"], runs_dir=tmp_path)


FAILURES = {
    "it raises": ("x = 1\n{}['key']\n", "2: KeyError: 'key'"),
    "it is not Python": ("def f(:\n", "1: invalid syntax"),
    "it exits": ("raise SystemExit(3)\n", "1: SystemExit: 3"),
    "it takes a name of dlx": (
        'import dlx\n@dlx.register("activation")\ndef relu(z):\n    """Mine."""\n',
        "2: activation 'relu' is already registered; take another name",
    ),
    "it has no such kind": (
        'import dlx\n@dlx.register("activaton")\ndef f(z):\n    """Mine."""\n',
        "2: unknown kind 'activaton'; did you mean 'activation'",
    ),
    "it has no docstring": (
        'import dlx\n@dlx.register("loss")\ndef f(z, targets): ...\n',
        "2: loss 'f' needs a docstring",
    ),
    "it has an option that YAML cannot give": (
        'import dlx\nclass A: ...\n@dlx.register("data")\ndef f(d, *, a: A):\n    """Mine."""\n',
        "3: data 'f' has an option 'a' of a type that YAML cannot give",
    ),
    "it has an option that a config cannot keep": (
        'import dlx\n@dlx.register("data")\ndef f(d, *, a: set[int] = {1}):\n    """Mine."""\n',
        "2: data 'f' has an option 'a' of a type that YAML cannot give",
    ),
    "it has a default that YAML cannot write": (
        'import dlx\n@dlx.register("data")\ndef f(d, *, a=1j):\n    """Mine."""\n',
        "2: data 'f' has a default of the option 'a' that its type does not allow: 1j cannot be",
    ),
    "it has a default of another type": (
        'import dlx\n@dlx.register("data")\ndef f(d, *, a: int = "x"):\n    """Mine."""\n',
        "2: data 'f' has a default of the option 'a' that its type does not allow: a: received 'x'",
    ),
    "it has an option of a name of dlx's own": (
        'import dlx\n@dlx.register("data")\ndef f(d, *, entry: int = 1):\n    """Mine."""\n',
        "2: data 'f' has an option 'entry', a name that dlx uses itself; take another one",
    ),
    "it has an option that begins with _": (
        'import dlx\n@dlx.register("data")\ndef f(d, *, _a: int = 1):\n    """Mine."""\n',
        "2: data 'f' has an option '_a', a name that dlx uses itself; take another one",
    ),
    "it has an option that all of its kind have": (
        'import dlx\n@dlx.register("data")\ndef f(d, *, limit: str = ""):\n    """Mine."""\n',
        "2: data 'f' has an option 'limit', a name that dlx uses itself; take another one",
    ),
    "it interrupts": ("class Mine(KeyboardInterrupt): ...\nraise Mine('so')\n", "2: Mine: so"),
    "it registers what is no function": (
        'import dlx\nimport math\ndlx.register("activation", name="f")(math.tanh)\n',
        "3: register: received <built-in function tanh> as the activation; write a function",
    ),
    "it gives a name that is no text": (
        'import dlx\n@dlx.register("activation", name=3)\ndef f(z):\n    """Mine."""\n',
        "2: activation: received the name 3; a name is a text",
    ),
    "a trait takes something else": (
        'import dlx\n@dlx.register("activation", backward=lambda z: z)\ndef f(z):\n    """F."""\n',
        "2: backward '<lambda>' takes (z), but is given upstream, z, a; options come after a *",
    ),
}
# What a function of each kind is given before its options.
GIVEN = {
    "activation": "z",
    "initializer": "weight, generator",
    "dropout": "rate",
    "sparsity": "code",
    "corruption": "nothing",
    "loss": "outputs, targets",
    "metric": "total, rows",
    "optimizer": "nothing",
    "schedule": "step, num_steps",
    "average": "step, num_steps",
    "data": "data_dir",
    "model": "task",
    "block": "place",
}


@pytest.mark.parametrize("kind", registry.MODULES)
@pytest.mark.parametrize("taken", ["", "a, b, c, d", "*, k"])
def test_a_function_that_takes_something_else_is_refused_when_it_is_loaded(
    kind: str, taken: str, tmp_path: Path
) -> None:
    fits = (taken in ("", "*, k")) and GIVEN[kind] == "nothing"
    traits = ', RIGHT, ("binary",), rising=True, scale="share"' if kind == "metric" else ""
    text = (
        "import dlx\nfrom dlx.nn.metrics import RIGHT\n"
        f'@dlx.register("{kind}"{traits})\ndef f({taken}):\n    """F."""\n'
    )
    path = write(tmp_path, text)
    if fits:
        plugins.load(path)
        return
    said = rf"{path}:3: {kind} 'f' takes \({taken.replace('*', '.')}\), but is given {GIVEN[kind]}"
    with pytest.raises(ConfigError, match=said):
        plugins.load(path)
    assert "f" not in registry.names(kind)


NO_TAGS = ["", " ", "a/b", "\x1b[2J", "a\n", "cost", "epoch", "corrupted_f", "fine_tuned_error", 3]
NO_FORMS = ["{", "{}", "{0}", "{o}", "{k:3}", "{k.real}", "{k[0]}", "{k!r}"]


@pytest.mark.parametrize("tag", [*NO_TAGS, *NO_FORMS])
def test_a_tag_under_which_nothing_can_be_logged_is_refused(tag: object, tmp_path: Path) -> None:
    text = (
        "import dlx\nfrom dlx.nn.metrics import RIGHT\n"
        f'@dlx.register("metric", RIGHT, ("binary",), rising=True, tag={tag!r})\n'
        'def f(total, rows, *, k: int = 1):\n    """F."""\n'
    )
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=f"{path}:3: metric 'f' has the tag .*; ") as error:
        plugins.load(path)
    assert str(error.value).isprintable() and "f" not in registry.names("metric")


def test_a_tag_with_braces_and_a_name_with_braces_are_logged(tmp_path: Path) -> None:
    text = (
        "import dlx\nfrom dlx.nn.metrics import RIGHT\n"
        '@dlx.register("metric", RIGHT, ("binary",), rising=True, tag="{{{k}}}_of")\n'
        'def f(total, rows, *, k: int = 1):\n    """F."""\n'
        '@dlx.register("metric", RIGHT, ("binary",), rising=True, name="{}")\n'
        'def g(total, rows):\n    """G."""\n'
    )
    plugins.load(write(tmp_path, text))
    assert metrics.tag(choice("metric", "f")) == "{1}_of"
    assert metrics.tag(choice("metric", "{}")) == "{}" and metrics.is_rising("{}")
    assert metrics.is_rising("{2}_of") and not metrics.is_rising("cost")


def test_every_name_of_dlx_takes_what_its_kind_is_given() -> None:
    for kind in registry.MODULES:
        for name in registry.names(kind):
            entry = registry.get(kind, name)
            assert check_signatures(kind, entry.function, entry.traits) is None, (kind, name)
            assert option_problem(entry) is None, (kind, name)


def test_options_may_be_lists_and_mappings(tmp_path: Path) -> None:
    parameters = "z, *, a: list[int] = [1], b: dict[str, float] = {}, c: tuple[int, ...] = ()"
    path = write(
        tmp_path,
        f'import dlx\n@dlx.register("activation")\ndef f({parameters}):\n    """F."""\n'
        "    return z * sum(a)\n",
    )
    plugins.load(path)
    own = ["model.activation={name: f, b: {x: 1}}", "train.epochs=null", "train.steps=1"]
    run = dlx.train("configs/xor.yaml", own, runs_dir=tmp_path)
    assert run.status == "completed"
    one, other = (choice("activation", "f", b={"x": value}) for value in (1, 2))
    assert hash(one) == hash(choice("activation", "f", b={"x": 1})) and one != other


@pytest.mark.parametrize("what", FAILURES)
def test_a_plugin_that_cannot_be_used_names_the_line_and_leaves_nothing(
    what: str, tmp_path: Path
) -> None:
    text, message = FAILURES[what]
    good = 'import dlx\n@dlx.register("activation")\ndef good(z):\n    """Good."""\n    return z\n'
    path = write(tmp_path, good + text if "import dlx" not in text else text)
    lines = good.count("\n") if "import dlx" not in text else 0
    number, _, said = message.partition(":")
    with pytest.raises(ConfigError) as caught:
        plugins.load(path)
    assert f"plug-in {path}:{int(number) + lines}:{said}" in str(caught.value)
    assert "good" not in registry.names("activation")
    assert plugins.loaded() == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ("import builtins; builtins.len = None", "builtins.len"),
        ("import builtins; del builtins.next", "builtins.next"),
        ("import sys; sys.modules['json'] = None", "sys.modules['json']"),
        ("import sys; del sys.modules['dlx.errors']", "sys.modules['dlx.errors']"),
        ("import sys, this; del sys.modules['this']", "sys.modules['this']"),
        ("import sys; sys.modules.clear()", "sys.modules['sys']"),
        ("import sys; sys.setrecursionlimit(500)", "the recursion limit"),
        ("import torch; torch.set_default_device('meta')", "torch's default device"),
        ("import torch; torch.set_autocast_enabled('cpu', True)", "torch's autocast"),
        ("import os; os.chdir('/')", "the working folder"),
        ("import sys; sys.argv.clear()", "sys.argv"),
        ("import sys; sys.path.clear()", "sys.path"),
        ("import sys; sys.meta_path.clear()", "sys.meta_path"),
        ("import sys; sys.stderr = None", "sys.stderr"),
        ("import signal; signal.signal(signal.SIGTERM, print)", "the handler of SIGTERM"),
    ],
)
def test_a_plugin_that_changes_python_is_refused_and_undone(
    changes: str, what: str, tmp_path: Path
) -> None:
    names, modules = vars(builtins).copy(), sys.modules.copy()
    limit, device = sys.getrecursionlimit(), torch.get_default_device()
    process = (Path.cwd(), sys.argv[:], sys.path[:], sys.meta_path[:], sys.stderr)
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ConfigError, match=re.escape(f"mine.py: it changes {what}; a plug-in reg")):
        plugins.load(write(tmp_path, changes + "\n"))
    assert vars(builtins) == names
    assert modules.items() <= sys.modules.items()
    assert (sys.getrecursionlimit(), torch.get_default_device()) == (limit, device)
    assert not torch.is_autocast_enabled("cpu")
    assert (Path.cwd(), sys.argv, sys.path, sys.meta_path, sys.stderr) == process
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize(
    ("begins", "ends"), [("async def", "return z"), ("def", "yield z"), ("async def", "yield z")]
)
def test_what_computes_nothing_when_it_is_called_is_refused(
    begins: str, ends: str, tmp_path: Path
) -> None:
    text = f'import dlx\n@dlx.register("activation")\n{begins} f(z):\n    """F."""\n    {ends}\n'
    with pytest.raises(ConfigError, match=r"mine\.py:2: register: activation 'f' is async"):
        plugins.load(write(tmp_path, text))


def test_what_a_plugin_may_change_of_python(tmp_path: Path) -> None:
    """Further folders and modules, and what changes no bit of a training."""
    text = "import sys, torch\nsys.path.append('more')\ntorch.manual_seed(1)\nimport colorsys\n"
    try:
        plugins.load(write(tmp_path, text))
        assert "more" in sys.path
    finally:
        sys.path.remove("more")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ("torch.set_default_device('meta')", "torch's default device"),
        ("torch.set_autocast_enabled('cpu', True)", "torch's autocast"),
    ],
)
def test_a_function_that_changes_torch_is_refused_and_undone(
    changes: str, what: str, tmp_path: Path
) -> None:
    text = 'import torch\nimport dlx\n@dlx.register("activation")\ndef f(z):\n    """F."""\n'
    plugins.load(write(tmp_path, f"{text}    {changes}\n    return z * 1\n"))
    with pytest.raises(ConfigError, match=f"mine.py:3: activation 'f' changes {what}; leave"):
        registry.get("activation", "f").function(torch.zeros(2))
    assert torch.get_default_device() == torch.device("cpu")
    assert not torch.is_autocast_enabled("cpu")


def test_a_plugin_that_breaks_python_and_fails_leaves_nothing_broken(tmp_path: Path) -> None:
    path = write(tmp_path, "import builtins\nbuiltins.len = None\nlen([])\n")
    with pytest.raises(ConfigError, match=r"mine\.py:3: TypeError"):
        plugins.load(path)
    assert len([1]) == 1


def test_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, "")
    with pytest.raises(ConfigError, match=r"--plugin .*mne\.py: no such file; did you mean 'mine"):
        plugins.load(tmp_path / "mne.py")
    with pytest.raises(ConfigError, match="this is a folder; name a Python file"):
        plugins.load(tmp_path)


def test_a_plugin_that_changes_while_it_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path, "x = 1\n")
    plugins.load(path)
    path.write_text("x = 2\n")
    with pytest.raises(ConfigError, match="it has changed since it was loaded; start anew"):
        plugins.load(path)


def test_a_run_asks_for_its_plugin_and_warns_of_a_changed_one(tmp_path: Path) -> None:
    recorded = [{"path": "/there/mine.py", "sha256": "0" * 64}]
    with pytest.raises(
        ConfigError, match=r"made with the plug-in /there/mine.py.*dlx --plugin /there/mine.py"
    ):
        plugins.require(recorded, Path("runs/a"))
    plugin = plugins.load(write(tmp_path, "x = 1\n"))
    with pytest.warns(DlxWarning, match=r"mine.py is not what runs/a was made with: its SHA-256"):
        plugins.require(recorded, Path("runs/a"))
    plugins.require([{"path": "/other/name.py", "sha256": plugin.sha256}], Path("runs/a"))


def test_an_error_inside_a_plugin_is_told_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "def f():\n    return 1 / 0\n")
    plugin = plugins.load(path)
    with pytest.raises(ZeroDivisionError) as caught:
        sys.modules[f"dlx_plugin_mine_{plugin.sha256[:8]}"].f()
    said = f"plug-in {path}:2: ZeroDivisionError: division by zero"
    assert of_plugin(caught.value) == said
    assert reason_of(caught.value) == said
    assert of_plugin(ValueError("elsewhere")) is None


def test_an_edited_plugin_is_not_answered_from_the_cache_of_pretraining(tmp_path: Path) -> None:
    config = {"name": "staged", "data": "digits", "pretrain": {"epochs": 1}}
    options = ["model.hidden=[5]", "model.activation=steep", "train.epochs=1"]
    reused = []
    for slope in (2, 2, 3):
        source = f'import dlx\n\n@dlx.register("activation")\ndef steep(z):\n    """{slope} z."""\n'
        plugins.load(write(tmp_path, f"{source}    return {slope} * z\n"))
        run = dlx.train(config, options, runs_dir=tmp_path / "runs")
        reused.append(run.info["pretraining"][0]["reused"])
        registry.forget(registry.get("activation", "steep"))
        plugins._loaded.clear()
        entry_model.cache_clear()
    assert reused == [False, True, False]


METRIC = '''\
import dlx
from dlx.nn.metrics import RIGHT

@dlx.register("metric", RIGHT, ("binary",), rising=True, scale="share")
def half_right(right, rows):
    """Half the share of right answers."""
    return right.double() / len(rows) / 2
'''


@pytest.mark.parametrize(
    ("engine", "watched", "is_said"),
    [
        ("native", "train.half_right", True),
        ("native", "train.cost", False),
        ("torch", "train.half_right", False),
    ],
)
def test_its_metric_steers_a_native_run_with_a_warning(
    engine: str, watched: str, is_said: bool, tmp_path: Path
) -> None:
    plugins.load(write(tmp_path, METRIC))
    job = api.prepare(
        "configs/xor.yaml",
        [
            f"train.engine={engine}",
            "log.metrics=[half_right]",
            f"train.early_stopping={{patience: 2, metric: {watched}}}",
        ],
    )
    said = [remark for remark in job.remarks if "half_right is a plug-in's metric" in remark]
    assert bool(said) == is_said


@pytest.mark.parametrize(
    ("keys", "section"),
    [
        (["ablation.tune"], {"tune": {"optimizer.lr": [0.1, 0.2]}}),
        (["ablation.seeds.until"], {"seeds": {"until": "decided", "max": 20}}),
        ([], {"seeds": 4}),
    ],
)
@pytest.mark.parametrize("metric", ["dev.half_right", "dev.accuracy"])
def test_its_metric_chooses_of_native_runs_with_a_warning(
    keys: list[str], section: dict[str, object], metric: str, tmp_path: Path
) -> None:
    plugins.load(write(tmp_path, METRIC))
    config: dict[str, object] = {
        "data": {"name": "moons"},
        "model": {"hidden": [2]},
        "train": {"steps": 2},
        "log": {"metrics": ["accuracy", "half_right"]},
    }
    compared = {"vary": {"model.init": ["he_normal", "zeros"]}, "metric": metric, **section}
    said = planning.make(load(config | {"ablation": compared}), tmp_path).remarks
    expected = keys if metric == "dev.half_right" else []
    assert [line.split(":")[0] for line in said if "is a plug-in's metric" in line] == expected


@pytest.mark.parametrize("metric", ["dev.half_right", "dev.accuracy"])
def test_its_metric_steers_a_search_with_a_warning(metric: str, tmp_path: Path) -> None:
    plugins.load(write(tmp_path, METRIC))
    config = load(
        {
            "data": {"name": "moons"},
            "model": {"hidden": [2]},
            "train": {"steps": 2},
            "log": {"metrics": ["accuracy", "half_right"]},
            "search": {"space": {"optimizer.lr": [0.1, 0.2]}, "metric": metric, "trials": 2},
        }
    )
    plan = api.plan_search(config)
    said = [line for line in plan.remarks if "is a plug-in's metric" in line]
    assert [line.split(":")[0] for line in said] == ["search.metric"] * (metric == "dev.half_right")
