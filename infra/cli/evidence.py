"""Evidence of a row, from the command line: the row as Athena gives it, and all that stands behind it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from glue_scripts.expected_rows import expected_row
from glue_scripts.object_reader import records_of
from glue_scripts.whole_objects import FetchedObject, ObjectRef
from infra.cli.command_lake import CommandLake, warn
from infra.cli.terminal_output import escape, print_pairs, print_pieces, print_text, terminal_width
from loglake_assets.lake.checks.evidence import Evidence, Examiner, Vouch
from loglake_assets.lake.digest_audit import digest_keys
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.digest_report import DigestVouch
from loglake_assets.sources.modules import load_digests
from loglake_assets.sources.placement import Placement, place
from resources.athena import sql_literal
from resources.settings import loglake

_IDS = ("eventid", "requestid")  # what a log's own id is called, beside the grain
_RECORD_SHOWN = 4_000  # bytes of a record on a terminal; --format json has all of it
_MOST = 20  # rows of one id: a request id may be shared


class EventNotFoundError(LookupError):
    """No row has the id; the message says where was looked and what else to try."""


def event_evidence(
    lake: CommandLake, event_id: str, source_name: str | None, day: date | None, keys: Path | None = None
) -> list[Evidence]:
    """The evidence of every row with this id, in one log or in all of them. Raises EventNotFoundError.

    `keys` is a file of the public keys that sign digests; without it they are asked for, as the digests' check does.
    """
    sources = [load_source(name) for name in ([source_name] if source_name else source_names())]
    found = [evidence for source in sources for evidence in _of_source(lake, source, event_id, day, keys)]
    if not found:
        tables = ", ".join(source.readready.name for source in sources)
        where = f" on {day}" if day else ""
        raise EventNotFoundError(
            f"No row of {tables}{where} has the id {escape(event_id)!r}. It may be on a day that is not built, "
            f"excluded by a rule, or in quarantine: `{loglake('status')}` names such days and objects."
        )
    return found


def _of_source(
    lake: CommandLake, source: LogSource, event_id: str, day: date | None, keys: Path | None
) -> Iterator[Evidence]:
    for row in _rows(lake, source, event_id, day):
        served = lake.resource.served_day(source.readready.name, day_from_number(row["logcalendarday"]))
        examiner = Examiner(
            table=lake.table(source.readready.name),
            source=source,
            served=served,
            records=records_of,
            expected=_expect_row,
            content_hash=lake.resource.content_hash,
            vouch=_voucher(lake, source, day_from_number(row["logcalendarday"]), keys) if source.digests else None,
        )
        yield examiner.examine(row)


def _expect_row(source: LogSource, row: Mapping[str, Any], body: bytes, day: date) -> dict[str, Any] | None:
    """The row made again from its object; what the row says of the object's place and version is compared elsewhere."""
    ref = ObjectRef(0, row["raw_bucket"], row["raw_key"], _prefix_day(source, row))
    found = FetchedObject(ref, body, row["raw_etag"], row["raw_versionid"])
    return expected_row(source, found, int(row["raw_ordinal"]), day)


def _prefix_day(source: LogSource, row: Mapping[str, Any]) -> int:
    placement = place(source, row["raw_bucket"], row["raw_key"])
    return day_number(placement.day) if isinstance(placement, Placement) else int(row["logcalendarday"])


def _voucher(lake: CommandLake, source: LogSource, day: date, keys: Path | None) -> Vouch:
    """What asks the log's own digests of an object, with the keys of that time."""

    def vouch(bucket: str, key: str) -> DigestVouch | None:
        trusted = digest_keys(source, lake.resource, day, datetime.now(UTC), keys)
        return load_digests(source).find_vouching_digest(lake.client("s3"), source, bucket, key, trusted)

    return vouch


def _rows(lake: CommandLake, source: LogSource, event_id: str, day: date | None) -> list[dict[str, Any]]:
    """Rows whose key, or whose log's own id, it is; with the ORC file that holds each."""
    columns = [column.name for column in source.readready.columns]
    ids = dict.fromkeys((*source.readready.grain, *[name for name in _IDS if name in columns][:1]))
    of_day = f" AND logcalendarday = {day_number(day)}" if day else ""
    matches = " OR ".join(f"{name} = {sql_literal(event_id)}" for name in ids)
    sql = f'SELECT *, "$path" AS orc_file FROM {source.readready.name} WHERE ({matches}){of_day} LIMIT {_MOST}'
    rows: list[dict[str, Any]] = lake.resource.athena.ask(sql).rows
    return rows


def print_evidence(found: list[Evidence], form: str) -> None:
    """For people, or as one JSON document (ASCII, with the whole record); beside it, where there may be more rows."""
    for table, count in Counter(one.table for one in found).items():
        if count >= _MOST:
            warn(f"{table}: the first {count} rows with this id are shown; there may be more.")
    if form == "json":
        print(json.dumps([_document(evidence) for evidence in found], indent=1, default=str))
        return
    for evidence in found:
        _print_one(evidence)


def _document(evidence: Evidence) -> dict[str, Any]:
    record = evidence.record
    return {
        **asdict(evidence),
        "row": dict(evidence.row),
        "record": None if record is None else record.decode("latin-1"),
        "record_encoding": "each character is a byte (ISO 8859-1)",
        "agrees": evidence.agrees,
    }


def _print_one(evidence: Evidence) -> None:
    day = day_from_number(evidence.day)
    print_pairs(f"{evidence.table} of {day}: the row", _cells(evidence.row), is_cut=True)
    if terminal_width():
        print("Longer values are cut; --format json has them whole.")
    if evidence.record is not None:
        print("\nThe record as it stands in the raw object:")
        text = evidence.record.decode("utf-8", "replace")
        cut = len(text) > _RECORD_SHOWN
        print_pieces(text[:_RECORD_SHOWN] + (" ... (--format json has all of it)" if cut else ""))
    print()
    marks = {True: "agrees", False: "DIFFERS", None: "not known"}
    statements = [(f"{s.what:<18} {marks[s.agrees]:<9}", s.detail) for s in evidence.statements]
    print_pairs("What stands behind it", statements)
    print_text(conclusion(evidence))


def _cells(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in row.items() if value is not None]


def conclusion(evidence: Evidence) -> str:
    """What all statements come to: how many agree, and by name those that differ and those that are not known."""
    found = {agrees: [s.what for s in evidence.statements if s.agrees is agrees] for agrees in (True, False, None)}
    count, agreeing = len(evidence.statements), len(found[True])
    said = "All agree." if agreeing == count else f"{agreeing} of {count} agree."
    if found[False]:
        said = f"NOT ALL AGREE: {said} These differ: {', '.join(found[False])}."
    if found[None]:
        said += f" These could not be compared, each line says why: {', '.join(found[None])}."
    return said
