"""DuckDB: read_json with types given, blocks as JSON, and since it writes no ORC, its Arrow batches through pyarrow."""

import sys

import duckdb

from bench.contenders.columns import BLOCKS, BOOLEAN, CONTEXT, IDENTITY, TEXT, Task, task
from bench.contenders.orc_files import write_orc

_OBJECT_BYTES = 64 << 20  # a whole object is one document, and each thread holds a buffer of this size


def main(asked: Task) -> None:
    connection = duckdb.connect()
    relation = connection.sql(_statement(asked))
    reader = relation.to_arrow_reader(20_000)
    write_orc(asked.rows, reader)


def _statement(asked: Task) -> str:
    return f"""
        SELECT * FROM (
          SELECT {", ".join(_columns())}
          FROM (SELECT unnest(Records) AS r FROM read_json('{asked.volume.files}/**/*.json.gz',
                columns = {{Records: '{_type()}'}}, maximum_object_size = {_OBJECT_BYTES}, format = 'unstructured'))
        ) WHERE {asked.where}"""


def _type() -> str:
    issuer = '"type" VARCHAR, arn VARCHAR, userName VARCHAR'
    context = f"sourceIdentity VARCHAR, attributes STRUCT(mfaAuthenticated VARCHAR), sessionIssuer STRUCT({issuer})"
    identity = ", ".join([*(f'"{name}" VARCHAR' for name in IDENTITY), f"sessionContext STRUCT({context})"])
    fields = [
        *(f"{name} VARCHAR" for name in (*TEXT, *BOOLEAN)),
        *(f"{name} JSON" for name in BLOCKS),
        f"userIdentity STRUCT({identity})",
    ]
    return f"STRUCT({', '.join(fields)})[]"


def _columns() -> list[str]:
    return [
        *(f"r.{name} AS {name.lower()}" for name in (*TEXT, *BOOLEAN)),
        *(f"CAST(r.{name} AS VARCHAR) AS {name.lower()}" for name in BLOCKS),
        *(f'r.userIdentity."{name}" AS useridentity_{name.lower()}' for name in IDENTITY),
        *(f"r.userIdentity.sessionContext.{'.'.join(path)} AS {column}" for path, column in CONTEXT.items()),
    ]


if __name__ == "__main__":
    main(task(sys.argv[1:]))
