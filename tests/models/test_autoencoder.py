"""The autoencoder: the laws over its choices, what it can learn, and what cannot be."""

import json
import runpy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.decomposition import PCA

import dlx
from dlx.cohort import Member
from dlx.data.dataset import Task
from dlx.errors import ConfigError, DlxError
from dlx.models.plain import from_torch, to_torch
from tests.cohorts import assert_same_run, bits, built, grouped, member, reconstruction, rows, train
from tests.laws.test_stop_anywhere import assert_resumes
from tests.plain_loop import assert_plain

pytestmark = pytest.mark.usefixtures("one_thread", "without_pictures")


build = partial(built, "autoencoder")


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sigmoid": {"activation": "sigmoid", "code_activation": "tanh", "init": "xavier_uniform"},
    # After a linear code, batch norm takes its bias away: the gradient would be rounding noise.
    "prelu, batch norm": {"activation": "prelu", "code_activation": "elu", "batch_norm": True},
    "batch norm after": {"activation": "tanh", "batch_norm": {"position": "after"}},
    "layer norm": {"layer_norm": True},
    "dropout": {"dropout": {"input": 0.1, "hidden": 0.3}},
    "noise": {"noise": {"input": 0.2, "hidden": 0.1}},
}
UNTIED: dict[str, dict[str, Any]] = {
    "weight norm": {"weight_norm": True},
    "drop-connect": {"dropout": {"name": "drop_connect", "hidden": 0.3}},
    "lsuv": {"init": "lsuv"},
}


def variants(what: Task, tied: bool, **options: Any) -> list[Member]:
    """Return runs of one shape and many choices."""
    chosen = VARIANTS if tied else VARIANTS | UNTIED
    return [
        member(name, build(what, tied=tied, **options, **variant), "adam", seed=seed, num_steps=7)
        for seed, (name, variant) in enumerate(chosen.items())
    ]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("num_inputs", "encoder", "size"),
    [(5, [3], 8), (7, [6, 5, 2], 16), (4, [9], 21), (3, [1], 4), (30, [16, 8], 7), (33, [13], 21)],
)
@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_a_run_trains_to_the_same_bits_alone_and_together(
    num_inputs: int, encoder: list[int], size: int, in_unit_interval: bool, tied: bool
) -> None:
    what = reconstruction(num_inputs, in_unit_interval)
    members = grouped(variants(what, tied, encoder=encoder))
    inputs, targets = rows(what, 23)
    together = train(members, inputs, targets, size)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets, size))


@pytest.mark.parametrize("tied", [False, True])
def test_stopped_autoencoders_resume_to_the_same_bits(tied: bool) -> None:
    what = reconstruction(6)
    members = grouped(variants(what, tied, encoder=[5, 3]))
    assert_resumes(members, what, {1, 4, 6}, left=False)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_autoencoders_train_as_in_plain_torch(in_unit_interval: bool, tied: bool) -> None:
    what = reconstruction(5, in_unit_interval)
    random = ("dropout", "noise", "drop-connect")
    members = [run for run in variants(what, tied, encoder=[4, 2]) if run.name not in random]
    assert_plain(grouped(members), what)


@pytest.mark.parametrize("tied", [False, True])
def test_a_trained_network_goes_to_torch_and_back(tied: bool) -> None:
    what = reconstruction(6)
    inputs, targets = rows(what, 21)
    for run in variants(what, tied, encoder=[5, 3]):
        state = train([run], inputs, targets, 8).ended_runs[run.name].outcome.state
        network = to_torch(run.design, state)
        back = from_torch(run.design, network.state_dict())
        assert state.keys() == back.keys()
        assert all(torch.equal(bits(back[name]), bits(value)) for name, value in state.items())


def test_tied_weights_are_one_matrix_used_twice() -> None:
    what = reconstruction(6, in_unit_interval=False)
    network = build(what, encoder=[5, 3], tied=True, activation="tanh")
    inputs, targets = rows(what, 21)
    outcome = train([member("run", network, num_steps=9)], inputs, targets, 8).ended_runs["run"]
    state = outcome.outcome.state
    assert [name for name in state if name.endswith("weight")] == ["1.weight", "2.weight"]
    code = (inputs @ state["1.weight"] + state["1.bias"]).tanh() @ state["2.weight"]
    hidden = ((code + state["2.bias"]) @ state["2.weight"].T + state["3.bias"]).tanh()
    expected = hidden @ state["1.weight"].T + state["4.bias"]
    torch.testing.assert_close(to_torch(network, state)(inputs), expected)


