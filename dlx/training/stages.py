"""Which stages of greedy pre-training a run goes through, and by what each is known in the cache.

# I inputs, H units
"""

import functools
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dlx import registry
from dlx.config.dump import to_plain
from dlx.config.schema import Pretrain, RunConfig, Stage, resolved
from dlx.config.types import Choice
from dlx.data.batches import steps_per_epoch
from dlx.data.dataset import Task
from dlx.data.parts import Splits
from dlx.errors import ConfigError
from dlx.models import stages as networks
from dlx.models.design import Design
from dlx.models.rbm import rbm_of
from dlx.nn.layers.dense import DenseSpec
from dlx.training import batch_sizes

# What a stage does not depend on: rows are changed in the training of the whole network alone, and
# its labels are asked for there alone.
_NOT_OF_STAGES = ("augment", "labels")


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a run's pre-training."""

    number: int  # from 1
    method: str  # what the layers are trained as a part of, or 'unroll'
    layers: tuple[DenseSpec, ...]  # of the run's network, that are trained
    below: tuple[DenseSpec, ...]  # of the run's network, which give the inputs; none: the data do
    design: Design  # of the network that is trained
    optimizer: Choice  # with settings and schedule
    epochs: int  # passes over the training rows
    batch_size: int  # rows of a full batch
    num_steps: int  # optimizer steps

    @property
    def words(self) -> str:
        """What is trained, for people."""
        names = ", ".join(layer.name for layer in self.layers)
        kind = "unrolled" if self.method == "unroll" else self.method
        return f"stage {self.number}: {kind} of layer{'s' * (len(self.layers) > 1)} {names}"

    def key(self, config: RunConfig, fingerprint: str, device: str, below: str) -> str:
        """Return what tells the result from any other: a SHA-256, in hexadecimal.

        It depends on the fingerprint of the data, the kind of device, and on the key of the stage
        below, which is empty for the first.
        """
        data = {k: v for k, v in to_plain(config.data).items() if k not in _NOT_OF_STAGES}
        document = {
            "code": _code_version(),
            "plugins": _registered_code(),
            "threads": torch.get_num_threads(),
            "device": device,
            "engine": config.train.engine,
            "precision": config.train.matmul_precision,
            "seed": config.seed,
            "data": data,
            "fingerprint": fingerprint,
            "below": below,
            "network": repr(self.design),
            "optimizer": to_plain(self.optimizer),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def plan(config: RunConfig, splits: Splits, design: Design) -> tuple[PlannedStage, ...]:
    """Return the stages of a run's pre-training, in their order; none if it has none."""
    section = resolved(config.pretrain)
    if section is None:
        return ()
    if section.stages == "auto":
        count = None if section.layers == "all" else section.layers
        layers = networks.hidden_layers(design, count, "layers")
        given = [Stage()] * len(layers)
    else:
        given = section.stages
        layers = networks.hidden_layers(design, len(given), "stages")
        if section.layers not in ("all", len(given)):
            raise ConfigError(
                f"pretrain.stages: received {len(given)} stages, but pretrain.layers is "
                f"{section.layers}; leave one of them out"
            )
    planned: list[PlannedStage] = []
    splits = splits.unlabelled
    num_rows, whole = len(splits.train), splits.reconstructing().task
    for place, (layer, stage) in enumerate(zip(layers, given, strict=True)):
        below = layers[:place]
        task = networks.codes_task(below[-1].activation, layer.inputs) if below else whole
        method = stage.method or section.method
        network = _network(method, layer, task, section, stage)
        settings = _settings(config, section, stage, network, num_rows)
        planned.append(PlannedStage(place + 1, method, (layer,), below, network, *settings))
    if section.unroll:
        network = networks.unrolled(layers, whole, tied=section.tied)
        settings = _settings(config, section, Stage(epochs=section.unroll), network, num_rows)
        planned.append(PlannedStage(len(layers) + 1, "unroll", layers, (), network, *settings))
    return tuple(planned)


def _network(method: str, layer: DenseSpec, task: Task, section: Pretrain, stage: Stage) -> Design:
    if method == "rbm":
        persistent = section.persistent if stage.persistent is None else stage.persistent
        try:
            return rbm_of(
                layer,
                task,
                gibbs_steps=stage.gibbs_steps or section.gibbs_steps,
                chains=(stage.chains or section.chains) if persistent else 0,
            )
        except ConfigError as error:
            raise ConfigError(f"pretrain.method: {error}") from error
    tied = section.tied if stage.tied is None else stage.tied
    network = networks.unrolled([layer], task, tied=tied)
    if method == "denoising":
        return networks.denoising(network, task, stage.corruption or section.corruption)
    return network


def pretrained_layers(stages: Sequence[PlannedStage]) -> tuple[str, ...]:
    """Return the names of all layers that the stages train."""
    return tuple(dict.fromkeys(layer.name for stage in stages for layer in stage.layers))


def _settings(
    config: RunConfig, section: Pretrain, stage: Stage, design: Design, num_rows: int
) -> tuple[Choice, int, int, int]:
    """Return optimizer, epochs, batch size and steps of a stage: its own, or the section's."""
    optimizer = stage.optimizer or section.optimizer
    epochs = section.epochs if stage.epochs is None else stage.epochs
    chosen = stage.batch_size or section.batch_size or config.train.batch_size
    batch_size = batch_sizes.resolved(chosen, num_rows, "pretrain.batch_size")
    if epochs:
        batch_sizes.check_batch_norm(design, batch_size, num_rows, "pretrain.batch_size")
    if optimizer.traits.searches:
        raise ConfigError(
            f"pretrain.optimizer: {optimizer.name} trains one network at a time, stages train side "
            "by side; use another one, such as adam"
        )
    return optimizer, epochs, batch_size, epochs * steps_per_epoch(num_rows, batch_size)


@functools.cache
def _code_version() -> str:
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()} torch {torch.__version__}"


def _registered_code() -> dict[str, str]:
    """Return the SHA-256 of the files, other than dlx's own, that have registered names."""
    digests = {}
    for name in sorted(module for module in registry.modules() if not module.startswith("dlx.")):
        file = getattr(sys.modules.get(name), "__file__", None)
        content = Path(file).read_bytes() if file and Path(file).exists() else b""
        # The name of a plug-in's module holds the digest of what was loaded.
        digests[name] = hashlib.sha256(content).hexdigest()
    return digests
