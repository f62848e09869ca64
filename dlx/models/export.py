"""A trained network as files that need no dlx: plain torch, or ONNX.

# N rows, I inputs, C outputs
"""

import importlib.util
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlx import texts
from dlx.data.dataset import Task
from dlx.data.preprocessing import Preprocessing
from dlx.data.tables import cells, layout
from dlx.data.tables.encoder import Encoder
from dlx.errors import ConfigError, StorageError
from dlx.nn import layers
from dlx.nn.head import Head
from dlx.nn.layers.dense import Transposed
from dlx.nn.plain import Elementwise
from dlx.runs import make_directory, write_atomic

CHUNK = 1024  # rows that a network is asked for at a time
_SCRIPT = '''\
"""The network of {run}, in plain torch.

Needs {packages}, and the files beside it. From Python:

{usage}
"""

from __future__ import annotations

{imports}from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
{reader}
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

{answers}
if __name__ == "__main__":
{main}
'''
_USAGE = """\
    from load import predict
    outputs = predict(x)"""
_TABLE_USAGE = """\
    from load import answers
    answers([{{{columns}}}])  # rows, by column

and from a shell, for CSV files with these columns: python load.py new.csv"""
_PREDICT_ZEROS = """\
    print(network)
    print("outputs for zeros:", predict(torch.zeros(1, {num_inputs})))"""
_READER = """
# Beside this file: how dlx reads a table, as it was when this was written.
from cells import Encoder, id_texts
from layout import Layout, records, survey_new
from texts import cell
"""
_ANSWERS = '''
def answers(rows: list[dict]) -> list[dict]:
    """Return {columns_in_words} for rows, each a mapping from column to text or number."""
    inputs, remarks = TABLE.of_rows(rows)
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    return [dict(zip(COLUMNS, answer)) for answer in _answers(inputs)]


def _answers(inputs) -> list[list]:
    chunks = torch.from_numpy(inputs).split({chunk})  # as dlx does: the last bits may depend on it
    outputs = torch.cat([predict(chunk) for chunk in chunks]).numpy()
    return [{answer} for row in outputs]


def _numbers(values) -> list[float]:
    return [float(str(value)) for value in values]  # as short as their 32 bits allow


def answer_file(path: Path) -> None:
    """Print the answers for the rows of a CSV file as CSV, and remarks to stderr."""
    found = survey_new(path, Layout(**TABLE.layout), [column.name for column in TABLE.columns])
    numbers, cells = zip(*records(path, found))
    texts = dict(zip(found.header, zip(*cells)))
    inputs, remarks = TABLE.of_texts(texts, numbers)
    for remark in found.remarks:
        print(f"note: {{remark}}", file=sys.stderr)
    for remark in remarks:
        print(f"warning: {{remark}}", file=sys.stderr)
    ids = {{ID: id_texts(texts[TABLE.id_name])}} if TABLE.id_name in texts else {{}}
    writer = csv.writer(sys.stdout, lineterminator="\\n")
    writer.writerow(map(cell, ["row", *ids, *COLUMNS]))
    rows = zip(numbers, *ids.values(), *zip(*_answers(inputs)))
    writer.writerows([cell(value) for value in row] for row in rows)

'''
_PREDICT_FILES = """\
    for path in map(Path, sys.argv[1:]):
        try:
            answer_file(path)
        except OSError as error:
            sys.exit(f"{path}: {error.strerror or error}")
        except (EOFError, zlib.error) as error:  # of a compressed file
            sys.exit(f"{path}: it is cut or damaged ({error})")
        except ValueError as error:
            sys.exit(f"{path}: {str(error).removeprefix(str(path)).lstrip(', :')}")"""
_ELEMENTWISE = """\
class Elementwise(nn.Module):
    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def forward(self, z: Tensor) -> Tensor:
        return self.function(z, **self.options)
"""


@dataclass(frozen=True)
class Export:
    """A trained network with all that it takes to ask it."""

    run: str  # the path of the run that it comes from
    network: nn.Sequential
    preprocessing: Preprocessing
    task: Task
    head: Head
    encoder: Encoder | None  # of a table
    features: Sequence[str] | None  # the names of its inputs