def test_the_decoder_mirrors_widths_and_activations() -> None:
    encoder = [9, {"name": "dense", "units": 7, "activation": "tanh"}, 3]
    network = build(reconstruction(12), encoder=encoder, batch_norm=True, dropout=0.2)
    layers = network.parts
    assert [layer.outputs for layer in layers] == [9, 7, 3, 7, 9, 12]
    named = [activation.name for activation in network.activations]
    assert named == ["relu", "tanh", "identity", "tanh", "relu", "identity"]
    assert [layer.name for layer in layers] == list("123456")
    normalized = [layer.batch_norm is not None for layer in layers]
    assert normalized == [True, True, False, True, True, False]
    assert [layer.dropout > 0 for layer in layers] == normalized
    own = build(reconstruction(12), encoder=[4], decoder=[5, 6], code_activation="relu")
    assert [layer.outputs for layer in own.parts] == [4, 5, 6, 12]


@pytest.mark.parametrize("tied", [False, True])
def test_a_linear_autoencoder_finds_the_subspace_and_the_error_of_pca(tied: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(8, 8, generator=generator, dtype=torch.float64)
    scales = torch.tensor([4, 3, 2, 0.7, 0.5, 0.4, 0.3, 0.2], dtype=torch.float64)
    inputs = torch.randn(200, 8, generator=generator, dtype=torch.float64) * scales
    inputs = inputs @ torch.linalg.qr(basis).Q
    network = build(reconstruction(8, False), encoder=[3], tied=tied, init="xavier_normal")
    run = member("run", network, "lbfgs", num_steps=40)
    ended = train([run], inputs, inputs, 200, torch.float64).ended_runs["run"].outcome
    pca = PCA(3).fit(inputs.numpy())
    error = np.square(inputs.numpy() - pca.inverse_transform(pca.transform(inputs.numpy())))
    assert ended.metrics["train"]["squared_error_per_row"] == pytest.approx(
        error.sum(1).mean(), rel=0.01
    )
    decoder = ended.state["1.weight"] if tied else ended.state["2.weight"].mT
    angles = scipy.linalg.subspace_angles(decoder.numpy(), np.asarray(pca.components_).T)
    assert angles.max() < 1e-2


def test_the_errors_are_those_of_torch() -> None:
    what = reconstruction(5)
    inputs, targets = rows(what, 23)
    network = build(what, encoder=[3])
    outcome = train([member("run", network)], inputs, targets).ended_runs["run"].outcome
    outputs = to_torch(network, outcome.state)(inputs).detach().double()
    squares = (outputs - inputs).square()
    nats = torch.nn.functional.binary_cross_entropy(outputs, inputs.double(), reduction="none")
    metrics = outcome.metrics["train"]
    assert metrics["mse"] == pytest.approx(squares.mean().item(), rel=1e-5)
    assert metrics["squared_error_per_row"] == pytest.approx(squares.sum(1).mean().item(), rel=1e-5)
    assert metrics["cross_entropy_per_row"] == pytest.approx(nats.sum(1).mean().item(), rel=1e-5)
    assert metrics["cost"] == pytest.approx(nats.mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tied": True, "decoder": [4]}, r"model\.tied: the decoder's widths 3 to 4 to 6 are not"),
        ({"tied": True, "weight_norm": True}, r"model\.tied: layer 1 has weight_norm, which makes"),
        ({"tied": True, "init": "lsuv"}, r"model\.tied: layer 1 starts by lsuv, which scales"),
        (
            {"tied": True, "dropout": {"name": "drop_connect", "hidden": 0.5}},
            r"model\.tied: layer 1 has drop_connect, which drops weights in only one of the two",
        ),
        (
            {"tied": True, "encoder": [{"name": "maxout", "units": 4}, 3]},
            r"model\.tied: layer 1 has no single weight matrix to share; change it or use tied: f",
        ),
        ({"encoder": []}, r"model autoencoder: encoder: received \[\]"),
        ({"encoder": [0]}, r"encoder.*received 0"),
        (
            {"loss": "binary_cross_entropy"},
            r"model\.loss: received binary_cross_entropy, but inputs of training rows lie outside "
            r"\[0, 1\], or may once data\.augment moves scaled pixels; use loss: mse, or bring "
            r"them there with data\.scale: true",
        ),
        ({"loss": "hinge"}, r"model\.output: identity with loss hinge needs classes, but inputs"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(reconstruction(6, in_unit_interval=False), **{"encoder": [3], **options})


def test_weights_of_classes_are_refused() -> None:
    loss = {"name": "binary_cross_entropy", "class_weights": "balanced"}
    with pytest.raises(ConfigError, match=r"class_weights: inputs are reconstructed, not classes"):
        build(reconstruction(6), loss=loss)


CONFIG: dict[str, Any] = {
    "name": "small",
    "data": {"name": "iris", "standardize": True},
    "model": {"name": "autoencoder", "encoder": [3, 2], "tied": True},
    "optimizer": {"name": "adam", "lr": 0.01},
    "train": {"epochs": 2, "batch_size": 32},
}


def test_predictions_and_the_exported_network_are_reconstructions_in_the_datas_units(
    tmp_path: Path,
) -> None:
    run = dlx.train(CONFIG, runs_dir=tmp_path / "runs")
    assert run.design.head.output_name == "identity"
    inputs = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.9, 4.5, 1.5]], dtype=np.float32)
    outputs = run.predict(inputs)
    assert outputs.shape == inputs.shape
    assert np.abs(outputs - inputs).max() < 4
    seen = run.preprocessing(torch.from_numpy(inputs))
    shift, scale = run.preprocessing.shift, run.preprocessing.scale
    assert shift is not None and scale is not None
    np.testing.assert_allclose(
        outputs, (run.network()(seen) * scale + shift).detach().numpy(), rtol=1e-5
    )
    run.export(tmp_path / "exported")
    exported = runpy.run_path(str(tmp_path / "exported" / "load.py"))
    np.testing.assert_allclose(exported["predict"](torch.from_numpy(inputs)), outputs, rtol=1e-5)
    table = run.predict_split("test").records()
    name = "sepal length (cm)"
    assert table[0][f"target_{name}"] == pytest.approx(table[0][name], rel=1e-5)
    assert f"predicted_{name}" in table[0]
    assert run.evaluate() == run.metrics
    task = json.loads((run.path / "run.json").read_text())["task"]
    assert task["kind"] == "reconstruction"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data.augment={noise: 0.1}"],
            r"data\.augment\.noise: received 0\.1, but autoencoder would have to reconstruct the "
            r"noise; use model\.noise\.input",
        ),
        (["log.metrics=[accuracy]"], r"accuracy is not defined for this task, which is reconstru"),
        (
            ["log.metrics=[cross_entropy_per_row]"],
            r"cross_entropy_per_row needs outputs in \[0, 1\], but model\.output is identity; use",
        ),
        (
            ["model.loss=binary_cross_entropy"],
            r"model\.loss: received binary_cross_entropy, but inputs of training rows lie outside",
        ),
        (["model.encoder=[3, 2]", "model.hidden=[3]"], r"hidden"),
    ],
)
def test_a_config_that_cannot_be_trained_is_refused(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DlxError, match=message):
        dlx.train(CONFIG, overrides, runs_dir=tmp_path)


def test_an_augmented_row_is_its_own_target(tmp_path: Path) -> None:
    data = "data={name: digits, scale: true, augment: {shift: 0.3}}"
    run = dlx.train(CONFIG, [data, "train.epochs=30", "model.encoder=[90]"], runs_dir=tmp_path)
    # Scaled pixels that move may leave [0, 1], where there is no cross-entropy.
    assert run.design.head.output_name == "identity"
    # Were the target the row before it was moved, the mean over the places would be learned.
    assert run.metrics["dev"]["mse"] < 0.01
