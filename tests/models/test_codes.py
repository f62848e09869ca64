"""The options of a code: the laws over them, what their terms are, and what cannot be."""

import runpy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import dlx
from dlx.cohort import Cohort, Member
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.plain import from_torch, to_torch
from dlx.nn.passes import Pass
from dlx.training.evaluation import evaluate
from tests.cohorts import assert_same_run, bits, built, grouped, member, reconstruction, rows, train
from tests.guarded import EXPORT, TOGETHER
from tests.laws.test_stop_anywhere import assert_resumes
from tests.plain_loop import assert_plain

pytestmark = pytest.mark.usefixtures("one_thread", "without_pictures")


build = partial(built, "autoencoder")


PLAIN: dict[str, dict[str, Any]] = {
    "plain": {},
    "l1": {"sparsity": {"name": "l1", "weight": 0.01}},
    "l1, relu": {"sparsity": {"name": "l1", "weight": 0.1}, "code_activation": "relu"},
    "kl": {"sparsity": {"name": "kl", "rate": 0.2, "weight": 0.03}, "code_activation": "sigmoid"},
    "k-sparse": {"k_sparse": 2},
    "k-sparse, more in evaluation": {"k_sparse": {"k": 1, "alpha": 2}},
    "k-sparse and l1": {"k_sparse": 2, "sparsity": "l1", "dropout": 0.1},
    "contractive, identity": {"contractive": 0.01},
    **{
        f"contractive, {name}": {"contractive": 0.1, "code_activation": name}
        for name in ("sigmoid", "tanh", "relu", "elu", "gelu", "softplus", "mish", "silu")
    },
    "contractive, kl": {
        "contractive": 0.1,
        "sparsity": "kl",
        "code_activation": "sigmoid",
        "noise": {"input": 0.1},
    },
}
TIED: dict[str, dict[str, Any]] = {f"{name}, tied": options for name, options in PLAIN.items()}
UNTIED: dict[str, dict[str, Any]] = {
    "contractive, weight norm": {"contractive": 0.1, "weight_norm": True},
    "contractive, drop-connect": {
        "contractive": 0.1,
        "code_activation": "tanh",
        "dropout": {"name": "drop_connect", "hidden": 0.3},
    },
    "k-sparse, batch norm before": {
        "k_sparse": 2,
        "encoder": [{"name": "dense", "units": 3, "batch_norm": True}],
    },
}
DRAWN: dict[str, dict[str, Any]] = {
    "variational": {"variational": {}},
    "beta 0": {"variational": {"beta": 0}, "activation": "tanh"},
    "beta 4": {"variational": {"beta": 4}, "dropout": 0.2},
    "weight norm": {"variational": {}, "weight_norm": True, "batch_norm": True},
}
# A code of one layer, since contractive codes need that; drawn ones after a hidden layer too.
COHORTS: dict[str, tuple[dict[str, dict[str, Any]], list[int], bool]] = {
    "untied": (PLAIN | UNTIED, [3], False),
    "tied": (TIED, [3], True),
    "drawn": (DRAWN, [3], False),
    "drawn from a hidden layer": (DRAWN, [5, 2], False),
}


def cohort_of(name: str, what: Task) -> list[Member]:
    """Return the runs of a cohort, grouped: every choice of its kind."""
    chosen, encoder, tied = COHORTS[name]
    return grouped(
        [
            member(
                run,
                build(what, **{"encoder": encoder, "tied": tied, **options}),
                "adam",
                seed=seed % 5,
                num_steps=7,
            )
            for seed, (run, options) in enumerate(chosen.items())
        ]
    )


@pytest.mark.slow(*TOGETHER)
@pytest.mark.parametrize("name", COHORTS)
@pytest.mark.parametrize(("num_inputs", "size"), [(5, 8), (7, 16), (33, 21)])
@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_a_run_trains_to_the_same_bits_alone_and_together(
    num_inputs: int, size: int, in_unit_interval: bool, name: str
) -> None:
    what = reconstruction(num_inputs, in_unit_interval)
    members = cohort_of(name, what)
    inputs, targets = rows(what, 23)
    together = train(members, inputs, targets, size)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets, size))


