"""Backfills in miniature: hand-made runs of a table of the tests' own, committed by the production publisher.

A run is some ORC files and a manifest in a format that the job writes; processes that race are `commit_each`.
"""

import gzip
import io
import json
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc

from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import day_prefix, manifest_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, SupersededError
from loglake_assets.lake.versions.manifests import Manifest, read_manifest
from loglake_assets.lake.versions.publish import Publisher
from resources.settings import LakeSettings


def put_run(
    s3: Any, bucket: str, table: str, day: int, run: str, input_version: int, base_seq: int = 0, rows: int = 0
) -> Manifest:
    """What a run leaves: `rows` rows in two files, all saying its name, and a manifest of one object it read."""
    files = [_put_file(s3, bucket, f"{day_prefix(table, run, day)}{n}.orc", run, rows // 2) for n in range(2)]
    entry = {
        **{"bucket": "raw", "key": "x", "etag": f"e{input_version}", "last_modified": float(input_version)},
        **{"version_id": None, "prefix_day": day, "records": rows, "reason": None},
        **{"days": {str(day): rows}, "excluded": 0, "duplicates": 0},
    }
    document = {
        **{"source": "cloudtrail", "table": table, "day": day, "run_id": run, "base_seq": base_seq, "look_ahead": 1},
        **{"has_source": True, "location": f"s3://{bucket}/{day_prefix(table, run, day)}", "content_hash": run},
        "totals": {"records_read": rows, "written": rows, "excluded": 0, "duplicates": 0, "quarantined_records": 0},
        **{"excluded_by": {}, "files": [f for f in files if rows], "objects": [entry], "quarantine": []},
    }
    key, body = manifest_key(table, day, run), gzip.compress(json.dumps(document).encode(), mtime=0)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return read_manifest(Table(table, s3, bucket), day, run)


def _put_file(s3: Any, bucket: str, key: str, run: str, rows: int) -> dict[str, Any]:
    if not rows:
        return {}
    body = io.BytesIO()
    numbers = list(range(rows))
    columns = {"written_by": [run] * rows, "number": numbers, "eventid": [str(n) for n in numbers]}
    columns |= {"f_eventkey": pa.nulls(rows, pa.string()), "raw_bucket": ["raw"] * rows, "raw_key": ["x"] * rows}
    orc.write_table(pa.table(columns), body)
    s3.put_object(Bucket=bucket, Key=key, Body=body.getvalue())
    return {"key": key, "bytes": len(body.getvalue()), "rows": rows}


def make_table(glue: Any, database: str, table: str) -> None:
    """An ORC table of two columns, partitioned by day."""
    columns = [{"Name": "written_by", "Type": "string"}, {"Name": "number", "Type": "bigint"}]
    storage = {
        "Columns": columns,
        "Location": "s3://any/",
        "InputFormat": "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.orc.OrcSerde"},
    }
    keys = [{"Name": "logcalendarday", "Type": "int"}]
    given = {"Name": table, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage, "PartitionKeys": keys}
    glue.create_table(DatabaseName=database, TableInput=given)


def commit_each(lake: dict[str, str], table: str, days: Sequence[int], input_version: int, gate: Barrier) -> None:
    """A process of its own: at each day, together with the other one, commit the run that read `input_version`."""
    publisher = Lake(LakeSettings(**lake)).publisher()  # made here: a resource does not go from process to process
    for day in days:
        run = f"reads-{input_version}"
        manifest = read_manifest(Table(table, publisher.s3, publisher.bucket), day, run)
        gate.wait(60)
        commit_or_none(publisher, manifest)


def commit_or_none(publisher: Publisher, manifest: Manifest) -> Commit | None:
    """The commit, or None where a newer one stands."""
    try:
        return publisher.commit(manifest)
    except SupersededError:
        return None
