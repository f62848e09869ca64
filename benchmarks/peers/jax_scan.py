"""JAX with optax: an epoch is one `scan` under `jit`."""

import jax
import jax.numpy as jnp
import optax
from data import BATCH, EPOCHS, WIDTH, Report, mnist

report = Report()
parts = {k: (jnp.asarray(x), jnp.asarray(y)) for k, (x, y) in mnist().items()}
sizes = [784, WIDTH, WIDTH, 10]
keys = jax.random.split(jax.random.key(0), 3)
parameters = [
    (jax.random.normal(key, (i, o)) * (2 / i) ** 0.5, jnp.zeros(o))
    for key, i, o in zip(keys, sizes, sizes[1:], strict=False)
]
optimizer = optax.adam(1e-3)
state = optimizer.init(parameters)


def forward(parameters, x):
    for w, b in parameters[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = parameters[-1]
    return x @ w + b


def cost_of(parameters, x, y):
    z = forward(parameters, x)
    cost = optax.softmax_cross_entropy_with_integer_labels(z, y).mean()
    return cost, (z.argmax(1) == y).mean()


def step(carry, rows):
    parameters, state = carry
    (cost, right), gradient = jax.value_and_grad(cost_of, has_aux=True)(
        parameters, X[rows], Y[rows]
    )
    updates, state = optimizer.update(gradient, state)
    return (optax.apply_updates(parameters, updates), state), (cost, right)


X, Y = parts["train"]
run_epoch = jax.jit(lambda carry, rows: jax.lax.scan(step, carry, rows))
last_step = jax.jit(step)
evaluate = jax.jit(cost_of)
accuracy = 0.0
carry = (parameters, state)
full = len(X) // BATCH * BATCH
for epoch in range(EPOCHS):
    report.begin()
    order = jax.random.permutation(jax.random.key(epoch + 1), len(X))
    carry, (costs, rights) = run_epoch(carry, order[:full].reshape(-1, BATCH))
    carry, _ = last_step(carry, order[full:])
    measured = [float(costs.mean()), float(rights.mean())]
    report.stepped()
    for part in ("dev", "test"):
        cost, right = evaluate(carry[0], *parts[part])
        measured += [float(cost), accuracy := float(right)]
    report.end()
report.show(accuracy)