@pytest.mark.parametrize("name", COHORTS)
def test_stopped_runs_resume_to_the_same_bits(name: str) -> None:
    what = reconstruction(6)
    assert_resumes(cohort_of(name, what), what, {1, 4, 6}, left=False)


@pytest.mark.parametrize("tied", [False, True])
def test_k_sparse_codes_train_as_in_plain_torch(tied: bool) -> None:
    what = reconstruction(6, in_unit_interval=False)
    assert_plain([member("run", build(what, encoder=[5, 4], k_sparse=2, tied=tied))], what)


@pytest.mark.parametrize("name", COHORTS)
def test_a_trained_network_goes_to_torch_and_back(name: str) -> None:
    what = reconstruction(6)
    inputs, targets = rows(what, 21)
    members = cohort_of(name, what)
    cohort = Cohort(members, 8)
    ended = train(members, inputs, targets, 8).ended_runs
    for row, run in enumerate(members):
        state = ended[run.name].outcome.state
        network = to_torch(run.design, state)
        back = from_torch(run.design, network.state_dict())
        assert state.keys() == back.keys()
        assert all(torch.equal(bits(back[name]), bits(value)) for name, value in state.items())
        cohort.network.load_run(row, state)
    with torch.no_grad():
        x = inputs.expand(len(members), *inputs.shape)
        z = cohort.network.forward(x, Pass())
        for row, run in enumerate(members):
            outputs = to_torch(run.design, cohort.network.run_state(row))(inputs)
            torch.testing.assert_close(cohort.head.outputs(z)[row], outputs)
        # What a decoder makes of the codes is what the network says.
        code = run.design.code
        assert code is not None
        codes = cohort.network.encode(x, code)
        assert codes.shape == (len(members), len(inputs), COHORTS[name][1][-1])
        assert torch.equal(cohort.network.decode(codes, code), z)


def by_hand(run: Member, parameters: dict[str, Tensor], x: Tensor, code: Tensor) -> Tensor:
    """Return the cost of a run of one encoder and one decoder layer, in torch's own words.

    Args:
        run: with one encoder and one decoder layer
        parameters: by name
        x: inputs (B, I)
        code: what the run drew, if it did (B, C)
    """
    first, spec, _ = run.design.layers
    w, b = parameters["1.weight"], parameters["1.bias"]

    def encode(row: Tensor) -> Tensor:
        return first.activation(row @ w + b)

    h, cost = encode(x), x.new_zeros(())
    if first.contraction is not None:
        jacobians = torch.vmap(torch.func.jacrev(lambda row: encode(row).squeeze(0)))(x)
        cost = cost + first.contraction * jacobians.square().sum((1, 2)).mean()
    if spec.divergence is not None:
        mean, log_variance = h.chunk(2, 1)
        q = torch.distributions.Normal(mean, (log_variance / 2).exp())
        prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
        kl = torch.distributions.kl_divergence(q, prior).sum(1).mean()
        cost = cost + spec.divergence * kl
        with torch.no_grad():
            noise = (code - q.mean) / q.stddev
        h = q.mean + q.stddev * noise
    if spec.kept is not None:
        largest = h.topk(spec.kept.training, 1)
        h = torch.zeros_like(h).scatter(1, largest.indices, largest.values)
    if spec.sparsity is not None:
        cost = cost + spec.sparsity.weight * spec.sparsity(h.unsqueeze(0))[0]
    decoder = parameters.get("2.weight", w.T)
    z = h @ decoder + parameters["2.bias"]
    if run.design.head.loss.name == "mse":
        return cost + F.mse_loss(z, x)
    return cost + F.binary_cross_entropy_with_logits(z, x)


