"""The encoding of a table's cells in an exported network: plain torch, copied into load.py.

# N rows, I inputs
"""

import torch
from torch import Tensor


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
