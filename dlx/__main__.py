"""`dlx` and `python -m dlx`."""

import sys

from dlx.stopping import end


def main() -> None:
    """Run the command line of the process."""
    try:
        from dlx.cli import main as run
    except KeyboardInterrupt:  # Ctrl-C before there was anything to stop
        end(130)
    sys.exit(run())


if __name__ == "__main__":
    main()
