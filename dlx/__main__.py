"""`dlx` and `python -m dlx`."""

import gc
import sys

from dlx.stopping import end

# The collector of cycles goes over what was made since it last did after so many new objects. The
# default of 700 takes a tenth of a short command's time, since imports make objects that stay.
_NEW_OBJECTS = 100_000


def main() -> None:
    """Run the command line of the process."""
    gc.set_threshold(_NEW_OBJECTS)
    try:
        from dlx.cli import main as run
    except KeyboardInterrupt:  # Ctrl-C before there was anything to stop
        end(130)
    code = run()
    # As it ends, Python would look for cycles among all objects, which takes up to a second.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
