"""Training batches changed at random on the run's device: images moved and bent, noise added.

# K runs, B batch, I inputs = C channels × H height × W width, N knots
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from dlx.data.preprocessing import Preprocessing
from dlx.streams import generator, standard_normal, uniform

_SMOOTHNESS = 1 / 7  # of the longer side: the reach of an elastic dent
_KNOTS_APART = 1.5  # in units of that reach


@dataclass(frozen=True)
class Augmentation:
    """How strongly one run's training rows are changed; a strength of 0 changes nothing."""

    shift: float = 0.0  # largest shift, as a share of height and width
    rotation: float = 0.0  # largest angle, in degrees, to either side
    scale: float = 0.0  # images are scaled by factors from 1 / (1 + scale) to 1 + scale
    shear: float = 0.0  # largest angle by which vertical lines lean, in degrees
    # standard deviation of how far smooth random dents move a pixel, in pixels
    elastic: float = 0.0
    noise: float = 0.0  # standard deviation of normal noise on the inputs as the network sees them
    # (C, H, W); None: the inputs are not images, and only noise can be added
    image_shape: tuple[int, int, int] | None = None
    # of the inputs; it is undone before pixels move, and done again after
    preprocessing: Preprocessing = field(default_factory=Preprocessing, compare=False)

    @property
    def moves(self) -> bool:
        """Whether pixels move."""
        return any((self.shift, self.rotation, self.scale, self.shear, self.elastic))


class Augmenter:
    """Changes the training batches of K runs, each by its own strengths and from its own stream.

    Pixel p of the new image is read bilinearly from the old one at M p + t + d(p): M turns, shears
    and scales, t shifts, and d is the elastic field. Outside the old image, its border continues.
    The draws of a step depend on the run's seed and the step alone. Runs of equal seed, strengths
    and sample (`bagging`, see `Batches`) see the same rows, which are changed once.

    Reference:
        Simard, Steinkraus, Platt (2003), Best practices for convolutional neural networks applied
        to visual document analysis
    """

    def __init__(
        self,
        augmentations: Sequence[Augmentation | None],
        seeds: Sequence[int],
        bagging: Sequence[bool],
        batch_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._runs = list(zip(augmentations, seeds, bagging, strict=True))
        self._batch_size = batch_size
        self.active = any(a is not None and (a.moves or a.noise) for a in augmentations)
        self._device = device
        moving = [a for a in augmentations if a is not None and a.moves]
        self._basis = (
            _basis(moving[0].image_shape, any(a.elastic for a in moving)).to(device, dtype)
            if moving and moving[0].image_shape is not None
            else None
        )

    def __call__(self, x: Tensor, step: int) -> Tensor:
        """Return the batch (K, B, I) of a step, changed; `x` is left as it is."""
        if not self.active:
            return x
        # A run at a time: the bits of a vectorized operation may depend on the place in a buffer.
        changed: dict[tuple[Augmentation, int, bool], Tensor] = {}
        result = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        for row, (augmentation, seed, bagged) in enumerate(self._runs):
            if augmentation is None:
                result[row] = x[row]
                continue
            run = (augmentation, seed, bagged)
            if run not in changed:
                changed[run] = self._change(x[row], augmentation, seed, step)
            result[row] = changed[run]
        return result

    def _change(self, x: Tensor, strengths: Augmentation, seed: int, step: int) -> Tensor:
        if strengths.moves and strengths.image_shape is not None:
            images = strengths.preprocessing.undone(x).reshape(-1, *strengths.image_shape)
            grid = self._grid(strengths, seed, step, x)[: len(x)]
            moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
            x = strengths.preprocessing(moved.reshape(x.shape))
        if strengths.noise:
            noise = x.new_empty(self._batch_size, x.shape[1])
            standard_normal(noise, self._generator(seed, "noise", step))
            x = x + noise[: len(x)] * strengths.noise
        return x

    def _grid(self, strengths: Augmentation, seed: int, step: int, like: Tensor) -> Tensor:
        """Return where each pixel of a full batch is read, from -1 to 1: (B, H, W, 2)."""
        assert self._basis is not None and strengths.image_shape is not None
        _, height, width = strengths.image_shape
        u = like.new_empty(self._batch_size, 5)
        uniform(u, self._generator(seed, "affine", step))
        u = u * 2 - 1
        angle = u[:, 0] * math.radians(strengths.rotation)
        lean = (u[:, 1] * math.radians(strengths.shear)).tan()
        size = (u[:, 2] * math.log1p(strengths.scale)).exp()
        cos, sin = angle.cos() / size, angle.sin() / size
        aspect = height / width
        right, down = (2 * strengths.shift * u[:, 3:]).unbind(1)
        affine = [cos, (cos * lean - sin) * aspect, right, sin / aspect, sin * lean + cos, down]
        weights = torch.stack(affine, 1)
        if strengths.elastic:
            dents = like.new_empty(self._batch_size, len(self._basis) - 6)
            standard_normal(dents, self._generator(seed, "elastic", step))
            weights = torch.cat([weights, dents * strengths.elastic], 1)
        grid = weights @ self._basis[: weights.shape[1]]
        return grid.view(self._batch_size, height, width, 2)

    def _generator(self, seed: int, kind: str, step: int) -> torch.Generator:
        return generator(seed, "augment", kind, step, device=self._device)


def _basis(image_shape: tuple[int, int, int], elastic: bool) -> Tensor:
    """Return a basis of the coordinates where pixels are read: one product with it gives them all.

    Returns:
        (6, 2 H W), or (6 + 2 N, 2 H W) with a smooth dent around each of N knots, in x and in y.
        At a pixel, the squares of the dents sum to 1 pixel; x and y of a pixel are neighbours.
    """
    _, height, width = image_shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = x.flatten().double(), y.flatten().double()
    affine = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1, torch.ones_like(x)])
    rows = [_in_x_and_y(affine, affine)]
    if elastic:
        reach = max(height, width) * _SMOOTHNESS
        knots = torch.cartesian_prod(*(_knots(side, reach) for side in (height, width)))
        squares = (y - knots[:, :1]) ** 2 + (x - knots[:, 1:]) ** 2
        dents = torch.exp(-squares / (2 * reach**2))
        dents /= dents.norm(dim=0)
        rows.append(_in_x_and_y(dents * 2 / width, dents * 2 / height))
    return torch.cat(rows)


def _in_x_and_y(x: Tensor, y: Tensor) -> Tensor:
    none = torch.zeros_like(x)
    return torch.cat([torch.stack([x, none], 2), torch.stack([none, y], 2)]).flatten(1)


def _knots(side: int, reach: float) -> Tensor:
    number = max(math.ceil((side - 1) / (_KNOTS_APART * reach)) + 1, 2)
    return torch.linspace(0, side - 1, number, dtype=torch.float64)
