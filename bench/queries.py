"""Three questions to raw and to readready, in one engine: how long, how much CPU, how many bytes read, how large.

The engine is chDB, since it reads both honestly: gzip without a suffix, documents back to back, and ORC with what its
footers allow to skip. Run as a program it asks, warm and in turn, and prints what it measured; `measure_queries` makes
the tables first, by our job. Answers of both sides must be equal.
"""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.contenders.job import Window, build_rows
from bench.volumes import write_tree
from infra.aws.bundles import glue_bundle
from loglake_assets.sources.sample_deliveries import FIRST_DAY, SEED, generate

KINDS = {"cloudtrail": ("log",), "cloudwatch": ("log", "back_to_back")}
_SHARE = {"cloudtrail": 1, "cloudwatch": 5}
"""Of the events asked for, one in so many: a company types less than it calls."""
_TRAIL = (
    "Records Array(Tuple(eventTime Nullable(String), eventSource Nullable(String), eventName Nullable(String), "
    "eventID Nullable(String), requestParameters Nullable(String), responseElements Nullable(String), "
    "userIdentity Tuple(arn Nullable(String))))"
)
_LOGS = "messageType String, logStream String, logEvents Array(Tuple(id String, timestamp UInt64, message String))"
_SETTINGS = (
    "SETTINGS max_threads = 2, storage_file_read_method = 'pread', input_format_json_read_objects_as_strings = 1, "
    "input_format_skip_unknown_fields = 1, "
    "input_format_json_ignore_unknown_keys_in_named_tuple = 1, input_format_json_read_numbers_as_strings = 1, "
    "input_format_json_read_arrays_as_strings = 1, input_format_json_read_bools_as_strings = 1"
)
_SESSION = "splitByChar('-', JSONExtractString(coalesce(r.responseElements, ''), 'sessionId'))[-1]"
_STARTED = "r.eventSource = 'ssm.amazonaws.com' AND r.eventName = 'StartSession'"


@dataclass(frozen=True)
class Tables:
    """Where the two tables lie, raw and built."""

    trail_raw: str
    trail_ready: str
    logs_raw: str
    logs_ready: str


def statements(tables: Tables, session: str) -> dict[str, tuple[str, str]]:
    """(raw, readready) of each workload, which give the same rows."""
    trail = f"(SELECT arrayJoin(Records) AS r FROM file('{tables.trail_raw}/**/*.json.gz', 'JSONEachRow', '{_TRAIL}'))"
    ready = f"file('{tables.trail_ready}/*/*/*.orc', 'ORC')"
    logs = (
        "(SELECT splitByChar('-', logStream)[-1] AS session, arrayJoin(logEvents) AS e FROM "
        f"file('{tables.logs_raw}/**/*', 'JSONEachRow', '{_LOGS}', 'gzip') WHERE messageType = 'DATA_MESSAGE')"
    )
    logs_ready = f"file('{tables.logs_ready}/*/*/*.orc', 'ORC')"
    return {
        "one_session": (
            f"SELECT DISTINCT r.eventID AS id, r.userIdentity.arn AS arn, r.requestParameters AS asked FROM {trail} "
            f"WHERE {_STARTED} AND {_SESSION} = '{session}' ORDER BY id",
            f"SELECT eventid AS id, useridentity_arn AS arn, requestparameters AS asked FROM {ready} "
            f"WHERE eventsource = 'ssm.amazonaws.com' AND eventname = 'StartSession' AND f_sessionid = '{session}' "
            "ORDER BY id",
        ),
        "counts_by_event": (
            f"SELECT r.eventName AS name, count(DISTINCT r.eventID) AS n FROM {trail} "
            f"WHERE startsWith(r.eventTime, '{FIRST_DAY}') GROUP BY name ORDER BY name",
            f"SELECT eventname AS name, count() AS n FROM {ready} WHERE f_eventkey IS NULL GROUP BY name ORDER BY name",
        ),
        "join_by_session": (
            f"SELECT t.arn AS arn, count(DISTINCT l.e.id) AS n FROM (SELECT DISTINCT {_SESSION} AS session, "
            f"r.userIdentity.arn AS arn FROM {trail} WHERE {_STARTED} AND startsWith(r.eventTime, '{FIRST_DAY}')) AS t "
            f"JOIN {logs} AS l ON l.session = t.session "
            f"WHERE toDate(fromUnixTimestamp64Milli(toInt64(l.e.timestamp)), 'UTC') = '{FIRST_DAY}' "
            "GROUP BY arn ORDER BY arn",
            "SELECT t.arn AS arn, count(DISTINCT l.eventid) AS n FROM (SELECT DISTINCT f_sessionid AS session, "
            f"useridentity_arn AS arn FROM {ready} WHERE eventsource = 'ssm.amazonaws.com' AND "
            f"eventname = 'StartSession') AS t JOIN {logs_ready} AS l ON l.f_sessionid = t.session "
            "GROUP BY arn ORDER BY arn",
        ),
    }


