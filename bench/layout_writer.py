"""The writing half of the layouts: every layout once a round, by the job's own `orc_body`.

Run as a program it prints bytes, CPU seconds of this process, and the bytes that each column has on disk.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc

from bench.layouts import LAYOUTS, PRESENT, Layout
from bench.queries import tree_bytes
from bench.volumes import SOURCE
from glue_scripts.orc_files import ORC_SETTINGS, orc_body, portions
from loglake_assets.lake.versions.stored_rows import ROWS_A_BATCH, orc_schema
from loglake_assets.sources import LogSource, load_source

_COLUMNS_OF = (PRESENT.name, "zlib")


def main(ready: Path, out: Path, rounds: int) -> dict[str, Any]:
    """Write the rows of the table at `ready` below `out`, a folder a layout; what each took."""
    out.mkdir(parents=True)
    source = load_source(SOURCE)
    rows = _rows_by_object(ready)
    taken: dict[str, list[float]] = {one.name: [] for one in LAYOUTS}
    for number in range(rounds):
        for layout in LAYOUTS[:: -1 if number % 2 else 1]:
            taken[layout.name].append(_write(rows, source, layout, out / layout.name / "run=bench"))
    columns = {layout.name: column_bytes(rows, source, layout) for layout in LAYOUTS if layout.name in _COLUMNS_OF}
    layouts = {name: {"bytes": tree_bytes(out / name), "cpu_seconds": cpu} for name, cpu in taken.items()}
    return {"events": len(rows), "layouts": layouts, "columns": columns}


def _rows_by_object(ready: Path) -> pa.Table:
    """The rows in the order of their objects."""
    files = sorted(ready.rglob("*.orc"))
    day = pa.concat_tables([orc.read_table(str(file)) for file in files])
    return day.sort_by([("raw_key", "ascending"), ("raw_ordinal", "ascending")])


def _write(rows: pa.Table, source: LogSource, layout: Layout, path: Path) -> float:
    """CPU seconds of sorting and encoding one day of the rows as files below `path`."""
    shutil.rmtree(path, ignore_errors=True)
    folder = path / "logcalendarday=20261101"
    folder.mkdir(parents=True)
    schema = orc_schema(source.readready.all_columns)
    sort_by = source.readready.sort_by if layout.sort_by is None else layout.sort_by or ("raw_key", "raw_ordinal")
    settings = {**ORC_SETTINGS, **layout.settings}
    if "bloom_filter_columns" in settings:
        settings["bloom_filter_columns"] = [schema.get_field_index(name) for name in settings["bloom_filter_columns"]]
    before = time.process_time()
    batches = (rows.slice(at, ROWS_A_BATCH) for at in range(0, len(rows), ROWS_A_BATCH))
    for number, portion in enumerate(portions(batches)):
        body = orc_body(portion, schema, sort_by, layout.compression, settings)
        (folder / f"part-{number:05d}.orc").write_bytes(body)
    return time.process_time() - before


def column_bytes(rows: pa.Table, source: LogSource, layout: Layout) -> dict[str, int]:
    """Bytes of each column as an ORC file of its own, in the order of the layout's rows."""
    schema, sort_by = orc_schema(source.readready.all_columns), source.readready.sort_by
    settings = {**ORC_SETTINGS, **layout.settings}
    return {one.name: len(orc_body(rows, pa.schema([one]), sort_by, layout.compression, settings)) for one in schema}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
