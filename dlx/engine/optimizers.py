"""An optimizer's settings and state as the kernels take them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NativeRule:
    """Where the numbers of a rule of `torch.optim` go."""

    number: int  # in `enum optimizer` of dlx/native/program.h
    settings: tuple[str, ...]  # names of the settings, in their places; "" for none
    state: tuple[str, ...]  # names of the state, in their places


_MOMENTS = ("exp_avgs", "exp_avg_sqs")
_BETAS = ("beta1", "beta2", "eps")
_DESCENT = NativeRule(0, ("momentum", "dampening"), ("momentum_buffer_list",))
_ADAM = NativeRule(4, _BETAS, _MOMENTS)
RULES = {
    "sgd": _DESCENT,
    "momentum": _DESCENT,
    "nesterov": _DESCENT,
    "adagrad": NativeRule(1, ("lr_decay", "", "eps"), ("state_sums",)),
    "rmsprop": NativeRule(
        2, ("momentum", "alpha", "eps"), ("square_avgs", "grad_avgs", "momentum_buffer_list")
    ),
    "adadelta": NativeRule(3, ("", "rho", "eps"), ("square_avgs", "acc_deltas")),
    "adam": _ADAM,
    "adamw": _ADAM,
    "nadam": NativeRule(5, (*_BETAS, "momentum_decay"), _MOMENTS),
    "radam": NativeRule(6, _BETAS, _MOMENTS),
    "adamax": NativeRule(7, _BETAS, ("exp_avgs", "exp_infs")),
    "lion": NativeRule(8, ("beta1", "beta2"), ("exp_avgs",)),
}