# By hand there are no masks, and no weights in two parts.
BY_HAND = {
    name: [
        run
        for run, options in chosen.items()
        if not {"dropout", "noise", "weight_norm", "encoder"} & options.keys()
    ]
    for name, (chosen, _, _) in COHORTS.items()
    if name != "drawn from a hidden layer"
}


@pytest.mark.parametrize("in_unit_interval", [False, True])
@pytest.mark.parametrize("name", BY_HAND)
def test_cost_and_gradients_are_those_of_autograd(name: str, in_unit_interval: bool) -> None:
    what = reconstruction(6, in_unit_interval)
    members = [run for run in cohort_of(name, what) if run.name in BY_HAND[name]]
    inputs, _ = rows(what, 16, torch.float64)
    cohort = Cohort(members, 16, torch.float64)
    cohort.initialize()
    x = inputs.expand(len(members), *inputs.shape)
    pass_ = Pass(tape=[], batch_size=16, activations={})
    cohort.network.forward(x, pass_)
    assert pass_.activations is not None
    codes = pass_.activations["code"]
    costs, _ = cohort.forward_backward(x, x, 0)
    assert len(members) > 1
    for row, run in enumerate(members):
        state = {k: v.clone().requires_grad_() for k, v in cohort.network.run_state(row).items()}
        cost = by_hand(run, state, inputs, codes[row])
        torch.testing.assert_close(costs[row], cost.detach())
        expected_gradients = torch.autograd.grad(cost, list(state.values()))
        gradients = {p.name: p.gradient[row] for p in cohort.network.buffer.parameters}
        for key, expected in zip(state, expected_gradients, strict=True):
            torch.testing.assert_close(
                gradients[key], expected, msg=lambda text, key=key: f"{key} {text}"
            )


@pytest.mark.parametrize("in_unit_interval", [False, True])
def test_at_beta_1_the_cost_is_the_negative_evidence_bound_of_each_input(
    in_unit_interval: bool,
) -> None:
    what = reconstruction(6, in_unit_interval)
    run = member("run", build(what, encoder=[2], variational={}))
    inputs, _ = rows(what, 16, torch.float64)
    cohort = Cohort([run], 16, torch.float64)
    cohort.initialize()
    pass_ = Pass(tape=[], batch_size=16, activations={})
    x = inputs.unsqueeze(0)
    z = cohort.network.forward(x, pass_)[0]
    mean, log_variance = (pass_.activations or {})["1"][0].chunk(2, 1)
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
    if in_unit_interval:
        # Inputs between 0 and 1 are taken as means of Bernoulli variables, as everybody does.
        likelihood = torch.distributions.ContinuousBernoulli(logits=z)
        log_p = likelihood.log_prob(inputs) - likelihood._cont_bern_log_norm()
    else:
        log_p = torch.distributions.Normal(z, 0.5**0.5).log_prob(inputs)
        log_p = log_p + 0.5 * np.log(np.pi)  # a constant of the inputs
    bound = log_p.sum(1) - torch.distributions.kl_divergence(q, prior).sum(1)
    costs, _ = cohort.forward_backward(x, x, 0)
    torch.testing.assert_close(costs[0], -bound.mean() / 6)


