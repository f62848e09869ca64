"""All runs at once, by JAX: `vmap` over the runs of an activation, `scan` over steps, `jit`."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from cases import STARTED, arguments, show

ACTIVATIONS = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
}
OPTIMIZERS = {
    "sgd": lambda o: optax.sgd(o["lr"]),
    "momentum": lambda o: optax.sgd(o["lr"], momentum=o["momentum"]),
    "adam": lambda o: optax.adam(o["lr"]),
    "rmsprop": lambda o: optax.rmsprop(o["lr"], decay=0.99, eps_in_sqrt=False),
}

case, parts, _, _ = arguments()
binary = case.sizes[-1] == 1
data = {part: (jnp.asarray(x), jnp.asarray(y)) for part, (x, y) in parts.items()}
X, Y = data["train"]
batch = case.batch or len(X)
seeds = case.seeds
optimizers = [OPTIMIZERS[each["name"]](each) for each in case.optimizers]


def start_of(key):
    keys = jax.random.split(key, len(case.sizes) - 1)
    return [
        (jax.random.normal(k, (i, o)) * (2 / i) ** 0.5, jnp.zeros(o))
        for k, i, o in zip(keys, case.sizes, case.sizes[1:], strict=False)
    ]


def cost_of(activation, parameters, x, y):
    for w, b in parameters[:-1]:
        x = activation(x @ w + b)
    w, b = parameters[-1]
    z = x @ w + b
    if binary:
        z = z[:, 0]
        return optax.sigmoid_binary_cross_entropy(z, y).mean(), ((z > 0) == (y > 0.5)).mean()
    costs = optax.softmax_cross_entropy_with_integer_labels(z, y)
    return costs.mean(), (z.argmax(1) == y).mean()


def part_of(tree, place):
    return jax.tree.map(lambda value: value[place * seeds : (place + 1) * seeds], tree)


def train(activation):
    """Train all optimizers and seeds of an activation: (optimizers x seeds) runs at a time."""
    gradient_of = jax.vmap(
        jax.grad(lambda p, x, y: cost_of(activation, p, x, y)[0]),
        in_axes=(0, None, None) if case.batch is None else (0, 0, 0),
    )

    def step(carry, rows):
        parameters, states = carry
        x, y = (X, Y) if case.batch is None else (X[rows], Y[rows])
        gradients = gradient_of(parameters, x, y)
        moved, kept = [], []
        for place, (optimizer, state) in enumerate(zip(optimizers, states, strict=True)):
            own = part_of(parameters, place)
            updates, state = optimizer.update(part_of(gradients, place), state, own)
            moved.append(optax.apply_updates(own, updates))
            kept.append(state)
        return (jax.tree.map(lambda *all: jnp.concatenate(all), *moved), kept), None

    @jax.jit
    def stretch(carry, rows):
        return jax.lax.scan(step, carry, rows)[0]

    last = jax.jit(lambda carry, rows: step(carry, rows)[0])

    @jax.jit
    def measure(parameters):
        return {
            part: jax.vmap(lambda p, x=x, y=y: cost_of(activation, p, x, y))(parameters)
            for part, (x, y) in ((part, (x[:10000], y[:10000])) for part, (x, y) in data.items())
        }

    keys = jnp.concatenate([jax.random.split(jax.random.key(0), seeds)] * len(optimizers))
    parameters = jax.vmap(start_of)(keys)
    states = [o.init(part_of(parameters, place)) for place, o in enumerate(optimizers)]
    carry = (parameters, states)
    history = [measure(parameters)]
    every = case.epochs // case.evaluations
    runs = seeds * len(optimizers)
    if case.batch is None:
        for _ in range(case.evaluations):
            carry = stretch(carry, jnp.zeros(every))
            history.append(jax.tree.map(np.asarray, measure(carry[0])))
        return history
    random = np.random.default_rng(0)
    full = len(X) // batch * batch
    for epoch in range(1, case.epochs + 1):
        order = np.stack([random.permutation(len(X)) for _ in range(seeds)] * len(optimizers))
        whole = order[:, :full].reshape(runs, -1, batch).swapaxes(0, 1)
        carry = stretch(carry, jnp.asarray(whole))
        if full < len(X):
            carry = last(carry, jnp.asarray(order[:, full:]))
        if epoch % every == 0:
            history.append(jax.tree.map(np.asarray, measure(carry[0])))
    return history


start = time.time() - STARTED
accuracies: dict[str, list[float]] = {}
began = time.perf_counter()
for name in case.activations:
    found = train(ACTIVATIONS[name])[-1]["dev"][1].reshape(len(optimizers), seeds)
    for place, each in enumerate(case.optimizers):
        accuracies[f"{name} {each['name']}"] = found[place].tolist()
show(start, [time.perf_counter() - began], accuracies)