def measure_queries(root: Path, events: int, rounds: int) -> dict[str, Any]:
    """Make both tables of one day, ask in a process of its own, and return what it measured with the sizes."""
    folders = {name: table(root, name, events) for name in KINDS}
    tables = [str(folder) for pair in folders.values() for folder in pair]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.queries", str(rounds), *tables],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The queries ended with exit code {done.returncode}: {done.stderr.strip()[-600:]}")
    sizes = {
        name: {"raw_bytes": tree_bytes(raw), "readready_bytes": tree_bytes(ready)}
        for name, (raw, ready) in folders.items()
    }
    return {"workloads": json.loads(done.stdout.splitlines()[-1]), "sizes": sizes}


def table(root: Path, source: str, events: int) -> tuple[Path, Path]:
    """The folders of a source's day below `root`: as delivered, and as our job built it."""
    folder = root / f"queries-{source}-{events}"
    samples = generate(source, FIRST_DAY, 1, events // _SHARE[source], SEED)
    partitions = write_tree(folder, source, samples, KINDS[source])
    window = Window(source, folder / "raw", partitions, FIRST_DAY, FIRST_DAY, folder / "job")
    return folder / "raw", build_rows(window, glue_bundle())


def tree_bytes(folder: Path) -> int:
    """Bytes of the files below a folder, those apart that Hadoop keeps checksums in."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".crc"))


def _ask(rounds: int, tables: Tables) -> dict[str, Any]:
    """Each workload on both sides, in turn, the first time not counted."""
    found: dict[str, Any] = {}
    for name, sides in statements(tables, some_session(tables)).items():
        answers = [ask(statement)[0] for statement in sides]
        taken = [[ask(statement)[1] for statement in sides] for _ in range(rounds)]
        found[name] = {
            "rows": len(answers[0]),
            "same_answer": answers[0] == answers[1],
            "raw": [one[0] for one in taken],
            "readready": [one[1] for one in taken],
        }
    return found


def ask(statement: str) -> tuple[list[str], dict[str, float]]:
    """The answer's rows as JSON, with the wall and CPU seconds it took and the bytes that were asked of files."""
    connection = _connection()
    before, cpu, wall = _read_bytes(), _cpu_seconds(), time.monotonic()
    said = connection.query(f"{statement} {_SETTINGS}", "JSONEachRow")
    answer = str(said).splitlines()
    took = {"wall_seconds": time.monotonic() - wall, "cpu_seconds": _cpu_seconds() - cpu}
    return answer, {**took, "bytes_read": _read_bytes() - before}


@cache
def _connection() -> Any:
    """Kept open, as every client of a database keeps it: to open one takes chDB 25 ms, whatever is asked."""
    import chdb

    return chdb.connect(":memory:")


def some_session(tables: Tables) -> str:
    """The median of the sessions that were started, so that nothing depends on which it is."""
    ready = f"file('{tables.trail_ready}/*/*/*.orc', 'ORC')"
    rows, _ = ask(
        f"SELECT f_sessionid AS s FROM {ready} WHERE eventsource = 'ssm.amazonaws.com' AND eventname = 'StartSession' "
        "AND f_sessionid IS NOT NULL AND f_sessionid <> '' ORDER BY s"
    )
    return str(json.loads(rows[len(rows) // 2])["s"])


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _read_bytes() -> int:
    """What this process asked of files so far; the page cache counts, a mapped file would not."""
    with open(f"/proc/{os.getpid()}/io") as told:
        return int(next(line for line in told if line.startswith("rchar")).split()[1])


if __name__ == "__main__":
    print(json.dumps(_ask(int(sys.argv[1]), Tables(*sys.argv[2:]))))
