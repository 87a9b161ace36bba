"""Whether a contender wrote the right thing: rows and distinct ids against the truth, its text against the bytes.

A wrong contender is shown as wrong, with its number; its times are no argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from pyarrow import orc

from bench.volumes import Volume
from loglake_assets.s3.gzip_content import inflate


@dataclass(frozen=True)
class RowCheck:
    """What was found below a contender's rows. `verbatim_pct` is None where blocks are no text at all."""

    rows: int
    distinct_ids: int
    output_bytes: int
    file_count: int
    verbatim_pct: float | None


_SAMPLED = "0"  # last digit of an id: a million texts would take a gigabyte
_NULL = msgspec.Raw(b"null")


class _Record(msgspec.Struct):
    eventID: str  # as the record spells it
    requestParameters: msgspec.Raw = _NULL  # a union with None would take only null


class _Document(msgspec.Struct):
    Records: list[_Record]


def delivered_parameters(volume: Volume) -> dict[str, str]:
    """requestParameters by event id, as the delivered bytes spell it, of one event in sixteen that has some."""
    decoder, found = msgspec.json.Decoder(_Document), dict[str, str]()
    for path in volume.paths():
        for record in decoder.decode(inflate(Path(path).read_bytes(), False)).Records:
            if record.eventID.endswith(_SAMPLED) and (text := bytes(record.requestParameters)) != b"null":
                found[record.eventID] = text.decode()
    return found


def check_answer(rows: Path, delivered: Mapping[str, str]) -> RowCheck:
    """Read what was written back. `delivered` is what `delivered_parameters` gave of the volume."""
    files = sorted(path for path in rows.rglob("*.orc") if not path.name.startswith("."))
    ids: set[str] = set()
    count = same = compared = 0
    for path in files:
        file = orc.ORCFile(path)
        names = {name.lower(): name for name in file.schema.names}
        table = file.read(columns=[names["eventid"], names["requestparameters"]])
        found = table.column(names["eventid"]).to_pylist()
        count, ids = count + len(found), ids | set(found)
        for event_id, text in zip(found, table.column(names["requestparameters"]).to_pylist(), strict=True):
            if isinstance(text, str) and event_id in delivered:
                compared, same = compared + 1, same + (text == delivered[event_id])
    size = sum(path.stat().st_size for path in files)
    return RowCheck(count, len(ids), size, len(files), 100 * same / compared if compared else None)
