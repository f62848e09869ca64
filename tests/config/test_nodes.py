"""YAML 1.2 scalars, positions, and everything a file can have wrong before its keys are read."""

import json
import math

import pytest

from dlx.config.nodes import read_file, read_value
from dlx.errors import ConfigError


def value(text):
    problems = []
    node = read_value(text, "here", problems)
    assert problems == []
    return node.plain()


def file(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 1e-3),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("-.5e1", -5.0),
        ("5.", 5.0),
        ("1e5", 1e5),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("-12", -12),
        ("+3", 3),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("!!str 5", "5"),
        ("!!float 3", 3.0),
        ("[1, {a: .inf}]", [1, {"a": math.inf}]),
    ],
)
def test_scalars_of_the_core_schema(text, expected):
    assert value(text) == expected
    assert type(value(text)) is type(expected)


STRINGS = "no on yes off y n 1_000 12:30:45 2024-01-02 0b11 -0x1F 1e tRue .e5 + . 0o8 = 1,000"


@pytest.mark.parametrize("text", STRINGS.split())
def test_what_yaml_1_1_read_otherwise_is_a_string(text):
    assert value(text) == text


def test_quoted_scalars_are_strings():
    assert value("['1', \"true\", '~']") == ["1", "true", "~"]


def test_a_character_that_json_writes_as_two_halves_is_one():
    written = {"😀": ["a😀🚀"]}
    assert value(json.dumps(written)) == written


def test_not_a_number():
    assert math.isnan(value(".nan"))


def test_a_value_knows_the_line_of_its_key(tmp_path):
    path = file(tmp_path, "a: 1\nb:\n  c:\n    - 2\n    - 3\n")
    root = read_file(path, [])
    assert root.at(("b", "c"))[0].where == f"{path}:3"
    assert root.at(("b", "c", 1))[0].where == f"{path}:5"
    assert root.at(("b", "x", "y"))[1] == ("b",)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    assert read_file(file(tmp_path, b"\xef\xbb\xbfa: 1"), []).plain() == {"a": 1}


def test_an_alias_stands_for_its_anchor(tmp_path):
    assert read_file(file(tmp_path, "a: &x [1]\nb: *x"), []).plain() == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"c\.yaml:1: the file is empty; it needs"),
        ("# nothing\n", r"c\.yaml:1: the file is empty"),
        ("\n- 1\n", r"c\.yaml:2: a config is a mapping; write"),
        ("just text", r"c\.yaml:1: a config is a mapping"),
        ("a: 1\n---\nb: 2\n", r"c\.yaml:2: a second document starts here; keep one"),
        ("a: 1\nb: [1, 2\nc: 3", r"c\.yaml:3: .*correct the YAML"),
        ("a:\n\t- 1", r"c\.yaml:2: .*indent with spaces"),
        ("a: *x", r"c\.yaml:1: found undefined alias 'x'"),
        ("a: 1\nb: &x [*x]", r"c\.yaml:2: an alias stands inside its own anchor"),
        (b"a: 1\nb: \xff\n", r"c\.yaml:2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a: 1\nb: \x01\n", r"c\.yaml:2: the character U\+0001 cannot stand in YAML; remove it"),
        ("a: " + "[" * 5000 + "]" * 5000, r"c\.yaml:1: nested too deeply; write it flatter"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_file(file(tmp_path, text), [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("t.csv", r"t\.csv: this is a table, not a config; `dlx init .*t\.csv --target COLUMN` w"),
        ("t.tsv.gz", "this is a table, not a config"),
        ("t.xlsx", "this is a spreadsheet, not a config; save it as CSV; `dlx init FILE.csv"),
        ("t.npy", "this is not text, and a config is; name a YAML file, and the data in its data"),
    ],
)
def test_data_in_place_of_a_config(name, message, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(9))
    with pytest.raises(ConfigError, match=message):
        read_file(tmp_path / name, [])


def test_aliases_that_explode(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ConfigError, match=r"c\.yaml:\d+: aliases expand to more than 100000 val"):
        read_file(file(tmp_path, "\n".join(lines)), [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m:\n  a: 1\n  a: 2", "c.yaml:3: m: 'a' stands here twice, first at {path}:2; remove one"),
        ("a: !python 1", "c.yaml:1: a: unknown tag '!python'; remove it"),
        ("a: !!python/object:os.system []", "c.yaml:1: a: unknown tag 'tag:yaml.org,2002:python"),
        ("a: !!timestamp 2024-01-01", "c.yaml:1: a: unknown tag 'tag:yaml.org,2002:timestamp'"),
        ("a: [1, {2: 3}]", "c.yaml:1: a[1]: keys are strings, '2' is not; put it in quotes"),
        ("? [1]\n: 2", "c.yaml:1: keys are strings, this one is not"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "c.yaml:3: c: merge keys (<<) are not YAML 1.2; use `ext"),
        ("a: !!int abc", "c.yaml:1: a: 'abc' is not a number that can be read"),
        ("a: " + "9" * 5000, "is not a number that can be read; quote it if it is a text"),
        ('a: "x\\0y"', r"c.yaml:1: a: 'x\x00y' holds the character U+0000; remove it"),
        ('a: "x\\ud800"', r"c.yaml:1: a: 'x\ud800' holds the character U+D800; remove it"),
        ('"\\udfff": 1', r"c.yaml:1: '\udfff' holds the character U+DFFF; remove it"),
    ],
)
def test_a_problem_that_leaves_the_rest_readable(tmp_path, text, message):
    problems = []
    path = file(tmp_path, text)
    read_file(path, problems)
    assert len(problems) == 1
    assert message.format(path=path) in problems[0]


def test_a_missing_file_names_its_nearest_neighbour(tmp_path):
    (tmp_path / "mnist.yaml").write_text("data: mnist")
    with pytest.raises(ConfigError, match=r"mnits\.yaml: no such file; did you mean 'mnist.yaml'"):
        read_file(tmp_path / "mnits.yaml", [])
    with pytest.raises(ConfigError, match="this is a folder; name a YAML file"):
        read_file(tmp_path, [])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[10]*3", [10, 10, 10]),
        ("[10, 20] * 2 + [5]", [10, 20, 10, 20, 5]),
        ("[relu]*2+[tanh]", ["relu", "relu", "tanh"]),
        ("[8]*0", []),
        ("{a: [1]*2, b: 3}", {"a": [1, 1], "b": 3}),
    ],
)
def test_a_list_times_a_number_is_written_out(text: str, values: object) -> None:
    problems: list[str] = []
    assert read_value(text, "here", problems).plain() == values and not problems


def test_a_product_of_lists_has_bounds_and_changes_no_yaml() -> None:
    assert read_value("'[10]*3'", "here", []).plain() == "[10]*3"
    with pytest.raises(ConfigError, match=r"here: \[1\]\*9999 is more than 1,000 values; shorten"):
        read_value("[1]*9999", "here", [])
    with pytest.raises(ConfigError, match="correct the YAML"):
        read_value("[1]*x", "here", [])