def write_torch(folder: Path, export: Export) -> list[Path]:
    """Write weights.safetensors, load.py, which rebuilds the network, and files that it reads.

    These are preprocessing.safetensors, if there is any, and of a table `_table_files`.
    """
    from safetensors.torch import save

    files = {"weights.safetensors": save(export.network.state_dict())}
    if fitted := export.preprocessing.tensors():
        files["preprocessing.safetensors"] = save(fitted)
    files |= _table_files(export.encoder)
    files["load.py"] = _script(export).encode()
    return _write(folder, files)


def _table_files(encoder: Encoder | None) -> dict[str, bytes]:
    """Return table.json and the modules of dlx that read a table by it; nothing of other data."""
    if encoder is None:
        return {}
    modules = {
        Path(str(m.__file__)).name: inspect.getsource(m).encode() for m in (cells, layout, texts)
    }
    return {"table.json": encoder.to_json(), **modules}


def _script(export: Export) -> str:
    """Return the text of load.py: the network's modules written out, and `predict`."""
    network, task, encoder = export.network, export.task, export.encoder
    fitted = units = imports = table = reader = answers = ""
    argument, packages, usage = "x", "torch and safetensors", _USAGE
    if export.preprocessing.tensors():
        fitted = 'preprocessing = load_file(FOLDER / "preprocessing.safetensors")\n'
        argument = '((x.double() - preprocessing["shift"]) / preprocessing["scale"]).float()'
    elif encoder is not None:
        argument = "x.float()"
    outputs = f"network({argument})"
    if task.target_scale:
        scale, shift = list(task.target_scale), list(task.target_shift)
        dtype = ", dtype=torch.float64" if task.kind == "regression" else ""
        units = f"SCALE, SHIFT = torch.tensor({scale}{dtype}), torch.tensor({shift}{dtype})\n"
        outputs += " * SCALE + SHIFT"
    if encoder is None:
        pixels = "; pixels in [0, 1]" if len(task.input_shape) > 1 else ""
        main = _PREDICT_ZEROS.format(num_inputs=task.num_inputs)
        inputs = f"x (N, {task.num_inputs}) as they are in the data{pixels}"
    else:
        columns, answer = _answers(task, export.head, encoder, export.features)
        packages = "torch, safetensors and numpy"
        imports, reader = "import csv\nimport sys\nimport warnings\nimport zlib\n", _READER
        table = (
            'TABLE = Encoder.of_json((FOLDER / "table.json").read_bytes())\n'
            f"COLUMNS = {columns!r}\n"
            f"ID = {_free(encoder.id_name or '', ['row', *columns])!r}\n"
        )
        shown = ", ".join(columns[:3]) + (", …" if len(columns) > 3 else "")
        answers = _ANSWERS.format(columns_in_words=_quoted(shown), answer=answer, chunk=CHUNK)
        example = ", ".join(f"{column.name!r}: …" for column in encoder.columns[:3])
        more = ", …" if len(encoder.columns) > 3 else ""
        usage = _TABLE_USAGE.format(columns=_quoted(example + more))
        main = _PREDICT_FILES
        inputs = f"x (N, {task.num_inputs}) float64 that TABLE gives"
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
        run=_quoted(export.run),
        packages=packages,
        usage=usage,
        classes=repr(task.classes),
        imports=imports,
        reader=reader,
        table=table,
        definitions=_definitions(network),
        owners="".join(f"{name} = {_written(owner)}\n" for owner, name in owners.items()),
        modules=textwrap.indent("\n".join(f"{line}," for line in lines), "    "),
        preprocessing=fitted,
        outputs=f"(N, {linear[-1].out_features})",
        inputs=inputs,
        units=units,
        outputs_in_units=outputs,
        answers=answers,
        main=main,
    )


def _quoted(text: str) -> str:
    """Return a text, in which a user's names stand, as a part of a docstring."""
    return texts.in_a_line(text).replace("\\", "\\\\").replace('"', '\\"')


