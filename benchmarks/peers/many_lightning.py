"""Runs one after another, by Lightning with DataLoaders over TensorDatasets."""

import time
import warnings

import lightning
import torch
from cases import STARTED, arguments, sample, show
from lightning.pytorch.loggers import TensorBoardLogger
from many_torch_parts import make_network, make_optimizer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
case, parts, runs, folder = arguments()
binary = case.sizes[-1] == 1
sets = {}
for part, (x, y) in parts.items():
    targets = torch.from_numpy(y)
    targets = targets.float().unsqueeze(1) if binary else targets
    sets[part] = TensorDataset(torch.from_numpy(x), targets)
loss = nn.BCEWithLogitsLoss() if binary else nn.CrossEntropyLoss()


class Classifier(lightning.LightningModule):
    def __init__(self, activation: str, choice: dict) -> None:
        super().__init__()
        self.network = make_network(case.sizes, activation)
        self.choice = choice
        self.accuracy = 0.0

    def training_step(self, batch, index):
        x, y = batch
        return loss(self.network(x), y)

    def validation_step(self, batch, index):
        x, y = batch
        z = self.network(x)
        right = (z > 0) == (y > 0.5) if binary else z.argmax(1) == y
        self.log("dev/cost", loss(z, y))
        self.log("dev/accuracy", right.float().mean())

    def configure_optimizers(self):
        return make_optimizer(self.network, self.choice)


def train(activation: str, choice: dict, seed: int) -> float:
    lightning.seed_everything(seed, verbose=False)
    trainer = lightning.Trainer(
        max_epochs=case.epochs,
        check_val_every_n_epoch=case.epochs // case.evaluations,
        accelerator="cpu",
        logger=TensorBoardLogger(folder),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10**6,
    )
    rows = len(sets["train"])
    training = DataLoader(
        sets["train"], batch_size=case.batch or rows, shuffle=case.batch is not None
    )
    trainer.fit(Classifier(activation, choice), training, DataLoader(sets["dev"], batch_size=1000))
    return float(trainer.callback_metrics["dev/accuracy"])


start = time.time() - STARTED
seconds: list[float] = []
accuracies: dict[str, list[float]] = {}
for activation, optimizer, seed in sample(case, runs)[:runs]:
    began = time.perf_counter()
    names = case.activations[activation], case.optimizers[optimizer]["name"]
    accuracy = train(names[0], case.optimizers[optimizer], seed)
    seconds.append(time.perf_counter() - began)
    accuracies.setdefault(" ".join(names), []).append(accuracy)
show(start, seconds, accuracies)
