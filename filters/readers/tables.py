"""Tables of pictures: CSV files whose rows are parameters and names of files."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.files import replacing


def write_table(
    folder: Path, names: Sequence[str], thetas: np.ndarray, files: Sequence[str], depths: Sequence[str] = ()
) -> None:
    """Write data.csv of a database; the paths of the pictures, and of their depths where there are any, are from the folder."""
    header = [*names, "FILE", *(["FILE_depth"] if depths else [])]
    with replacing(folder / "data.csv") as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for theta, *named in zip(thetas, files, *([depths] if depths else [])):
            writer.writerow([*(f"{value:.9g}" for value in theta), *named])


def read_rows(table: Path) -> tuple[list[str], list[list[str]]]:
    """Names of the columns and cells of the rows; DataError for a file that is no table."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            names, *rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(map(str.strip, row))]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table} is no table with a header ({error}); expected comma-separated values") from error
    if not rows:
        raise DataError(f"{table} has a header and no rows; expected a row for each picture")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise DataError(f"{table} line {number} has {len(row)} cells; expected {len(names)}, as the header has")
    return names, rows


def number_in(table: Path, name: str, line: int, text: str) -> float:
    """The number in a cell; DataError for none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"{table} line {line} has {name} {text!r}; expected a finite number, remove the column or mend it"
        )
    return value
