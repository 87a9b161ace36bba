"""What the log groups beside Session Manager's say: one message, from dice and time alone."""

import json
from collections.abc import Callable
from random import Random

from loglake_assets.sources.cloudtrail.samples.identifiers import stamp, uuid_text
from loglake_assets.sources.cloudtrail.samples.trail import HOSTILE
from loglake_assets.sources.cloudwatch.samples.streams import ACCESS_GROUP, AUDIT_GROUP, LAMBDA_GROUP, WEB_GROUP

_PATHS = ("/", "/orders", "/orders/17", "/health", "/search?q=caf%C3%A9")


def general_message(group: str, rng: Random, milliseconds: int) -> str:
    """The text of one event of that log group; a few hold what would break a careless reader."""
    if rng.random() < 0.002:
        return rng.choice(HOSTILE)
    return _WRITERS[group](rng, milliseconds)


def _lambda(rng: Random, milliseconds: int) -> str:
    request = uuid_text(rng)
    match rng.randrange(4):
        case 0:
            return f"START RequestId: {request} Version: $LATEST\n"
        case 1:
            return f"END RequestId: {request}\n"
        case 2:
            return f"REPORT RequestId: {request}\tDuration: {rng.randrange(900)}.10 ms\tMemory Size: 128 MB\t\n"
    order = {"level": "info", "order": rng.randrange(10_000), "items": [{}, {"a": "}{"}]}
    return f"{stamp(milliseconds // 1000)}\t{request}\tINFO\t{json.dumps(order)}\n"


def _audit(rng: Random, milliseconds: int) -> str:
    query = f"SELECT * FROM orders WHERE id = {rng.randrange(10_000)} AND note <> \\'a\\'"
    return (
        f"{milliseconds * 1000},example-db,app,10.0.7.{rng.randrange(255)},{rng.randrange(99)},QUERY,shop,'{query}',0"
    )


def _web(rng: Random, milliseconds: int) -> str:
    del milliseconds
    return f'10.0.7.{rng.randrange(255)} - - "GET {rng.choice(_PATHS)} HTTP/1.1" {rng.choice((200, 200, 304, 404))} -'


def _access(rng: Random, milliseconds: int) -> str:
    request = {
        "requestId": uuid_text(rng),
        "requestTime": stamp(milliseconds // 1000),
        "httpMethod": rng.choice(("GET", "POST")),
        "path": rng.choice(_PATHS),
        "status": rng.choice(("200", "404", "500")),
        "responseLength": rng.randrange(9_999),
    }
    return json.dumps(request)


_WRITERS: dict[str, Callable[[Random, int], str]] = {
    LAMBDA_GROUP: _lambda,
    AUDIT_GROUP: _audit,
    WEB_GROUP: _web,
    ACCESS_GROUP: _access,
}
