"""Prints the rows of a public data set as `key<TAB>value` lines: rows.py WHEEL.

The data is inside the PyPI package vega_datasets: 3,376 airports (CSV rows, keyed by airport code) and
406 cars (JSON rows, keyed by name; names repeat).
"""

import csv
import io
import json
import sys
import zipfile


def airports(wheel):
    text = wheel.read("vega_datasets/_data/airports.csv").decode()
    lines = text.splitlines()
    codes = [row[0] for row in csv.reader(io.StringIO(text))]
    assert len(codes) == len(lines)
    return list(zip(codes, lines))[1:]


def cars(wheel):
    rows = json.loads(wheel.read("vega_datasets/_data/cars.json"))
    return [(row["Name"], json.dumps(row, separators=(",", ":"), ensure_ascii=False)) for row in rows]


with zipfile.ZipFile(sys.argv[1]) as archive:
    for key, value in airports(archive) + cars(archive):
        assert "\t" not in key + value
        sys.stdout.buffer.write(f"{key}\t{value}\n".encode())
