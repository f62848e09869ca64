"""JSON documents with a digest of their fields."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx.errors import RunError, StorageError
from dlx.runs import documents

PATH = Path("run.json")
FIELDS: dict[str, Any] = {
    "kind": "run",
    "seed": 3,
    "epochs": 1.5,
    "table": False,
    "reason": None,
    "name": '가 "quoted" \u2028 \udcff',
    "metrics": {"dev": {"cost": 0.1, "accuracy": 1e-300}, "train": {}},
    "features": ["a", 1, [2.0, {"b": None}]],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip


def content(fields: dict[str, Any]) -> bytes:
    """Return fields as a file holds them, with the digest that `digest_of` finds."""
    return json.dumps(fields | {"digest": digest_of(fields)}).encode()


def digest_of(fields: dict[str, Any]) -> str:
    """Return the digest by its definition."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    documents.write(path, FIELDS)
    assert documents.read(path) == {"schema": 2} | FIELDS
    written = json.loads(path.read_bytes())
    assert [*written] == ["schema", *FIELDS, "digest"]
    assert written["digest"] == digest_of({"schema": 2} | FIELDS)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_fields_that_were_read_are_written_as_the_same_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    documents.write(one, FIELDS)
    documents.write(two, documents.read(one))
    assert one.read_bytes() == two.read_bytes()


@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name != "digest"), JSON))
@settings(deadline=None)
def test_every_document_is_read_back(fields: dict[str, Any]) -> None:
    fields = {key: value for key, value in fields.items() if key != "schema"}
    assert documents.decode(documents.encode(fields), PATH) == {"schema": 2} | fields


def changes(value: Any) -> list[Any]:
    """Return documents that differ from one in one place."""
    if isinstance(value, dict):
        changed = [{**value, key: other} for key in value for other in changes(value[key])]
        less = [{k: v for k, v in value.items() if k != key} for key in value]
        return [*changed, *less, value | {"new": None}]
    if isinstance(value, list):
        changed = [
            [*value[:n], other, *value[n + 1 :]]
            for n, inner in enumerate(value)
            for other in changes(inner)
        ]
        return [*changed, [*value, None], value[:-1]]
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, int | float):
        return [value + 1, str(value), None, float(value) if isinstance(value, int) else 1]
    return [0, "", f"{value} "]


def test_any_changed_field_is_noticed() -> None:
    fields = {"schema": 2} | FIELDS
    assert documents.decode(content(fields), PATH) == fields
    changed = [other for other in changes(fields) if repr(other.get("schema")) == "2"]
    assert len(changed) > 40
    for other in changed:
        with pytest.raises(RunError, match=r"run\.json is damaged: .*do not match its digest"):
            documents.decode(json.dumps(other | {"digest": digest_of(fields)}).encode(), PATH)


def test_every_flipped_byte_is_noticed_or_changes_no_field() -> None:
    whole = documents.encode(FIELDS)
    unnoticed = []
    for position in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            try:
                fields = documents.decode(bytes(damaged), PATH)
            except RunError:
                continue
            assert fields == {"schema": 2} | FIELDS
            unnoticed.append(whole[position : position + 1])
    # White space between fields, and the case of \udcff and 1e-300.
    assert set(b"".join(unnoticed)) <= set(b" \ncdef")
    assert len(unnoticed) < 0.05 * 8 * len(whole)


def test_the_order_of_fields_and_white_space_do_not_matter(tmp_path: Path) -> None:
    documents.write(tmp_path / "run.json", FIELDS)
    written = json.loads((tmp_path / "run.json").read_bytes())
    reordered = json.dumps(dict(reversed(written.items())), indent=7, sort_keys=False)
    (tmp_path / "run.json").write_text(reordered)
    assert documents.read(tmp_path / "run.json") == {"schema": 2} | FIELDS


def test_documents_of_schema_1_have_no_digest() -> None:
    for schema in ({}, {"schema": 1}):
        fields = schema | FIELDS
        assert documents.decode(json.dumps(fields).encode(), PATH) == fields
    with pytest.raises(RunError, match="do not match its digest"):
        documents.decode(json.dumps(FIELDS | {"digest": "0" * 64}).encode(), PATH)


