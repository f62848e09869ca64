"""A trained network as files that need no dlx: plain torch, or ONNX.

# N rows, I inputs, C outputs
"""

import importlib.util
import inspect
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlx.data.dataset import Task
from dlx.data.preprocessing import Preprocessing
from dlx.data.tables.encoder import Encoder
from dlx.errors import ConfigError
from dlx.nn import layers
from dlx.nn.layers.dense import Transposed
from dlx.nn.plain import Elementwise
from dlx.runs import make_directory, write_atomic

_SCRIPT = '''\
"""The network of {run}, in plain torch.

Needs torch and safetensors, and the files beside it. From Python:

    from load import predict
    outputs = predict(x)
"""

from __future__ import annotations

{imports}from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

FOLDER = Path(__file__).parent
CLASSES = {classes}
{table}
{definitions}
{owners}network = nn.Sequential(
{modules}
)
network.load_state_dict(load_file(FOLDER / "weights.safetensors"))
network.eval()
{preprocessing}{units}

def predict(x: Tensor) -> Tensor:
    """Return the outputs {outputs} for inputs {inputs}."""
    with torch.no_grad():
        return {outputs_in_units}


if __name__ == "__main__":
    print(network)
{main}
'''
_PREDICT_ZEROS = '    print("outputs for zeros:", predict(torch.zeros(1, {num_inputs})))'
_PREDICT_FILE = """\
    for path in sys.argv[1:]:  # CSV files, with commas, of the columns that table.json names
        with open(path, encoding="utf-8-sig", newline="") as file:
            for outputs in predict(encode(list(csv.DictReader(file)), TABLE)).tolist():
                print(*outputs, sep=",")"""
_ELEMENTWISE = """\
class Elementwise(nn.Module):
    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def forward(self, z: Tensor) -> Tensor:
        return self.function(z, **self.options)
"""


def write_torch(
    folder: Path,
    run: str,
    network: nn.Sequential,
    preprocessing: Preprocessing,
    task: Task,
    encoder: Encoder | None = None,
) -> list[Path]:
    """Write weights.safetensors, load.py, which rebuilds the network, and files that it reads.

    These are preprocessing.safetensors, if there is any, and table.json of a table's encoder.
    `run` is the path of the run that the network comes from.
    """
    from safetensors.torch import save

    files = {"weights.safetensors": save(network.state_dict())}
    if preprocessing.tensors():
        files["preprocessing.safetensors"] = save(preprocessing.tensors())
    if encoder is not None:
        files["table.json"] = encoder.to_json()
    files["load.py"] = script(run, network, preprocessing, task, encoder).encode()
    return _write(folder, files)


def script(
    run: str,
    network: nn.Sequential,
    preprocessing: Preprocessing,
    task: Task,
    encoder: Encoder | None,
) -> str:
    """Return the text of load.py: the network's modules written out, and `predict`."""
    fitted = units = imports = table = encoding = ""
    argument = "x"
    if preprocessing.tensors():
        fitted = 'preprocessing = load_file(FOLDER / "preprocessing.safetensors")\n'
        argument = '((x.double() - preprocessing["shift"]) / preprocessing["scale"]).float()'
    outputs = f"network({argument})"
    if task.target_scale:
        scale, shift = list(task.target_scale), list(task.target_shift)
        units = f"SCALE, SHIFT = torch.tensor({scale}), torch.tensor({shift})\n"
        outputs += " * SCALE + SHIFT"
    if encoder is None:
        pixels = "; pixels in [0, 1]" if len(task.input_shape) > 1 else ""
        main = _PREDICT_ZEROS.format(num_inputs=task.num_inputs)
        inputs = f"x (N, {task.num_inputs}) as they are in the data{pixels}"
    else:
        imports = "import csv\nimport json\nimport sys\n"
        table = 'TABLE = json.loads((FOLDER / "table.json").read_text(encoding="utf-8"))\n'
        encoding = f"\n{inspect.getsource(encode)}\n"
        main, inputs = _PREDICT_FILE, f"x (N, {task.num_inputs}) that encode() gives"
    tied = [module for module in network if isinstance(module, Transposed)]
    owners: dict[nn.Module, str] = {
        module.owner[0]: f"linear_{n}" for n, module in enumerate(reversed(tied), 1)
    }
    lines = [
        f"Transposed({owners[module.owner[0]]}, bias={module.bias is not None})"
        if isinstance(module, Transposed)
        else owners.get(module) or _written(module)
        for module in network
    ]
    linear = [module for module in network if isinstance(module, nn.Linear | Transposed)]
    return _SCRIPT.format(
        run=run,
        classes=repr(task.classes),
        imports=imports,
        table=table,
        definitions=_definitions(network) + encoding,
        owners="".join(f"{name} = {_written(owner)}\n" for owner, name in owners.items()),
        modules=textwrap.indent("\n".join(f"{line}," for line in lines), "    "),
        preprocessing=fitted,
        outputs=f"(N, {linear[-1].out_features})",
        inputs=inputs,
        units=units,
        outputs_in_units=outputs,
        main=main,
    )


