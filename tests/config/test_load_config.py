"""What importing the config costs, and that nothing but a ConfigError comes out of it."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx.config.load import load
from dlx.errors import ConfigError
from tests.guarded import COMMANDS

KEYS = "name data model optimizer train log seed ablation vary hidden activation lr schedule split"
keys = st.sampled_from(KEYS.split()) | st.text(max_size=5)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | keys
    | st.sampled_from(["iris", "sgd"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)

HEAVY = ("torch", "torchvision", "sklearn", "tensorboard", "pandas", "scipy", "matplotlib", "numpy")


def test_importing_the_config_imports_nothing_heavy():
    program = (
        "import sys, dlx.config.load, dlx.config.types, dlx.config.schema\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow(*COMMANDS)
def test_any_kind_may_be_loaded_first():
    program = (
        "import importlib, sys\n"
        "importlib.import_module(sys.argv[1])\n"
        "from dlx.config.load import load\n"
        "load({'data': 'digits'})"
    )
    for module in ("dlx.models", "dlx.config.types"):
        subprocess.run([sys.executable, "-c", program, module], check=True)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keys, values, max_size=4))
def test_any_mapping_loads_or_is_a_config_error(mapping):
    with suppress(ConfigError):
        load({"data": "iris", **mapping})


@settings(max_examples=150, deadline=None)
@given(st.lists(st.builds("{}.{}={}".format, keys, keys, st.text(max_size=8) | values), max_size=3))
def test_any_override_loads_or_is_a_config_error(overrides):
    with suppress(ConfigError):
        load({"data": "iris"}, overrides)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=30) | st.text("ab: -[]{}&*!#\n\t'\"?|>%@", max_size=40))
def test_any_file_loads_or_is_a_config_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("files") / "c.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with suppress(ConfigError):
        load(path)


@pytest.mark.parametrize("text", ["\ud800", "a\0b", Path("/\udcff")])
def test_a_text_that_no_file_can_hold_is_refused_from_python_too(text: object) -> None:
    with pytest.raises(ConfigError, match=r"the config holds .*: the character U\+.* cannot stand"):
        load({"data": {"name": "csv", "path": text, "target": "t"}})
