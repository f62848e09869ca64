"""Runs one after another, by a hand-written torch loop over in-memory tensors."""

import time

import torch
from cases import STARTED, arguments, sample, show
from many_torch_parts import make_network, make_optimizer
from torch import nn

case, parts, runs, _ = arguments()
tensors = {part: (torch.from_numpy(x), torch.from_numpy(y)) for part, (x, y) in parts.items()}
binary = case.sizes[-1] == 1
if binary:
    tensors = {part: (x, y.float().unsqueeze(1)) for part, (x, y) in tensors.items()}
loss = nn.BCEWithLogitsLoss() if binary else nn.CrossEntropyLoss()
x, y = tensors["train"]
batch = case.batch or len(x)


def measure(network: nn.Module) -> dict[str, tuple[float, float]]:
    found = {}
    with torch.no_grad():
        for part, (inputs, targets) in tensors.items():
            inputs, targets = inputs[:10000], targets[:10000]
            z = network(inputs)
            right = (z > 0) == (targets > 0.5) if binary else z.argmax(1) == targets
            found[part] = (loss(z, targets).item(), right.float().mean().item())
    return found


def train(activation: str, choice: dict, seed: int) -> float:
    torch.manual_seed(seed)
    network = make_network(case.sizes, activation)
    optimizer = make_optimizer(network, choice)
    history = [measure(network)]
    for epoch in range(1, case.epochs + 1):
        order = torch.randperm(len(x)) if batch < len(x) else None
        for start in range(0, len(x), batch):
            rows = slice(None) if order is None else order[start : start + batch]
            cost = loss(network(x[rows]), y[rows])
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
        if epoch % (case.epochs // case.evaluations) == 0:
            history.append(measure(network))
    return history[-1]["dev"][1]


start = time.time() - STARTED
seconds: list[float] = []
accuracies: dict[str, list[float]] = {}
for activation, optimizer, seed in sample(case, runs):
    began = time.perf_counter()
    names = case.activations[activation], case.optimizers[optimizer]["name"]
    accuracy = train(names[0], case.optimizers[optimizer], seed)
    seconds.append(time.perf_counter() - began)
    accuracies.setdefault(" ".join(names), []).append(accuracy)
show(start, seconds, accuracies)
