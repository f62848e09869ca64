"""What an exported network does with the cells of a table: in plain torch, copied into load.py.

# N rows, I inputs
"""

import torch
from torch import Tensor


def encode(rows: list[dict], table: dict) -> Tensor:
    """Return the inputs (N, I) of rows, each a mapping from column to number or text.

    One input for a number, one of 0 and 1 for each category, one more where values may be missing.
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
                values += [float(not missing and text == each) for each in column["categories"]]
            if column["indicator"]:
                values.append(float(missing))
        inputs.append(values)
    return torch.tensor(inputs, dtype=torch.float32)
