"""The lake of one home on this machine: its stack runs, is deployed, and is named in the environment.

A command that finds a stack running uses it and leaves it; one that has to start it ends it again.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from infra.cli.command_lake import CommandLake, warn
from infra.cli.dagster_home import write_dagster_home
from infra.cli.home import home_text, local_program, own_environment
from infra.emulator.disk_reserve import free_bytes
from infra.emulator.processes import (
    StackInfo,
    make_private,
    running_stack,
    start_stack,
    stop_stack,
    write_atomically,
)
from loglake_assets.s3.objects import object_if_any
from loglake_assets.sources.model import ENGINE, LOCAL
from resources.access import boto_client
from resources.settings import COMMAND, LakeSettings

ACCOUNT = "000000000000"
REGION = "us-east-1"
NAME = "loglake"
NEEDED_BYTES = 500_000_000  # the shuffle of a Glue run of a small day, with room
DIGEST_KEYS = "digest-keys.json"
"""In a lake's home: the public keys that came with samples, by fingerprint; digests are validated with them."""
_ON_DEMAND = "on-demand"
_PARAMETERS = {"RequireTls": "false", "looker:ModelId": "scripted-stand-in"}  # `loglake ask` says which model
_DEPLOYMENT = "deployment"
"""In the artifacts bucket of a local lake: the tree and parameters that were deployed last, and the stacks' state."""
_OF_THE_CALLER = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_PROFILE")


class LakeHomeError(RuntimeError):
    """The lake cannot be kept where it was asked to be; the message says why and what to do."""


