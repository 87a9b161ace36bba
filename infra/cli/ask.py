"""A question to Log Lake Looker: the deployed function is invoked, and asks its model."""

import json
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from infra.cli.command_lake import CommandLake
from infra.cli.terminal_output import escape, print_table
from loglake_assets.reviews.secret_masks import KINDS
from loglake_assets.sources.words import tally

ONCE = Config(read_timeout=900, retries={"total_max_attempts": 1})
"""A question that is asked again because it takes long is asked twice."""


class AskError(RuntimeError):
    """The question was not answered; the message says why and what to do."""


def invoke_looker(lake: CommandLake, question: str, reviewer: str | None = None) -> dict[str, Any]:
    """Invoke once: a question that is asked again because it takes long is asked twice.

    With a reviewer Looker sees the sessions of that reviewer's people only.
    """
    named = lake.settings
    client = boto3.client("lambda", endpoint_url=named.endpoint_url, region_name=named.region, config=ONCE)
    answer = client.invoke(
        FunctionName=f"{lake.settings.name}-looker",
        Payload=json.dumps({"prompt_from_user": question} | ({"reviewer": reviewer} if reviewer else {})).encode(),
    )
    document = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise AskError(f"Looker failed: {document.get('errorMessage', document)}. Asking again may help.")
    found: dict[str, Any] = document
    return found


def print_looker_answer(answer: dict[str, Any], say: Callable[[str], None]) -> None:
    """The answer with what it rests on. A model's text may hold text of logs: it is shown escaped."""
    for line in str(answer["final_response"]).splitlines():
        say(f"  {escape(line)}")
    for query in answer["queries"]:
        say(
            f"\n  ran {query['query_id']}: {tally(query['row_count'], 'row')}, "
            f"{tally(query['bytes_scanned'], 'byte')} scanned"
        )
        for line in str(query["sql"]).splitlines():
            say(f"    {escape(line)}")
    for refused in answer["refused"]:
        say(f"\n  refused: {escape(str(refused['reason']))}")
    if answer["coverage"]:
        rows = [[c["table"], c["day"], c["status"], c["coverage_pct"]] for c in answer["coverage"]]
        print_table("Coverage of the days it read", ("table", "day", "status", "coverage %"), rows)
    for mask in answer["masked"]:
        place = f"in {escape(mask['column'])} of {mask['query_id']}" if mask["query_id"] else "in the words above"
        say(f"  masked: {mask['count']:,} x {KINDS[mask['kind']]}, {place}")
    if answer["stopped_by"]:
        say(f"  stopped by: {answer['stopped_by']}")
    if answer["next_step"] and answer["next_step_by"] == "program":  # a model's stands in its words
        say(f"  next step: {escape(str(answer['next_step']))}")
