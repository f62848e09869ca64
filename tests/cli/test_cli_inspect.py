"""`dlx inspect`."""

import os
import resource
from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_a_config_at_its_start(dlx: Command) -> None:
    ended = dlx("inspect", "xor", "model.hidden=[3, 5]", "model.activation=tanh")
    assert ended.code == 0
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[0].startswith("xor: 2 inputs, m = 4 rows in a batch; initial weights, seed")
    assert "1 tanh (3, 2) (3, 1) (3, m) 9 15" in lines
    assert "3 identity (1, 5) (1, 1) (1, m) 6 11" in lines
    assert "35 parameters; 61 FLOPs forward for a row, 684 for a step" in lines


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="this system names no open files")
def test_a_config_from_a_pipe(dlx: Command) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"data: xor\n")
    os.close(writer)
    assert dlx("inspect", f"/dev/fd/{reader}").code == 0
    os.close(reader)
    assert dlx("inspect", "-").err.startswith("error: /dev/stdin: ")


def test_nine_sigmoid_layers_in_a_plain_sentence(dlx: Command) -> None:
    ended = dlx("inspect", "xor", f"model.hidden={[10] * 9}", "model.activation=sigmoid")
    assert "the gradient of layer 1 is 10⁻" in ended.out
    assert "of layer 10's: it vanishes on its way back" in ended.out


def test_json_and_a_picture(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("inspect", "iris", "--json", "--plot", "p.png", "--seed", "3")
    document = ended.json
    assert (document["weights"], document["seed"], document["name"]) == ("initial", 3, "iris")
    assert document["layers"][0]["shapes"]["W[1]"][1] == 4
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert "picture written to p.png" in ended.err


def test_blocks_are_nested(dlx: Command) -> None:
    hidden = "model.hidden=[{name: residual, layers: [4, 2]}]"
    ended = dlx("inspect", "xor", hidden)
    names = [line.split()[0] for line in ended.out.splitlines() if line[:3].strip()[:1].isdigit()]
    assert names[:4] == ["1", "1.1", "1.2", "2"]
    assert "\n  1.1" in ended.out


def test_a_run_with_its_trained_weights(dlx: Command, trained: Path) -> None:
    (run,) = (trained / "digits").iterdir()
    ended = dlx("inspect", run)
    assert "; trained weights (last), seed 0" in ended.out
    by_id = dlx("inspect", run.name, "--runs-dir", trained, "--json")
    assert by_id.json["weights"] == "last"
    assert by_id.json["layers"][0]["variance"]["predicted"] is None
    refused = dlx("inspect", run, "model.hidden=[3]")
    assert refused.code == 2
    assert "model.hidden=[3]: " in refused.err and "is a run and keeps its config" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing"], 4, "no run 'nothing'"),
        (["nothing.yaml"], 2, "nothing.yaml: no such file"),
        (["xor", "model.activation=rellu"], 2, "did you mean 'relu'"),
        (["xor", "--plot", "there/is/no/folder.png"], 9, "folder.png"),
    ],
)
def test_what_cannot_be_inspected(
    dlx: Command, arguments: list[str], code: int, message: str
) -> None:
    ended = dlx("inspect", *arguments)
    assert ended.code == code
    assert message in ended.err


def test_fifty_layers_take_less_than_three_seconds_of_computing(process: Command) -> None:
    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = seconds()
    assert process("inspect", "xor", f"model.hidden={[100] * 49}").code == 0
    # Time of the processor, whatever else the machine does; with slack for slower ones.
    assert seconds() - before < 6


def test_recurrent_layers_step_by_step(dlx: Command) -> None:
    ended = dlx("inspect", "recurrent", "model.hidden=[5]", "model.cell=rnn")
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert "1 rnn, 8 steps U (5, 5) (5, m) 25 440" in lines
    assert "1.projection projection (5, 8) (5, 1) (5, m) 45 680" in lines
    head = lines.index("layer step Var A theory dZ² theory")
    assert [line.split()[:2] for line in lines[head + 1 : head + 6]] == [
        ["1", str(step)] for step in (1, 3, 5, 6, 8)
    ]


def test_maxout_shows_its_pieces(dlx: Command) -> None:
    ended = dlx("inspect", "xor", "model.hidden=[{name: maxout, units: 4, pieces: 3}]")
    assert "identity, 3 pieces  (12, 2)  (12, 1)  (4, m)" in ended.out