def write_onnx(
    folder: Path,
    run: str,
    network: nn.Sequential,
    preprocessing: Preprocessing,
    task: Task,
    encoder: Encoder | None = None,
) -> list[Path]:
    """Write network.onnx, from `inputs` (N, I) as they are in the data to `outputs` (N, C).

    The inputs of a table are those that `encode` returns, by table.json.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--format onnx needs {' and '.join(missing)}; install it with: pip install 'dlx[onnx]'"
        )
    units = [_InUnits(task)] if task.target_scale else []
    whole = nn.Sequential(_Preprocess(preprocessing), *network, *units).eval()
    program = torch.onnx.export(
        whole,
        (torch.zeros(2, task.num_inputs),),
        dynamo=True,
        input_names=["inputs"],
        output_names=["outputs"],
        dynamic_shapes=({0: torch.export.Dim("rows")},),
        verbose=False,
    )
    assert program is not None
    files = {"network.onnx": program.model_proto.SerializeToString()}
    if encoder is not None:
        files["table.json"] = encoder.to_json()
    return _write(folder, files)


class _Preprocess(nn.Module):
    """The preprocessing of the inputs, as the first module of an exported network."""

    shift: Tensor
    scale: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        for name, tensor in preprocessing.tensors().items():
            self.register_buffer(name, tensor)
        self.fitted = bool(preprocessing.tensors())

    def forward(self, x: Tensor) -> Tensor:
        return ((x.double() - self.shift) / self.scale).float() if self.fitted else x


class _InUnits(nn.Module):
    """The way to the targets' own units, as the last module of an exported network."""

    shift: Tensor
    scale: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(task.target_shift))
        self.register_buffer("scale", torch.tensor(task.target_scale))

    def forward(self, y: Tensor) -> Tensor:
        return y * self.scale + self.shift


def _write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    make_directory(folder)
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


def _written(module: nn.Module) -> str:
    """Return a module as Python. torch prints most modules as the call that makes them."""
    if isinstance(module, nn.Linear):
        bias = "" if module.bias is not None else ", bias=False"
        linear = f"nn.Linear({module.in_features}, {module.out_features}{bias})"
        if nn.utils.parametrize.is_parametrized(module, "weight"):
            return f"nn.utils.parametrizations.weight_norm({linear})"
        return linear
    if isinstance(module, nn.Dropout):
        return f"nn.Dropout({module.p})"
    if isinstance(module, nn.Sequential):
        return f"nn.Sequential({', '.join(_written(inner) for inner in module)})"
    if _is_of_layers(module):
        return _constructed(module)
    code = module.function if isinstance(module, Elementwise) else type(module)
    if code.__module__.split(".")[0] not in ("dlx", "torch"):
        raise ConfigError(
            f"{code.__name__} is code of a plug-in, which load.py cannot hold; give the activation "
            "or the layer a plain form that is made of torch's own modules, or use --format onnx"
        )
    if isinstance(module, Elementwise):
        options = "".join(f", {key}={value!r}" for key, value in module.options.items())
        return f"Elementwise({module.function.__name__}{options})"
    return f"nn.{module!r}"


def _is_of_layers(module: nn.Module) -> bool:
    return type(module).__module__.startswith(f"{layers.__name__}.")


def _constructed(module: nn.Module) -> str:
    """Return the call that makes a module: it keeps every argument under the argument's name."""
    arguments: list[str] = []
    for parameter in inspect.signature(type(module)).parameters.values():
        value = getattr(module, parameter.name)
        several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
        for argument in value if several else [value]:
            is_module = isinstance(argument, nn.Module)
            arguments.append(_written(argument) if is_module else repr(argument))
    return f"{type(module).__name__}({', '.join(arguments)})"


def _definitions(network: nn.Sequential) -> str:
    """Return the source of the modules that torch does not have."""
    modules = list(network.modules())
    classes = {type(module) for module in modules if _is_of_layers(module)}
    parts = [inspect.getsource(one) for one in sorted(classes, key=lambda one: one.__name__)]
    functions = {m.function.__name__: m.function for m in modules if isinstance(m, Elementwise)}
    if functions:
        parts += _elementwise(functions.values())
    return "\n" + "\n\n".join(parts) + "\n" if parts else ""


# Its source is copied into load.py, so that it needs nothing but torch and Tensor.
def encode(rows: list[dict], table: dict) -> Tensor:
    """Return the inputs (N, I) of rows, each a mapping from column to number or text.

    A number is one input; a category is one input of 0 or 1 for each value that the column has. One
    more input says whether the value is missing, where values may be missing.
    """
    inputs = []
    for row in rows:
        values: list[float] = []
        for column in table["columns"]:
            cell = row[column["name"]]
            text = "" if cell is None else str(cell).strip()
            missing = text in table["missing_values"]
            if missing and not table["imputes"]:
                raise ValueError(f"column {column['name']!r}: the value is missing")
            if column["categories"] is None:
                values.append(column["mean"] if missing else float(text))
            else:
                text = text.capitalize() if text.lower() in ("true", "false") else text
                values += [float(not missing and text == name) for name in column["categories"]]
            if column["indicator"]:
                values.append(float(missing))
        inputs.append(values)
    return torch.tensor(inputs, dtype=torch.float32)


def _define(function: Callable[..., Any], defined: dict[str, str]) -> None:
    """Add the source of a function, after what it uses of its own module, by name."""
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if inspect.isfunction(value) and value.__module__ == function.__module__:
            if name not in defined:
                _define(value, defined)
        elif isinstance(value, int | float):
            defined[name] = f"{name} = {value!r}\n"
    source = inspect.getsource(function)
    defined[function.__name__] = source[source.index("def ") :]


def _elementwise(functions: Iterable[Callable[..., Tensor]]) -> list[str]:
    """Return the source of the activations that torch has no module for, and of their module."""
    defined: dict[str, str] = {}
    for function in functions:
        _define(function, defined)
    return [*defined.values(), _ELEMENTWISE]
