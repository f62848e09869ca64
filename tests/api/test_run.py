"""A run from Python: trained, loaded, used."""

from pathlib import Path

import torch

import dlx


def test_a_run_is_trained_loaded_and_used(tmp_path: Path) -> None:
    run = dlx.train("configs/xor.yaml", ["train.steps=500"], runs_dir=str(tmp_path))
    assert run.path.parent == tmp_path / "xor"
    loaded = dlx.load("xor", runs_dir=str(tmp_path))
    assert loaded.path == run.path
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    probabilities = loaded.predict(corners)
    assert loaded.classify(probabilities) == ["0", "1", "1", "0"]
    torch.testing.assert_close(
        loaded.network()(corners).detach(), torch.from_numpy(probabilities), rtol=0, atol=1e-6
    )
    assert loaded.evaluate() == run.metrics
    assert [line["step"] for line in loaded.history][-1] == 500
