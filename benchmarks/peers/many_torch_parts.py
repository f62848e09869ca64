"""Networks and optimizers of the sides that use torch."""

import itertools
import math

import torch
from torch import nn

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU}


def make_network(sizes: tuple[int, ...], activation: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        nn.init.normal_(linear.weight, std=math.sqrt(2 / inputs))
        nn.init.zeros_(linear.bias)
        layers += [linear, ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def make_optimizer(network: nn.Module, choice: dict) -> torch.optim.Optimizer:
    parameters, lr = network.parameters(), choice["lr"]
    if choice["name"] == "adam":
        return torch.optim.Adam(parameters, lr=lr, fused=True)
    if choice["name"] == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr, foreach=True)
    return torch.optim.SGD(parameters, lr=lr, momentum=choice.get("momentum", 0.0), fused=True)
