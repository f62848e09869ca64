"""The code of a variational autoencoder: drawn in training, its mean in evaluation.

# K runs, B batch, C units of the code
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlx.nn.draws import Draws
from dlx.nn.passes import Pass
from dlx.streams import standard_normal


class Latent:
    """z = mean + exp(log_variance / 2) n with n ~ N(0, 1) in training, z = mean in evaluation.

    n depends on the run's seed, the layer and the step alone. factor × kl is added to the cost with
    kl = mean_b sum_j (mean² + variance - 1 - log_variance) / 2, the divergence of N(mean, variance)
    from N(0, 1) in nats. Evaluations measure it as `kl`.

    Reference:
        Kingma and Welling (2014), Auto-encoding variational Bayes, sections 2.4 and appendix B
    """

    def __init__(
        self,
        layer: str,
        factors: Sequence[float],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        active = [True] * len(factors)
        self._draws = Draws("latent", layer, seeds, active, device, standard_normal, dtype)
        self._factors = torch.tensor(factors, dtype=dtype, device=device)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the code: means and log variances side by side, (K, B, 2 C), to (K, B, C)."""
        mean, log_variance = (half.contiguous() for half in x.chunk(2, 2))
        std = (log_variance / 2).exp()
        variance = std.square()
        nats = divergence(mean, variance, log_variance).flatten(1).sum(1) / x.shape[1]
        pass_.terms["kl"] = self._factors * nats
        if pass_.measured is not None:
            pass_.measured["kl"] = nats
        if pass_.tape is None:
            return mean
        drawn = self._draws(pass_.step, pass_.batch_size * mean.shape[2], mean[0].numel())
        change = drawn.view(mean.shape) * std
        pass_.tape.append((mean, variance, change))
        return mean + change

    def backward(self, upstream: Tensor, pass_: Pass) -> Tensor:
        """Return the gradient of means and log variances, that of the term in the cost included.

        With f = factor / B and dz (K, B, C): d mean = dz + f mean,
        d log_variance = (dz exp(log_variance / 2) n + f (variance - 1)) / 2.
        """
        mean, variance, change = pass_.pop()
        factors = (self._factors / upstream.shape[1])[:, None, None]
        by_log_variance = (upstream * change + factors * (variance - 1)) / 2
        return torch.cat([upstream + factors * mean, by_log_variance], 2)


def divergence(mean: Tensor, variance: Tensor, log_variance: Tensor) -> Tensor:
    """Return the divergence of N(mean, variance) from N(0, 1) in nats, of each element."""
    return (mean.square() + variance - 1 - log_variance) / 2
