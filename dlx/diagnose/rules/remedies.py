"""What to change in a config next, as KEY=VALUE."""

from dlx.config.dump import inline, to_plain
from dlx.config.types import Choice
from dlx.diagnose.evidence import Evidence


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

    A network without hidden layers gets two.
    """
    widths = e.config.model.arguments().get("hidden")
    is_narrow = isinstance(widths, list) and all(
        isinstance(width, int) and width <= 32 for width in widths
    )
    rate = f"optimizer={{name: adam, lr: {0.01 if is_narrow else 0.001}}}"
    layers = ("model.hidden=[10,10]",) if widths == [] else ()
    return (*layers, "model.activation=tanh", "model.init=xavier_normal", rate)


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
    if e.config.train.penalty is not None:
        return ("train.penalty=null",)
    if e.config.model.arguments().get("dropout"):
        return ("model.dropout=0",)
    if e.config.model.name == "autoencoder":
        return (longer(e),)
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
