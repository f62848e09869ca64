"""`dlx` and `python -m dlx`."""

import gc
import os
import sys

from dlx.stopping import end, interruptible

# The collector of cycles goes over what was made since it last did after so many new objects. The
# default of 700 takes a tenth of a short command's time, since imports make objects that stay.
_NEW_OBJECTS = 100_000


def main() -> None:
    """Run the command line of the process."""
    gc.set_threshold(_NEW_OBJECTS)
    os.environ["MPLBACKEND"] = "agg"  # figures go into files, whatever windows other programs open
    _open_streams()
    received: list[int] = []
    try:
        with interruptible(received):
            from dlx.cli import main as run
    except KeyboardInterrupt:  # Ctrl-C before there was anything to stop
        end(128 + received[0])
    code = run()
    # As it ends, Python would look for cycles among all objects, which takes up to a second.
    gc.freeze()
    sys.exit(code)


def _open_streams() -> None:
    """Open what the process was started without (`dlx runs >&-`), as what takes and says nothing.

    Otherwise a file of a run would have the number of stdout, and hold what is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


if __name__ == "__main__":
    main()
