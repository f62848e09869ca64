"""A trained network as files that need no dlx: plain torch, or ONNX.

# N rows, I inputs, C outputs
"""

import importlib.util
import inspect
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from dlx.data.dataset import Task
from dlx.data.preprocessing import Preprocessing
from dlx.errors import ConfigError
from dlx.models.plain import Elementwise
from dlx.models.torch_blocks import Branch, Residual
from dlx.runs import make_directory, write_atomic

_SCRIPT = '''\
"""The network of {run}, in plain torch.

Needs torch and safetensors, and the files beside it. From Python:

    from load import predict
    outputs = predict(x)
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

FOLDER = Path(__file__).parent
CLASSES = {classes}

{definitions}
network = nn.Sequential(
{modules}
)
network.load_state_dict(load_file(FOLDER / "weights.safetensors"))
network.eval()
{preprocessing}

def predict(x: Tensor) -> Tensor:
    """Return the outputs {outputs} for inputs {inputs}."""
    with torch.no_grad():
        return network({argument})


if __name__ == "__main__":
    print(network)
    print("outputs for zeros:", predict(torch.zeros(1, {num_inputs})))
'''


def write_torch(
    folder: Path, run: str, network: nn.Sequential, preprocessing: Preprocessing, task: Task
) -> list[Path]:
    """Write weights.safetensors, load.py, which rebuilds the network, and what it needs.

    Args:
        folder: made if it is not there
        run: where the network comes from
        network: in torch's own modules
        preprocessing: of its inputs; preprocessing.safetensors, where there is any
        task: of the network

    Raises:
        ConfigError: a plug-in's activation has no form that needs no plug-in
        StorageError: a file cannot be written
    """
    from safetensors.torch import save

    files = {"weights.safetensors": save(network.state_dict())}
    if preprocessing.tensors():
        files["preprocessing.safetensors"] = save(preprocessing.tensors())
    files["load.py"] = script(run, network, preprocessing, task).encode()
    return _write(folder, files)


def script(run: str, network: nn.Sequential, preprocessing: Preprocessing, task: Task) -> str:
    """Return the text of load.py: the network's modules written out, and `predict`."""
    fitted = bool(preprocessing.tensors())
    pixels = "; pixels in [0, 1]" if len(task.input_shape) > 1 else ""
    return _SCRIPT.format(
        run=run,
        classes=repr(task.classes),
        definitions=_definitions(network),
        modules=textwrap.indent("\n".join(f"{_written(each)}," for each in network), "    "),
        preprocessing='preprocessing = load_file(FOLDER / "preprocessing.safetensors")\n'
        if fitted
        else "",
        outputs=f"(N, {_num_outputs(network)})",
        inputs=f"x (N, {task.num_inputs}) as they are in the data{pixels}",
        argument='(x - preprocessing["shift"]) / preprocessing["scale"]' if fitted else "x",
        num_inputs=task.num_inputs,
    )


def write_onnx(
    folder: Path, run: str, network: nn.Sequential, preprocessing: Preprocessing, task: Task
) -> list[Path]:
    """Write network.onnx: `inputs` (N, I) as they are in the data to `outputs` (N, C).

    Args and raises: as `write_torch`.

    Raises:
        ConfigError: the packages that write ONNX are not installed
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--format onnx needs {' and '.join(missing)}; install it with: pip install 'dlx[onnx]'"
        )
    whole = nn.Sequential(_Preprocess(preprocessing), *network).eval()
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
    return _write(folder, {"network.onnx": program.model_proto.SerializeToString()})


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
        """Return the inputs as the network was trained on them."""
        return (x - self.shift) / self.scale if self.fitted else x


def _write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    make_directory(folder)
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


def _num_outputs(network: nn.Sequential) -> int:
    return [module for module in network if isinstance(module, nn.Linear)][-1].out_features


def _written(module: nn.Module) -> str:
    """Return a module as Python: torch prints its modules so that they can be read back.

    Raises:
        ConfigError: it is of a plug-in, whose code the script cannot hold
    """
    if isinstance(module, nn.Linear):
        bias = "" if module.bias is not None else ", bias=False"
        return f"nn.Linear({module.in_features}, {module.out_features}{bias})"
    if isinstance(module, nn.Dropout):
        return f"nn.Dropout({module.p})"
    if isinstance(module, nn.Sequential):
        return f"nn.Sequential({', '.join(_written(each) for each in module)})"
    if isinstance(module, Residual | Branch):
        join = [repr(module.join)] if isinstance(module, Branch) else []
        inside = module.branches if isinstance(module, Branch) else module.children()
        arguments = ", ".join([*join, *(_written(each) for each in inside)])
        return f"{type(module).__name__}({arguments})"
    code = module.function if isinstance(module, Elementwise) else type(module)
    if code.__module__.split(".")[0] not in ("dlx", "torch"):
        raise ConfigError(
            f"{code.__name__} is code of a plug-in, which load.py cannot hold; register the "
            "activation with a module that is made of torch's own, or use --format onnx"
        )
    if isinstance(module, Elementwise):
        options = "".join(f", {key}={value!r}" for key, value in module.options.items())
        return f"Elementwise({module.function.__name__}{options})"
    return f"nn.{module!r}"


def _definitions(network: nn.Sequential) -> str:
    """Return the source of the modules that torch does not have."""
    inside = list(network.modules())
    blocks = {type(module) for module in inside if isinstance(module, Residual | Branch)}
    parts = [inspect.getsource(block) for block in sorted(blocks, key=lambda b: b.__name__)]
    functions = {m.function.__name__: m.function for m in inside if isinstance(m, Elementwise)}
    if functions:
        parts += _elementwise(functions.values())
    return "\n" + "\n\n".join(parts) + "\n" if parts else ""


def _elementwise(functions: Iterable[Callable[..., Tensor]]) -> list[str]:
    """Return the source of the activations that torch has no module for, and of their module."""
    parts = []
    for function in functions:
        source = inspect.getsource(function)
        parts.append(source[source.index("def ") :])
    parts.append(
        "class Elementwise(nn.Module):\n"
        "    def __init__(self, function, **options):\n"
        "        super().__init__()\n"
        "        self.function, self.options = function, options\n\n"
        "    def forward(self, z: Tensor) -> Tensor:\n"
        "        return self.function(z, **self.options)\n"
    )
    return parts