@pytest.mark.parametrize("digest", [{}, {"digest": None}, {"digest": ""}, {"digest": 5}])
def test_a_document_of_schema_2_without_its_digest_is_damaged(digest: dict[str, Any]) -> None:
    fields = {"schema": 2} | FIELDS | digest
    with pytest.raises(RunError, match=r"run\.json is damaged: .*do not match its digest"):
        documents.decode(json.dumps(fields).encode(), PATH)


def test_a_newer_schema_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content({"schema": 3} | FIELDS))
    newer = r"run\.json was written by a newer dlx \(schema 3; this one reads up to 2\): upgrade"
    with pytest.raises(RunError, match=newer):
        documents.read(tmp_path / "run.json")


@pytest.mark.parametrize("schema", ["2", 1.5, None, True, [2]])
def test_a_schema_is_a_whole_number(schema: Any) -> None:
    with pytest.raises(RunError, match=r"run\.json is damaged: its schema is"):
        documents.decode(content({"schema": schema} | FIELDS), PATH)


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999"])
@pytest.mark.parametrize("schema", [1, 2])
def test_numbers_that_are_not_finite_are_refused(number: str, schema: int) -> None:
    text = f'{{"schema": {schema}, "metrics": {{"dev": {{"cost": {number}}}}}}}'
    with pytest.raises(RunError, match=r"run\.json is damaged: .*(JSON does not know|not JSON)"):
        documents.decode(text.encode(), PATH)


def test_numbers_that_are_not_finite_are_written_as_null(tmp_path: Path) -> None:
    values = [math.nan, -math.inf, np.float32("inf"), np.float64(0.5), np.int64(3)]
    documents.write(tmp_path / "run.json", {"values": values})
    assert documents.read(tmp_path / "run.json")["values"] == [None, None, None, 0.5, 3]


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"schema": 2, "a": ' + "[" * 10])
def test_a_document_that_is_nested_too_deeply_is_damaged(opening: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(opening * 200_000)
    with pytest.raises(RunError, match=r"run\.json is damaged: it is nested too deeply"):
        documents.read(path)


@pytest.mark.parametrize("depth", [300, 900, 1_100, 3_000])
def test_no_depth_is_too_deep_for_one_half_of_the_check_alone(depth: int) -> None:
    text = '{"schema": 2, "a": ' + "[" * depth + "]" * depth + "}"
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        documents.decode(text.encode(), PATH)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null", b"3", b"\xff", b'{"a": 1}}', b'{"a": 1,}', b"\x00"]
)
def test_what_is_no_document_is_damaged(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(damage)
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        documents.read(path)


def test_what_is_not_there_and_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "run.json", tmp_path / "file" / "run.json"):
        with pytest.raises(FileNotFoundError):
            documents.read(path)
    with pytest.raises(RunError, match=r"cannot read .*: Is a directory"):
        documents.read(tmp_path)
    with pytest.raises(StorageError, match="the directory does not exist"):
        documents.write(tmp_path / "nowhere" / "run.json", FIELDS)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"runs": [{"name": "a", "means": {"dev": 1.5}}]}, None),
        ({"runs": []}, None),
        ({}, "its runs is missing"),
        ({"runs": {"name": "a"}}, "its runs is {'name': 'a'}"),
        ({"runs": ["a"]}, r"its runs\[0\] is 'a'"),
        ({"runs": [{"means": {}}]}, r"its runs\[0\].name is missing"),
        ({"runs": [{"name": "a", "means": {"dev": "1"}}]}, r"its runs\[0\].means.dev is '1'"),
    ],
)
def test_a_field_of_another_shape_is_named(
    document: dict[str, Any], problem: str | None, tmp_path: Path
) -> None:
    shape = {"runs": [{"name": str, "means": {str: float | int}}]}
    if problem is None:
        documents.check(document, shape, tmp_path / "a.json")
        return
    with pytest.raises(RunError, match=rf"a\.json is damaged: {problem}"):
        documents.check(document, shape, tmp_path / "a.json")
