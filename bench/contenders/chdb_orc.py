"""chDB (ClickHouse in the process): types given, nested blocks read as text, its own ORC writer."""

import sys

import chdb

from bench.contenders.columns import BLOCKS, BOOLEAN, CONTEXT, IDENTITY, TEXT, Task, task


def main(asked: Task) -> None:
    asked.rows.mkdir()
    chdb.query(_statement(asked))


def _statement(asked: Task) -> str:
    return f"""
        INSERT INTO FUNCTION file('{asked.rows}/rows.orc', 'ORC')
        SELECT * FROM (
          SELECT {", ".join(_columns())}
          FROM (SELECT arrayJoin(Records) AS r FROM file('{asked.volume.files}/**/*.json.gz', 'JSONEachRow',
                'Records Array({_type()})'))
        ) WHERE {asked.where}
        SETTINGS output_format_orc_compression_method = 'zstd', output_format_orc_string_as_string = 1,
          output_format_orc_dictionary_key_size_threshold = 0.8, input_format_json_read_objects_as_strings = 1,
          input_format_json_read_arrays_as_strings = 1, input_format_json_read_numbers_as_strings = 1,
          input_format_json_read_bools_as_strings = 1, input_format_skip_unknown_fields = 1,
          input_format_json_ignore_unknown_keys_in_named_tuple = 1, max_threads = 2"""


def _type() -> str:
    text = "Nullable(String)"
    issuer = f"Tuple(type {text}, arn {text}, userName {text})"
    context = f"Tuple(sourceIdentity {text}, attributes Tuple(mfaAuthenticated {text}), sessionIssuer {issuer})"
    identity = ", ".join((*(f"{name} {text}" for name in IDENTITY), f"sessionContext {context}"))
    fields = [
        *(f"{name} {text}" for name in (*TEXT, *BOOLEAN, *BLOCKS)),
        f"userIdentity Tuple({identity})",
    ]
    return f"Tuple({', '.join(fields)})"


def _columns() -> list[str]:
    return [
        *(f"r.{name} AS {name.lower()}" for name in (*TEXT, *BOOLEAN, *BLOCKS)),
        *(f"r.userIdentity.{name} AS useridentity_{name.lower()}" for name in IDENTITY),
        *(f"r.userIdentity.sessionContext.{'.'.join(path)} AS {column}" for path, column in CONTEXT.items()),
    ]


if __name__ == "__main__":
    main(task(sys.argv[1:]))
