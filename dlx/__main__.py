"""`python -m dlx`: the same as `dlx`."""

import sys

from dlx.cli import main

sys.exit(main())
