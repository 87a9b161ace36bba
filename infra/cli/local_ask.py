"""A question to Log Lake Looker of this machine: with a model of Bedrock, or with a scripted stand-in."""

import fcntl
import gzip
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.cli.ask import ONCE, AskError, invoke_looker
from infra.cli.local_lake import LocalLake
from infra.emulator.scripted_converse import Answers, Fails, Request, Says, Script, demo_script, serve
from lambdas.looker.prompt import table_cards
from loglake_assets.lake.versions.commits import heads
from loglake_assets.reviews import load_review, review_names
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, day_number

STAND_IN = "scripted-stand-in"


@dataclass(frozen=True)
class ModelAccess:
    """A model of Bedrock, and a client with the caller's own credentials for it."""

    model_id: str
    client: Any


def model_access() -> ModelAccess | None:
    """The model that BEDROCK_MODEL_ID names, with the credentials of the environment; None where it is not set.

    Read before the lake is opened, which puts its own credentials into the environment.
    """
    model_id = os.environ.get("BEDROCK_MODEL_ID")
    if not model_id:
        return None
    session = boto3.Session()
    found = session.get_credentials()
    region = os.environ.get("AWS_REGION") or session.region_name
    if found is None or not region:
        raise AskError(
            f"BEDROCK_MODEL_ID={model_id} needs AWS credentials and a Region, and the environment has "
            f"{'no credentials' if found is None else 'no Region'}. Set them, or leave BEDROCK_MODEL_ID out to use the "
            "scripted stand-in."
        )
    found.get_frozen_credentials()  # now: opening the lake puts its own into the environment
    own = boto3.Session(found.access_key, found.secret_key, found.token, region_name=region)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME") or f"https://bedrock-runtime.{region}.amazonaws.com"
    return ModelAccess(model_id, own.client("bedrock-runtime", endpoint_url=endpoint, config=ONCE))


def ask_locally(
    lake: LocalLake,
    question: str,
    access: ModelAccess | None,
    say: Callable[[str], None],
    script: Script | None = None,
    reviewer: str | None = None,
) -> dict[str, Any]:
    """Looker's answer as its document.

    The model is that of `access`, else a scripted stand-in whose invocations are logged as well.
    """
    if access is not None:
        with serve(_pass_on(access)) as proxy, _configure(lake, access.model_id, proxy.endpoint_url):
            return invoke_looker(lake, question, reviewer)
    say("No model is asked: BEDROCK_MODEL_ID is not set, and a scripted stand-in shows the way of a question.")
    first, last = built_days(lake)
    columns = {card.name: sorted(card.column_names) for card in table_cards()}
    with serve(script or demo_script(first, last, columns)) as stand_in:
        with _configure(lake, STAND_IN, stand_in.endpoint_url):
            answer = invoke_looker(lake, question, reviewer)
        log_invocations(lake, stand_in.requests, datetime.now(UTC))
    return answer


def built_days(lake: LocalLake) -> tuple[int, int]:
    """First and last (yyyymmdd) of the newest week that has a built day; yesterday where none is built."""
    tables = [load_source(name).readready.name for name in source_names()]
    tables += [load_review(name).table.name for name in review_names()]
    days = sorted({day for table in tables for day in heads(lake.table(table))})
    if not days:
        yesterday = day_number(datetime.now(UTC).date() - timedelta(days=1))
        return yesterday, yesterday
    week = day_number(day_from_number(days[-1]) - timedelta(days=6))
    return min(day for day in days if day >= week), days[-1]


def _pass_on(access: ModelAccess) -> Script:
    """Every request of the function, asked of Bedrock as the caller. Their credentials stay in this process."""

    def step(body: dict[str, Any]) -> Says | Fails | Answers:
        try:
            answer = access.client.converse(modelId=access.model_id, **body)
        except ClientError as error:
            said = error.response["Error"]
            return Fails(error.response["ResponseMetadata"]["HTTPStatusCode"], said["Code"], said.get("Message", ""))
        answer.pop("ResponseMetadata", None)
        return Answers(answer)

    return step


@contextmanager
def _configure(lake: LocalLake, model_id: str, endpoint_url: str) -> Iterator[None]:
    """The function with its model at this address for one question; one question at a time has it."""
    client, name = lake.client("lambda"), f"{lake.settings.name}-looker"
    with (lake.home / "looker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        own = {"LOOKER_MODEL_ID": STAND_IN}
        without = {n: v for n, v in found.items() if n != "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"} | own
        asked = {**without, "LOOKER_MODEL_ID": model_id, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": endpoint_url}
        client.update_function_configuration(FunctionName=name, Environment={"Variables": asked})
        try:
            yield
        finally:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": without})


def log_invocations(lake: LocalLake, requests: Sequence[Request], moment: datetime) -> list[str]:
    """Deliver the stand-in's invocations into the raw bucket, as Bedrock logs a model's; returns the keys."""
    source = next(s for s in map(load_source, source_names()) if "BedrockModelInvocationLogs" in s.key_pattern.pattern)
    account, keys = lake.settings.account, []
    for number, request in enumerate(r for r in requests if r.path.endswith("/converse")):
        time = moment + timedelta(seconds=number)
        digest = hashlib.sha256(f"{moment.isoformat()}{number}".encode()).hexdigest()
        record = {
            "schemaType": "ModelInvocationLog",
            "schemaVersion": "1.0",
            "timestamp": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "accountId": account,
            "identity": {"arn": f"arn:aws:sts::{account}:assumed-role/{lake.settings.name}-looker/looker"},
            "region": lake.settings.region,
            "requestId": str(uuid.UUID(digest[:32], version=4)),
            "operation": "Converse",
            "modelId": STAND_IN,
            "requestMetadata": request.body.get("requestMetadata", {}),
            "input": {"inputContentType": "application/json", "inputBodyJson": request.body},
            "output": {"outputContentType": "application/json", "outputBodyJson": request.answer},
        }
        folder = f"AWSLogs/{account}/BedrockModelInvocationLogs/{lake.settings.region}/{time:%Y/%m/%d/%H}"
        key = f"{folder}/{time:%Y%m%dT%H%M%S000Z}_{digest[:16]}.json.gz"
        line = gzip.compress(json.dumps(record).encode(), mtime=0)
        lake.client("s3").put_object(Bucket=lake.settings.raw_bucket(source.name), Key=key, Body=line)
        keys.append(key)
    return keys