@dataclass(frozen=True)
class LocalLake(CommandLake):
    """A running, deployed lake on this machine."""

    info: StackInfo

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's endpoint, with the stack's own credentials."""
        return boto_client(service, REGION, self.info.endpoint_url, credentials=tuple(self.info.credentials.items()))

    @property
    def place(self) -> str:
        return home_text(self.home)


@contextmanager
def local_lake(home: Path, say: Callable[[str], None]) -> Iterator[LocalLake]:
    """The lake of `home`, started when it is not running and then stopped again. Deploys what this tree holds.

    Raises LakeHomeError where the home cannot be used.
    """
    refuse_full_disk(home)
    lake = None
    with _use(home) as users:
        try:
            with own_environment():  # another lake that this process has open goes on with its own
                lake = _start(home, say)
                yield lake
        finally:
            _stop_when_last(home, users, lake)


@contextmanager
def existing_local_lake(home: Path, say: Callable[[str], None]) -> Iterator[LocalLake]:
    """The lake of `home` for commands that need one: where there is none it is not made. Raises LakeHomeError."""
    if not (home / "state").is_dir():
        what = "is an empty or other folder" if home.exists() else "does not exist"
        raise LakeHomeError(
            f"There is no lake in {home}: it {what}. Nothing was created. --home or LOGLAKE_HOME names the home of a "
            f"lake, .loglake/ without them; `{local_program(home)} up` makes a lake there."
        )
    with local_lake(home, say) as lake:
        yield lake


def _start(home: Path, say: Callable[[str], None]) -> LocalLake:
    """The lake, running and deployed. One command at a time does this; whoever waited finds it done."""
    with (home / "starting").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        info = running_stack(home)
        if info is None:
            (home / _ON_DEMAND).touch()
            info = start_stack(home, log=lambda text: None)
        lake = LocalLake(home, LakeSettings(NAME, ACCOUNT, REGION, info.endpoint_url), info)
        os.environ.update(environment(lake))
        for name in _OF_THE_CALLER:
            os.environ.pop(name, None)
        deploy_lake(lake, say)
        write_dagster_home(lake.dagster_home)
        if not (home / DIGEST_KEYS).exists():
            write_atomically(home / DIGEST_KEYS, "{}")
        return lake


@contextmanager
def _use(home: Path) -> Iterator[IO[str]]:
    """Hold a shared lock on the home for as long as its stack is needed. Raises LakeHomeError."""
    try:
        make_private(home)
        users = (home / "users").open("w")
    except OSError as error:
        raise LakeHomeError(
            f"A lake cannot be kept in {home}: it cannot be written ({error.strerror}). Nothing was started, and "
            "trying again does not help. Make it writable for you, or put the lake elsewhere with LOGLAKE_HOME."
        ) from error
    with users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield users


def _stop_when_last(home: Path, users: IO[str], lake: LocalLake | None) -> None:
    """Stop a stack that a command started, once no other command uses it: whoever is last, not whoever was first."""
    if not (home / _ON_DEMAND).exists():
        return
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    (home / _ON_DEMAND).unlink(missing_ok=True)
    for info in (lake.info if lake else None, running_stack(home)):
        if info:
            stop_stack(info)


def refuse_full_disk(home: Path, needed: int = NEEDED_BYTES) -> None:
    """Raise LakeHomeError when the disk of `home` has less than `needed` bytes free: a full disk half-works."""
    free = free_bytes(home)
    if free < needed:
        raise LakeHomeError(
            f"The disk of {home} has {free / 1e6:,.0f} MB free, and a local lake needs {needed / 1e6:,.0f} MB to work "
            "in. Nothing was started. Free some, or put the lake elsewhere with LOGLAKE_HOME."
        )


def environment(lake: LocalLake) -> dict[str, str]:
    """What a process of this lake has in its environment: endpoint, names, and credentials of this stack alone."""
    return {
        "AWS_ENDPOINT_URL": lake.info.endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": lake.info.access_key_id,
        "AWS_SECRET_ACCESS_KEY": lake.info.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "LOGLAKE_NAME": lake.settings.name,
        "LOGLAKE_ACCOUNT": lake.settings.account,
        "LOGLAKE_HOME": str(lake.home),
        "LOGLAKE_KEPT_DIGEST_KEYS": str(lake.home / DIGEST_KEYS),
        "DAGSTER_HOME": str(lake.dagster_home),
        COMMAND: local_program(lake.home),
        ENGINE: os.environ.get(ENGINE) or LOCAL,
    }


def deploy_lake(lake: LocalLake, say: Callable[[str], None]) -> None:
    """Bring the production templates to the local stack. What was deployed last is kept in the artifacts bucket: where
    that is this tree, only what somebody dropped is made again, and that is said whatever `say` does.
    """
    from infra.aws.bundles import tree_digest
    from infra.aws.deploy import deploy, restore
    from loglake_assets.sources import load_source, source_names

    sources = [load_source(name) for name in source_names()]
    tree = f"{tree_digest()} {json.dumps(_PARAMETERS)}"
    s3, artifacts = lake.client("s3"), lake.settings.artifacts_bucket
    last = _object_if_any(s3, artifacts, _DEPLOYMENT)
    if last and last == _deployment(lake, tree):
        restore(lake.settings, lake.client, sources, _PARAMETERS, say, warn)
        return
    if last:  # a deployment that fails leaves a lake of no known tree
        s3.delete_object(Bucket=artifacts, Key=_DEPLOYMENT)
    deploy(lake.settings, lake.client, sources, _PARAMETERS, say, warn=warn)
    s3.put_object(Bucket=artifacts, Key=_DEPLOYMENT, Body=_deployment(lake, tree) or b"")


def _deployment(lake: LocalLake, tree: str) -> bytes | None:
    """The tree with the state of the stacks: a stack that was killed may come back as it was before a deployment."""
    from infra.aws.deploy import deployed_state

    state = deployed_state(lake.settings, lake.client)
    return None if state is None else json.dumps([tree, state], sort_keys=True).encode()


def _object_if_any(s3: Any, bucket: str, key: str) -> bytes | None:
    """An object's bytes; None where there is none, or no bucket yet."""
    try:
        return object_if_any(s3, bucket, key)
    except s3.exceptions.NoSuchBucket:
        return None