def test_what_a_code_measures_is_that_of_its_rows() -> None:
    what = reconstruction(6, in_unit_interval=False)
    inputs, targets = rows(what, 23)
    options = {"sparsity": {"name": "l1", "weight": 0.5}, "contractive": 0.25}
    sparse = build(what, encoder=[4], code_activation="tanh", **options)
    drawn = build(what, encoder=[4], variational={"beta": 3})
    for design in (sparse, drawn):
        ended = train([member("run", design)], inputs, targets).ended_runs["run"].outcome
        cohort = Cohort([member("run", design)], 16)
        cohort.network.load_run(0, ended.state)
        metrics = {name: value[0] for name, value in evaluate(cohort, inputs, targets).items()}
        assert set(ended.metrics["train"]) >= set(design.measures)
        assert metrics == pytest.approx(ended.metrics["train"])
        first = inputs @ ended.state["1.weight"] + ended.state["1.bias"]
        if design is sparse:
            code = first.tanh()
            slopes = (1 - code.square()).square()
            norms = (slopes * ended.state["1.weight"].square().sum(0)).sum(1).mean().item()
            l1 = code.abs().sum(1).mean().item()
            assert metrics["contraction"] == pytest.approx(norms, rel=1e-5)
            assert metrics["sparsity"] == pytest.approx(l1, rel=1e-5)
            assert metrics["cost"] == pytest.approx(
                metrics["mse"] + 0.5 * l1 + 0.25 * norms, rel=1e-5
            )
        else:
            code, log_variance = first.chunk(2, 1)
            nats = (code.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
            assert metrics["kl"] == pytest.approx(nats.mean().item(), rel=1e-5)
            assert metrics["cost"] == pytest.approx(
                metrics["mse"] + 3 * metrics["kl"] / 6, rel=1e-5
            )
        assert metrics["active_units"] == (code.abs() > 0.1).float().mean().item()


def test_a_runs_measures_are_its_own_whatever_its_cohort_measures() -> None:
    what = reconstruction(5)
    members = cohort_of("untied", what)
    inputs, targets = rows(what, 23)
    ended = train(members, inputs, targets).ended_runs
    extra = {"sparsity", "contraction", "kl", "active_units"}
    told = {name: extra & set(run.outcome.metrics["dev"]) for name, run in ended.items()}
    assert told["plain"] == {"active_units"}
    assert told["kl"] == {"sparsity", "active_units"}
    assert told["contractive, kl"] == {"sparsity", "contraction", "active_units"}


def test_sparse_options_do_what_they_are_for() -> None:
    what = reconstruction(8, in_unit_interval=False)
    inputs, targets = rows(what, 60)

    def trained(**options: Any) -> dict[str, float]:
        run = member("run", build(what, encoder=[6], **options), num_steps=300, lr=0.01)
        return train([run], inputs, targets).ended_runs["run"].outcome.metrics["train"]

    relu = {"code_activation": "relu"}
    more = trained(**relu)["active_units"]
    assert trained(**relu, sparsity={"name": "l1", "weight": 0.1})["active_units"] < more
    assert trained(k_sparse=2)["active_units"] == pytest.approx(1 / 3)
    rated = {"code_activation": "sigmoid", "sparsity": {"name": "kl", "rate": 0.1, "weight": 1}}
    loose = trained(code_activation="sigmoid", sparsity={"name": "kl", "rate": 0.1, "weight": 0})
    assert trained(**rated)["sparsity"] < 0.2 < loose["sparsity"]
    free, held = (trained(code_activation="tanh", contractive=weight) for weight in (0, 0.1))
    assert held["contraction"] < free["contraction"]
    assert trained(variational={"beta": 50})["kl"] < 1 < trained(variational={})["kl"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k_sparse": 5}, r"model\.k_sparse: received 5, but the code has 4 units; allowed: 1 to"),
        ({"k_sparse": 0}, r"k_sparse: received 0"),
        ({"k_sparse": {"k": 1, "alpha": 0.5}}, r"alpha: received 0\.5"),
        (
            {"sparsity": "kl"},
            r"model\.sparsity: kl needs a code in \(0, 1\), to compare with a rate; use "
            r"code_activation: sigmoid, or sparsity: l1",
        ),
        (
            {
                "sparsity": "kl",
                "encoder": [{"name": "dense", "units": 3, "dropout": 0.5, "activation": "sigmoid"}],
            },
            r"model\.sparsity: kl needs a code in \(0, 1\), but the encoder's last layer has "
            r"dropout; leave it out of that layer",
        ),
        ({"sparsity": {"name": "kl", "rate": 1.0}}, r"rate: received 1\.0"),
        ({"sparsity": {"name": "l1", "weight": -1}}, r"weight: received -1"),
        ({"sparsity": "l2"}, r"sparsity: received 'l2' \(allowed: l1, kl or null\)"),
        ({"contractive": -0.1}, r"contractive: received -0\.1"),
        (
            {"contractive": 0.1, "encoder": [5, 3]},
            r"model\.contractive: the derivative of the code is known of one dense layer alone; use"
            r" an encoder of one number of units, such as encoder: \[32\]",
        ),
        (
            {"contractive": 0.1, "encoder": [{"name": "maxout", "units": 4}]},
            r"model\.contractive: the derivative of the code is known of one dense layer alone",
        ),
        (
            {"contractive": 0.1, "encoder": [{"name": "dense", "units": 3, "batch_norm": True}]},
            r"model\.contractive: the code has batch_norm, by which it depends on the whole batch",
        ),
        (
            {"contractive": 0.1, "code_activation": "prelu"},
            r"model\.code_activation: received prelu, which learns parameters, but model\.contract",
        ),
        (
            {"contractive": 0.1, "code_activation": "step"},
            r"model\.code_activation: received step, which has no derivative, but model\.contract",
        ),
        ({"variational": {"beta": -1}}, r"beta: received -1"),
        (
            {"variational": {}, "tied": True},
            r"model\.tied: a variational code has means and log variances, .* use tied: false",
        ),
        (
            {"variational": {}, "code_activation": "relu"},
            r"model\.code_activation: received relu, but means and log variances of a variational "
            r"code may be any numbers; use identity",
        ),
        (
            {"variational": {}, "k_sparse": 2},
            r"model\.variational: received with model\.k_sparse, but a code that is drawn has no",
        ),
        ({"variational": {}, "sparsity": "l1"}, r"received with model\.sparsity"),
        ({"variational": {}, "contractive": 0.1}, r"received with model\.contractive"),
        (
            {"variational": {}, "encoder": [{"name": "residual", "layers": [6]}]},
            r"model\.variational: the encoder's last layer has to be dense, to give means and log",
        ),
        (
            {"variational": {}, "encoder": [{"name": "dense", "units": 3, "noise": 0.1}]},
            r"model\.variational: the encoder's last layer has noise, which would change the log",
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(reconstruction(6), **{"encoder": [4], **options})


CONFIG: dict[str, Any] = {
    "name": "small",
    "data": {"name": "iris", "scale": True},
    "model": {"name": "autoencoder", "encoder": [3]},
    "optimizer": {"name": "adam", "lr": 0.01},
    "train": {"epochs": 2, "batch_size": 32},
}


@pytest.mark.slow(*EXPORT)
@pytest.mark.parametrize("options", ["k_sparse={k: 1, alpha: 2}", "variational={}"])
def test_a_code_survives_files_and_exports(options: str, tmp_path: Path) -> None:
    run = dlx.train(CONFIG, [f"model.{options}"], runs_dir=tmp_path / "runs")
    assert run.evaluate() == run.metrics
    inputs = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.9, 4.5, 1.5]], dtype=np.float32)
    outputs = run.predict(inputs)
    run.export(tmp_path / "torch")
    exported = runpy.run_path(str(tmp_path / "torch" / "load.py"))
    np.testing.assert_allclose(exported["predict"](torch.from_numpy(inputs)), outputs, rtol=1e-5)
    pytest.importorskip("onnxscript", reason="dlx[onnx] is not installed")
    from onnx.reference import ReferenceEvaluator  # pyright: ignore[reportMissingImports]

    run.export(tmp_path / "onnx", "onnx")
    network = ReferenceEvaluator(str(tmp_path / "onnx" / "network.onnx"))
    (onnx_outputs,) = network.run(None, {"inputs": inputs})
    np.testing.assert_allclose(onnx_outputs, outputs, rtol=1e-5)  # type: ignore[arg-type]
