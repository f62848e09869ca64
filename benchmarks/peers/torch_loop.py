"""A hand-written torch loop over in-memory tensors with fused Adam, logging to TensorBoard.

With `--flush`, denormal numbers are flushed to zero, as dlx does.
"""

import sys

import torch
from data import BATCH, EPOCHS, WIDTH, Report, mnist
from torch import nn
from torch.utils.tensorboard import SummaryWriter

torch.set_flush_denormal("--flush" in sys.argv)
torch.manual_seed(0)
report = Report()
parts = {k: (torch.from_numpy(x), torch.from_numpy(y)) for k, (x, y) in mnist().items()}
network = nn.Sequential(
    nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10)
)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
loss_function = nn.CrossEntropyLoss()
writer = SummaryWriter(sys.argv[1])


def evaluate(part: str) -> tuple[float, float]:
    x, y = parts[part]
    with torch.no_grad():
        z = network(x)
        return loss_function(z, y).item(), (z.argmax(1) == y).float().mean().item()


x, y = parts["train"]
accuracy = 0.0
for epoch in range(EPOCHS):
    report.begin()
    total, right = torch.zeros(()), torch.zeros(())
    order = torch.randperm(len(x))
    for rows in order.split(BATCH):
        target = y[rows]
        z = network(x[rows])
        loss = loss_function(z, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            total += loss * len(rows)
            right += (z.argmax(1) == target).sum()
        report.stepped()
    writer.add_scalar("train/cost", total.item() / len(x), epoch)
    writer.add_scalar("train/accuracy", right.item() / len(x), epoch)
    for part in ("dev", "test"):
        cost, accuracy = evaluate(part)
        writer.add_scalar(f"{part}/cost", cost, epoch)
        writer.add_scalar(f"{part}/accuracy", accuracy, epoch)
    report.end()
writer.close()
report.show(accuracy)
