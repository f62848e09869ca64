"""TensorBoard, run inside `dlx board`."""

import contextlib
import time
from pathlib import Path

from dlx.errors import ConfigError


def start(folder: Path, host: str, port: int | None) -> str:
    """Serve TensorBoard from a thread of this process, and return its address.

    Args:
        folder: of event files, at any depth
        host: the address to listen on
        port: 0 for any free port; None for 6006 or the next free one

    Raises:
        ConfigError: the port is taken, or the host is not an address of this machine
    """
    from tensorboard import program

    board = program.TensorBoard()
    port_option = [] if port is None else [f"--port={port}"]
    board.configure(["", f"--logdir={folder}", f"--host={host}", *port_option])
    try:
        return board.launch()
    except program.TensorBoardServerException as error:
        raise ConfigError(f"TensorBoard could not start: {error.msg}") from error


def wait() -> None:
    """Wait for Ctrl-C."""
    # On Windows, Ctrl-C interrupts no wait for a lock or an event.
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(60)