def _answers(
    task: Task, head: Head, encoder: Encoder, features: Sequence[str] | None
) -> tuple[list[str], str]:
    """Return the columns of a table's answers, as `dlx predict` calls them, and the code of one.

    The code makes a list of an array `row`, the outputs of a row.
    """
    if task.classes is None:
        names = features if task.kind == "reconstruction" else [c.name for c in encoder.targets]
        ends = list(names or map(str, range(1, task.num_outputs + 1)))
        columns = [f"predicted_{end}" for end in ends] if len(ends) > 1 else ["predicted"]
        if task.kind == "reconstruction":
            return columns, "_numbers(row)"
        return columns, f"[round(v, d) for v, d in zip(row.tolist(), {task.digits})]"
    if task.kind == "multilabel":
        name = "p" if head.gives_probabilities else "output"
        columns = [f"{what}({label})" for what in ("predicted", name) for label in task.classes]
        return columns, f"[*map(int, row > {head.middle}), *_numbers(row)]"
    chosen = "CLASSES[row.argmax()]"
    if task.num_outputs == 1:
        chosen = f"CLASSES[int(row[0] > {head.middle})]"
    if head.gives_probabilities:
        columns = ["predicted", *(f"p({name})" for name in task.classes)]
        values = "*_numbers([1 - row[0], row[0]])" if task.num_outputs == 1 else "*_numbers(row)"
    else:
        named = task.classes if task.num_outputs > 1 else task.classes[1:]
        columns, values = ["predicted", *(f"output({name})" for name in named)], "*_numbers(row)"
    return columns, f"[{chosen}, {values}]"


def _free(name: str, taken: Sequence[str]) -> str:
    return _free(f"input({name})", taken) if name in taken else name


def write_onnx(folder: Path, export: Export) -> list[Path]:
    """Write network.onnx, from `inputs` (N, I) as they are in the data to `outputs` (N, C).

    Its metadata say what goes in and comes out: JSON lists of `classes`, `features` and `columns`.
    The inputs of a table are float64, as its encoder gives them by table.json.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--format onnx needs {' and '.join(missing)}; install it with: pip install 'dlx[onnx]'"
        )
    task, encoder = export.task, export.encoder
    dtype = torch.float32 if encoder is None else torch.float64
    units = [_InUnits(task)] if task.target_scale else []
    whole = nn.Sequential(_Preprocess(export.preprocessing), *export.network, *units).eval()
    program = torch.onnx.export(
        whole,
        (torch.zeros(2, task.num_inputs, dtype=dtype),),
        dynamo=True,
        input_names=["inputs"],
        output_names=["outputs"],
        dynamic_shapes=({0: torch.export.Dim("rows")},),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    columns = None if encoder is None else [column.name for column in encoder.columns]
    targets = None if encoder is None else [column.name for column in encoder.targets]
    named = {"run": texts.printable(export.run), "task": task.kind, "classes": task.classes}
    names = {"features": export.features, "columns": columns, "targets": targets}
    for key, value in (named | names).items():
        if value:
            text = value if isinstance(value, str) else json.dumps(list(value), ensure_ascii=False)
            model.metadata_props.add(key=key, value=text)
    files = {"network.onnx": model.SerializeToString()}
    return _write(folder, files | _table_files(encoder))


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
        return ((x.double() - self.shift) / self.scale if self.fitted else x).float()


class _InUnits(nn.Module):
    """The way to the targets' own units, as the last module of an exported network."""

    shift: Tensor
    scale: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        dtype = torch.float64 if task.kind == "regression" else torch.float32
        self.register_buffer("shift", torch.tensor(task.target_shift, dtype=dtype))
        self.register_buffer("scale", torch.tensor(task.target_scale, dtype=dtype))

    def forward(self, y: Tensor) -> Tensor:
        return y * self.scale + self.shift


def _write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    make_directory(folder)
    script = folder / "load.py"
    beginning = _SCRIPT.partition("{")[0].encode()
    if not (folder / "network.onnx").exists() and not (
        script.is_file() and script.read_bytes().startswith(beginning)
    ):
        for name in files:
            if (folder / name).exists():
                raise StorageError(
                    f"cannot write {folder / name}: there is a file of another kind; choose "
                    "another directory"
                )
    # First what an export is known by, so that one that was broken off can be made again.
    for name in sorted(files, key=lambda name: name != script.name):
        write_atomic(folder / name, files[name])
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
