"""dlx: a runner for neural-network experiments in which whole ablations train as one program."""
