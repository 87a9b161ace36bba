"""The part of the command `aws` that the runbooks use: `aws s3api <operation>`, with --query and --output text.

The names of operations and options are botocore's, as those of the real command are, so that what is misspelled fails.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError

_CLIENT_ERROR = 254  # as the real command ends


def main(words: list[str]) -> int:
    service, operation, *rest = words
    assert service == "s3api", f"{service} is not here"
    client: Any = boto3.client("s3")
    method = operation.replace("-", "_")
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    query, form = options.pop("--query", None), options.pop("--output", "json")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    members = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in model.input_shape.members.items()}
    given = {}
    for option, value in options.items():
        name, shape = members[option]
        given[name] = json.loads(value) if shape.type_name == "structure" else value
    try:
        if client.can_paginate(method):
            answer = client.get_paginator(method).paginate(**given).build_full_result()
        else:
            answer = getattr(client, method)(**given)
    except ClientError as error:
        print(error, file=sys.stderr)
        return _CLIENT_ERROR
    found = jmespath.search(query, answer) if query else answer
    print(*_lines(found), sep="\n") if form == "text" else print(json.dumps(found, default=str))
    return 0


def _lines(found: Any) -> Iterator[str]:
    """Rows of texts with tabs between; nothing of what is not there, which the real command prints as None."""
    if found is None:
        yield "None"
        return
    for row in found:
        yield "\t".join(map(str, row))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
