"""A search by Optuna: two warm worker processes, each a hand-written torch loop over tensors.

    python optuna_search.py ROWS.npz TRIALS EPOCHS SEED

With 0 trials it ends where the first one would begin.
"""

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from torch import nn

BATCH, WORKERS = 64, 2
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
HIDDEN = {"[64,64]": (64, 64), "[128]": (128,)}


def objective(trial: optuna.Trial, rows: dict[str, torch.Tensor], epochs: int) -> float:
    lr = trial.suggest_float("optimizer.lr", 1e-4, 1e-1, log=True)
    dropout = trial.suggest_float("model.dropout", 0.0, 0.6)
    activation = ACTIVATIONS[trial.suggest_categorical("model.activation", list(ACTIVATIONS))]
    widths = HIDDEN[trial.suggest_categorical("model.hidden", list(HIDDEN))]
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    before = rows["train_x"].shape[1]
    for width in widths:
        linear = nn.Linear(before, width)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, activation(), nn.Dropout(dropout)]
        before = width
    network = nn.Sequential(*layers, nn.Linear(before, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, fused=True)
    loss, (x, y) = nn.CrossEntropyLoss(), (rows["train_x"], rows["train_y"])
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            batch = order[start : start + BATCH]
            cost = loss(network(x[batch]), y[batch])
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        right = network(rows["dev_x"]).argmax(1) == rows["dev_y"]
    return right.float().mean().item()


def work(journal: str, rows: dict[str, torch.Tensor], trials: int, epochs: int, seed: int) -> None:
    torch.set_num_threads(1)
    study = optuna.load_study(
        study_name="digits",
        storage=JournalStorage(JournalFileBackend(journal)),
        sampler=TPESampler(seed=seed, multivariate=True, constant_liar=True),
    )
    study.optimize(lambda trial: objective(trial, rows, epochs), n_trials=trials)


def main() -> None:
    path, trials, epochs, seed = Path(sys.argv[1]), *map(int, sys.argv[2:])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with np.load(path) as arrays:
        rows = {name: torch.from_numpy(arrays[name]) for name in arrays}
    if not trials:
        return
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "journal.log")
        storage = JournalStorage(JournalFileBackend(journal))
        study = optuna.create_study(study_name="digits", storage=storage, direction="maximize")
        context = multiprocessing.get_context("fork")
        began = time.perf_counter()
        workers = []
        for place in range(WORKERS):
            own = trials // WORKERS + (place < trials % WORKERS)
            arguments = journal, rows, own, epochs, WORKERS * seed + place
            workers.append(context.Process(target=work, args=arguments))
            workers[-1].start()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - began
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime
        settings: dict[str, Any] = dict(study.best_params)
        settings["model.hidden"] = list(HIDDEN[settings["model.hidden"]])
        assert len(study.trials) == trials
        best = {"settings": settings, "accuracy": study.best_value}
    json.dump({"seconds": seconds, "cpu": cpu, **best}, sys.stdout)


if __name__ == "__main__":
    main()
