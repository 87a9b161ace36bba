"""The rows of one day under other ORC layouts, one difference at a time: size, CPU to write, and what questions read.

The job's own table is read back and written by the job's own `orc_body` (`bench.layout_writer`); what differs is the
order of the rows, the codec, or a setting of the ORC writer. Run as a program this asks each layout in chDB, warm and
in turn.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.queries import KINDS, Tables, ask, some_session, statements, table, tree_bytes
from bench.rounds import JAVA, environment
from loglake_assets.sources import DEFAULT_COMPRESSION

_MB = 1 << 20
RANDOM_IDS = ("eventid", "requestid")
"""Columns whose values nothing predicts: two UUIDs."""


@dataclass(frozen=True)
class Layout:
    """One way to write the rows. `sort_by` of None is the table's own; `settings` are of the ORC writer."""

    name: str
    title: str
    sort_by: tuple[str, ...] | None = None
    compression: str = DEFAULT_COMPRESSION
    settings: Mapping[str, Any] = field(default_factory=dict)


def _bloom(column: str) -> Layout:
    return Layout(f"bloom_{column}", f"bloom filter on {column}", settings={"bloom_filter_columns": [column]})


PRESENT = Layout("present", "as the job writes")
LAYOUTS = (
    PRESENT,
    Layout("by_time", "sorted by time", ("eventtime",)),
    Layout("by_arn", "sorted by arn, time", ("useridentity_arn", "eventtime")),
    Layout("by_session", "sorted by session first", ("f_sessionid", "eventname", "useridentity_arn", "eventtime")),
    Layout("by_name_arn_time", "sorted by name, arn, time", ("eventname", "useridentity_arn", "eventtime")),
    Layout("unsorted", "as delivered, unsorted", ()),
    Layout("zlib", "ZLIB", compression="zlib"),
    Layout("snappy", "Snappy", compression="snappy"),
    Layout("zlib_speed", "ZLIB, strategy speed", compression="zlib", settings={"compression_strategy": "speed"}),
    Layout("chunk_256k", "chunks of 256 KB, not 64", settings={"compression_block_size": 256 << 10}),
    Layout("stripe_32mb", "stripes of 32 MB, not 64", settings={"stripe_size": 32 * _MB}),
    Layout("stripe_128mb", "stripes of 128 MB, not 64", settings={"stripe_size": 128 * _MB}),
    Layout("stride_2000", "an index entry each 2,000 rows, not 5,000", settings={"row_index_stride": 2000}),
    Layout("stride_10000", "an index entry each 10,000 rows, not 5,000", settings={"row_index_stride": 10000}),
    Layout("dictionary_never", "dictionary threshold 0, not 0.8", settings={"dictionary_key_size_threshold": 0.0}),
    Layout("dictionary_always", "dictionary threshold 1, not 0.8", settings={"dictionary_key_size_threshold": 1.0}),
    _bloom("f_sessionid"),
    _bloom("useridentity_arn"),
    _bloom("eventid"),
)


def measure_layouts(root: Path, events: int, rounds: int, query_rounds: int, java: str) -> dict[str, Any]:
    """Make both tables of one day, write CloudTrail's under each layout and ask each; what it measured.

    Bytes, CPU seconds. Raises RuntimeError where a step fails or two layouts answer differently.
    """
    with environment({JAVA: java}):
        folders = {name: table(root, name, events) for name in KINDS}
        raw, ready = folders["cloudtrail"]
        written = program("bench.layout_writer", str(ready), str(root / "layouts"), str(rounds))
    asked = program("bench.layouts", str(query_rounds), str(root / "layouts"), *map(str, folders["cloudwatch"]))
    differing = [name for name, answers in asked["answers"].items() if answers != asked["answers"][PRESENT.name]]
    if differing:
        raise RuntimeError(f"These layouts answer other than the present one: {', '.join(differing)}")
    return {**written, "delivered_bytes": tree_bytes(raw), "questions": medians(asked["questions"])}


def medians(taken: Mapping[str, Mapping[str, list[dict[str, float]]]]) -> dict[str, dict[str, dict[str, float]]]:
    """By layout and question the median of each measure over the rounds."""
    return {
        layout: {
            name: {measure: statistics.median(run[measure] for run in runs) for measure in runs[0]}
            for name, runs in questions.items()
        }
        for layout, questions in taken.items()
    }


def program(module: str, *arguments: str) -> dict[str, Any]:
    """What a module prints as its last line, run in a process of its own. Raises RuntimeError where it fails."""
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} ended with exit code {done.returncode}: {done.stderr.strip()[-600:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def questions(tables: Tables, session: str, event: str, arn: str) -> dict[str, str]:
    """The readready side of the three workloads, and two lookups that the other orders and filters are for."""
    ready = f"file('{tables.trail_ready}/*/*/*.orc', 'ORC')"
    named = {name: sides[1] for name, sides in statements(tables, session).items()}
    columns = "SELECT eventid AS id, eventname AS name, requestparameters AS asked"
    return {
        **named,
        "one_event": f"{columns} FROM {ready} WHERE eventid = '{event}' ORDER BY id",
        "one_person": f"{columns} FROM {ready} WHERE useridentity_arn = '{arn}' ORDER BY id",
    }


def _ask(rounds: int, tables: Mapping[str, Tables]) -> dict[str, Any]:
    """Each question to each layout, in turn, the first time not counted."""
    first = tables[PRESENT.name]
    named = (some_session(first), _median(first, "eventid"), _median(first, "useridentity_arn"))
    asked = {layout: questions(one, *named) for layout, one in tables.items()}
    answers = {layout: [ask(text)[0] for text in texts.values()] for layout, texts in asked.items()}
    taken: dict[str, dict[str, list[dict[str, float]]]] = {
        layout: {name: [] for name in texts} for layout, texts in asked.items()
    }
    for _ in range(rounds):
        for layout, texts in asked.items():
            for name, text in texts.items():
                taken[layout][name].append(ask(text)[1])
    return {"answers": answers, "questions": taken}


def _median(tables: Tables, column: str) -> str:
    """The value in the middle of those there are, so that nothing depends on which it is."""
    ready = f"file('{tables.trail_ready}/*/*/*.orc', 'ORC')"
    rows, _ = ask(f"SELECT DISTINCT {column} AS v FROM {ready} WHERE {column} IS NOT NULL ORDER BY v")
    return str(json.loads(rows[len(rows) // 2])["v"])


def _main(rounds: str, layouts: str, logs_raw: str, logs_ready: str) -> None:
    tables = Tables("", "", logs_raw, logs_ready)
    each = {one.name: replace(tables, trail_ready=f"{layouts}/{one.name}") for one in LAYOUTS}
    print(json.dumps(_ask(int(rounds), each)))


def names() -> dict[str, str]:
    """The title of each layout by its name."""
    return {one.name: one.title for one in LAYOUTS}


if __name__ == "__main__":
    _main(*sys.argv[1:])
