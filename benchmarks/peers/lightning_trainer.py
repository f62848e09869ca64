"""Lightning with a DataLoader over a TensorDataset."""

import sys
import warnings

import lightning
import torch
from data import BATCH, EPOCHS, WIDTH, Report, mnist
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
report = Report()
sets = {k: TensorDataset(torch.from_numpy(x), torch.from_numpy(y)) for k, (x, y) in mnist().items()}


class Classifier(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(784, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, 10),
        )
        self.right = 0.0

    def training_step(self, batch, index):
        x, y = batch
        cost = nn.functional.cross_entropy(self.network(x), y)
        self.log("train/cost", cost, on_epoch=True, on_step=False)
        report.stepped()
        return cost

    def validation_step(self, batch, index, dataloader_idx=0):
        x, y = batch
        z = self.network(x)
        self.log("cost", nn.functional.cross_entropy(z, y))
        self.log("accuracy", (z.argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3, fused=True)

    def on_train_epoch_start(self) -> None:
        report.begin()

    def on_train_epoch_end(self) -> None:
        report.end()


trainer = lightning.Trainer(
    max_epochs=EPOCHS,
    accelerator="cpu",
    logger=TensorBoardLogger(sys.argv[1]),
    enable_progress_bar=False,
    enable_model_summary=False,
    enable_checkpointing=False,
    num_sanity_val_steps=0,
)
model = Classifier()
loaders = [DataLoader(sets[part], batch_size=1000) for part in ("dev", "test")]
trainer.fit(model, DataLoader(sets["train"], batch_size=BATCH, shuffle=True), loaders)
x, y = sets["test"].tensors
with torch.no_grad():
    report.show((model.network(x).argmax(1) == y).float().mean().item())
