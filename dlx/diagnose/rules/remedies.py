"""What to change in a config next, as KEY=VALUE."""

from dlx.config.dump import inline, to_plain
from dlx.config.types import Choice
from dlx.diagnose.evidence import Evidence

STEADY_STATE = ("model.recurrent_init=orthogonal",)  # neither grows nor fades from step to step


def lower_rate(e: Evidence) -> str:
    """Return a tenth of the learning rate."""
    return other_rate(e, 0.1)


def other_rate(e: Evidence, factor: float) -> str:
    """Return the learning rate times a factor, at most 0.1."""
    rate = e.config.optimizer.arguments().get("lr")
    given = rate if isinstance(rate, int | float) and rate else 0.01
    return f"optimizer.lr={min(given * factor, 0.1):.3g}"


def longer(e: Evidence) -> str:
    """Return three times as long a training."""
    train = e.config.train
    if train.steps is not None:
        return f"train.steps={3 * train.steps}"
    return f"train.epochs={3 * (train.epochs or 1)}"


def sound_start(e: Evidence) -> tuple[str, ...]:
    """Return a start and an activation that let signals and gradients pass a deep network.

    A network without hidden layers gets two. Where dropout takes half of the units or more, it is
    what keeps signals from passing.
    """
    if drops_most(e):
        return ("model.dropout=0",)
    widths = e.config.model.arguments().get("hidden")
    is_narrow = isinstance(widths, list) and all(
        isinstance(width, int) and width <= 32 for width in widths
    )
    rate = f"optimizer={{name: adam, lr: {0.01 if is_narrow else 0.001}}}"
    layers = ("model.hidden=[10,10]",) if widths == [] else ()
    return (*layers, "model.activation=tanh", "model.init=xavier_normal", rate)


def drops_most(e: Evidence) -> bool:
    """Return whether dropout takes half of a layer's units, or more."""
    given = e.config.model.arguments().get("dropout") or 0.0
    rates = (
        each.arguments().get("rate", 0.0) if isinstance(each, Choice) else each
        for each in (given if isinstance(given, list) else [given])
    )
    return max(rates, default=0.0) >= 0.5


def weight_decay(e: Evidence) -> tuple[str, ...]:
    """Return what takes away the penalty or the decay that holds weights small, if there is one."""
    if e.config.train.penalty is not None:
        return ("train.penalty=null",)
    return (
        ("optimizer.weight_decay=0",) if e.config.optimizer.arguments().get("weight_decay") else ()
    )


def hidden(e: Evidence, widths: list[int]) -> tuple[str, ...]:
    """Return hidden layers of these widths.

    Options with a value for each layer, which would not fit them, keep the first layer's.
    """
    options = to_plain(e.config.model)
    lists = {key: values for key, values in options.items() if isinstance(values, list) and values}
    first = (f"model.{key}={inline(values[0])}" for key, values in lists.items() if key != "hidden")
    return (f"model.hidden={inline(widths)}", *first)


def against_bias(e: Evidence) -> tuple[str, ...]:
    """Return what lets the network fit its training rows better."""
    options = e.config.model.arguments()
    if decay := weight_decay(e):
        return decay
    if options.get("dropout"):
        return ("model.dropout=0",)
    if e.config.model.name == "autoencoder":
        width, widths = e.wider_code, options.get("encoder")
        if width and isinstance(widths, list):
            return (f"model.encoder={inline([*widths[:-1], width])}",)
        return (longer(e),)
    start = options.get("recurrent_init")
    if isinstance(start, Choice) and (start.arguments().get("gain") or 1) > 1:
        return STEADY_STATE
    return hidden(e, [128, 128])


def against_variance(e: Evidence) -> tuple[str, ...]:
    """Return what keeps the network from remembering."""
    if e.config.train.early_stopping is None and e.splits is not None and e.splits.dev is not None:
        return ("train.early_stopping={}",)
    return ("train.penalty={l2: 0.01}",)


def simpler(e: Evidence) -> tuple[str, ...]:
    """Return a linear model or, of other models, a lower rate."""
    return hidden(e, []) if e.config.model.name == "mlp" else (lower_rate(e),)


def surer(e: Evidence) -> tuple[str, ...]:
    """Return what makes a network surer: no smoothed labels or, without them, more training."""
    loss = e.config.model.arguments().get("loss")
    if isinstance(loss, Choice) and loss.arguments().get("label_smoothing"):
        return ("model.loss.label_smoothing=0",)
    return (longer(e),)
