"""The kinds of layers, one in a file: spec, run-axis layer, plain torch form, costs and theory.

`Spec` in `protocol.py` says what dlx asks of a kind. Read `dense.py` next, the kind that most
networks are made of. docs/plugins.md shows a whole kind in one piece.
"""

from dlx.nn.layers.protocol import Blueprint as Blueprint
from dlx.nn.layers.protocol import Layer as Layer
from dlx.nn.layers.protocol import Spec as Spec
