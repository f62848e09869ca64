"""The command line, `dlx`: commands that parse, call `dlx.api` and print."""

from dlx.cli.app import main

__all__ = ["main"]
