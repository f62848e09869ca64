"""The structures of `dlx/native/program.h`, field by field."""

import ctypes
from ctypes import POINTER, Structure, c_double, c_int64, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = (
    "affine",
    "weight_norm",
    "maxout",
    "batch_norm",
    "layer_norm",
    "activation",
    "sum",
    "concat",
    "largest",
    "sparsity",
    "dropout",
    "noise",
    "corruption",
    "drop_connect",
    "running_norm",
    "active",
)
ACTIVATIONS = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "mish",
    "hardtanh",
)
LOSSES = ("cross_entropy", "binary_cross_entropy", "mse", "mae", "huber", "hinge")
SPARSITIES = ("l1", "kl")
NO_ANSWER, LARGEST_OF_CLASSES, LARGEST_OF_COLUMNS, EACH_COLUMN = range(4)
TRANSPOSED, SHARED, BOUNDED, FROM_INPUTS = 1, 2, 4, 8
FLOAT, DOUBLE, INTEGER = range(3)
ROWS_OF_A_SUM = 128


class Operation(Structure):
    """One operation of a program."""

    _fields_ = [
        *((name, c_int64) for name in ("kind", "in_slot", "out_slot", "adds", "inputs", "outputs")),
        *((name, c_int64) for name in ("weight", "bias", "scratch", "option", "flags")),
        ("draws", c_int64 * 2),
        ("numbers", c_double * 6),
        ("statistics", c_void_p * 2),
        ("second", POINTER(c_int64)),
    ]


class Stretch(Structure):
    """Neighbouring numbers of a run's row that are trained."""

    _fields_ = [("start", c_int64), ("stop", c_int64), ("is_weight", c_int64)]


class Averaged(Structure):
    """Numbers of a run, and their mean over the steps."""

    _fields_ = [("newest", c_void_p), ("mean", c_void_p), ("length", c_int64)]


class Drawn(Structure):
    """Random numbers for the steps of a block."""

    _fields_ = [("numbers", c_void_p), ("of_a_step", c_int64)]


class Run(Structure):
    """One run, and the steps that it makes."""

    _fields_ = [
        ("inputs", c_void_p),
        ("targets", c_void_p),
        ("inputs_are_double", c_int64),
        ("targets_are", c_int64),
        ("num_inputs", c_int64),
        ("num_targets", c_int64),
        ("rows", c_void_p),
        ("target_rows", c_void_p),
        ("fill", c_void_p),
        ("shift", c_void_p),
        ("scale", c_void_p),
        ("rounds", c_int64),
        ("augmented", c_int64),
        ("num_rows", c_int64),
        ("batch_size", c_int64),
        ("first_epoch", c_int64),
        ("reconstructs", c_int64),
        ("number", c_int64),
        ("operations", POINTER(Operation)),
        ("widths", POINTER(c_int64)),
        ("scratch_sizes", POINTER(c_int64)),
        ("draws", POINTER(Drawn)),
        ("num_operations", c_int64),
        ("num_slots", c_int64),
        ("num_scratches", c_int64),
        ("output", c_int64),
        ("loss", c_int64),
        ("output_function", c_int64),
        ("answer", c_int64),
        ("emphasizes", c_int64),
        ("output_number", c_double),
        ("loss_number", c_double),
        ("middle", c_double),
        ("class_weights", c_void_p),
        ("values", c_void_p),
        ("gradients", c_void_p),
        ("unclipped", c_void_p),
        ("num_parameters", c_int64),
        ("weights_end", c_int64),
        ("num_trained", c_int64),
        ("trained", POINTER(Stretch)),
        ("clip_value", c_double),
        ("clip_norm", c_double),
        ("l1", c_double),
        ("l2", c_double),
        ("max_norm", c_double),
        ("optimizer", c_int64),
        ("is_first", c_int64),
        ("nesterov", c_int64),
        ("decoupled", c_int64),
        ("has_means", c_int64),
        ("has_velocity", c_int64),
        ("settings", c_double * 6),
        ("decay_of_weights", c_double),
        ("decay_of_rest", c_double),
        ("state", c_void_p * 3),
        ("count", c_double),
        ("product", c_double),
        ("rates", c_void_p),
        ("momenta", c_void_p),
        ("shares", c_void_p),
        ("averages", POINTER(Averaged)),
        ("num_averages", c_int64),
        ("cost_sum", c_double),
        ("correct_sum", c_double),
        ("first_step", c_int64),
        ("step", c_int64),
        ("diverged", c_int64),
        ("entry", c_int64),
        ("signals", POINTER(c_int64)),
        ("num_signals", c_int64),
    ]


class Part(Structure):
    """The rows on which a run is evaluated."""

    _fields_ = [
        ("inputs", c_void_p),
        ("targets", c_void_p),
        ("rows", c_void_p),
        ("target_rows", c_void_p),
        ("fill", c_void_p),
        ("shift", c_void_p),
        ("scale", c_void_p),
        ("inputs_are_double", c_int64),
        ("targets_are", c_int64),
        ("rounds", c_int64),
    ]


class Evaluation(Structure):
    """What runs make of some of their rows."""

    _fields_ = [
        ("runs", POINTER(Run)),
        ("parts", POINTER(Part)),
        ("first_row", c_int64),
        ("num_rows", c_int64),
        ("piece_rows", c_int64),
        ("until", c_int64),
        ("next", c_int64),
        ("costs", c_void_p),
        ("correct", c_void_p),
        ("penalties", c_void_p),
        ("active", c_void_p),
        ("row_costs", c_void_p),
        ("z", c_void_p),
        ("outputs", c_void_p),
        ("signals", c_void_p),
        ("signal_units", c_int64),
    ]


def array(kind: Any, values: list) -> ctypes.Array:
    """Return a C array; of one element more than none, so that it has an address."""
    return (kind * max(len(values), 1))(*values)


def records(structures: ctypes.Array) -> NDArray[np.void]:
    """Return C structures as a NumPy array of records, whose fields are set for all at once.

    Both are the same memory; pointers are addresses there.
    """
    fields = [(name, _numpy_type(kind)) for name, kind in structures._type_._fields_]
    return np.frombuffer(memoryview(structures), np.dtype(fields))


def _numpy_type(kind: Any) -> Any:
    if issubclass(kind, ctypes.Array):
        return _numpy_type(kind._type_), kind._length_
    return {c_double: np.float64, c_int64: np.int64}.get(kind, np.uintp)
