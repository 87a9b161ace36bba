"""What the job's reader makes of an object, as a list of dicts that a test can look at."""

from typing import Any

from glue_scripts.object_reader import ObjectReader
from glue_scripts.whole_objects import FetchedObject


def job_rows(reader: ObjectReader, fetched: FetchedObject) -> list[dict[str, Any]]:
    """Records and what is quarantined in the order of the object, then its account; `kind` says which each is."""
    rows: list[dict[str, Any]] = []
    accounts = []
    for batch in reader.batches([fetched]):
        rows += [{"kind": "record", "reason": None, **row} for row in batch.records.to_pylist()]
        accounts += batch.accounts
    (account,) = accounts
    rows += [{"kind": "quarantined", "raw_ordinal": n, "reason": reason} for n, reason in account.quarantined]
    closing = {**vars(account), "kind": "object", "raw_key": account.ref.key, "counts": list(map(list, account.counts))}
    return [*sorted(rows, key=lambda row: row["raw_ordinal"]), closing]
