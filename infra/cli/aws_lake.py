"""A lake on AWS, as a file of lakes/ describes it: which account, which Region, which name."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.home import REPOSITORY, own_environment
from infra.cli.lake import AwsLake
from resources.settings import COMMAND, LakeSettings, lake_settings

LAKES = "LOGLAKE_LAKES"
"""Names the folder of lake files, lakes/ of the repository without it."""
_KEYS = {"account", "region", "name", "dagster", "endpoint_url"}


class LakeFileError(ValueError):
    """No file describes the lake, or not as it must; the message names the file and what is accepted."""


class OtherAccountError(RuntimeError):
    """The credentials are of another account than the lake's, or of none; nothing was asked of the lake."""


@dataclass(frozen=True)
class LakeFile:
    """What a file of lakes/ says. `dagster` is the address of the lake's Dagster, None where it has none."""

    settings: LakeSettings
    dagster: str | None


def lakes_folder() -> Path:
    """Where lakes are described."""
    return Path(os.environ.get(LAKES) or REPOSITORY / "lakes").expanduser().resolve()


def lake_file(name: str) -> LakeFile:
    """The description of a lake. Raises LakeFileError."""
    folder = lakes_folder()
    path = folder / f"{name}.toml"
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not path.is_file():
        known = ", ".join(sorted(one.stem for one in folder.glob("*.toml"))) or "none"
        raise LakeFileError(
            f"There is no lake {name!r}: {path} is not there. Known: local, {known}. lakes/README.md shows a file."
        )
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LakeFileError(f"{path} is no TOML: {error}. lakes/README.md shows a file.") from error
    if unknown := sorted(said.keys() - _KEYS) or [key for key, value in said.items() if not isinstance(value, str)]:
        raise LakeFileError(f"{path}: {', '.join(unknown)} is not accepted; texts of these are: {sorted(_KEYS)}.")
    return LakeFile(_settings(path, name, said), said.get("dagster"))


def _settings(path: Path, name: str, said: Mapping[str, Any]) -> LakeSettings:
    given = {"LOGLAKE_NAME": said.get("name", name), "LOGLAKE_ACCOUNT": said.get("account")}
    given |= {"AWS_REGION": said.get("region"), "AWS_ENDPOINT_URL": said.get("endpoint_url")}
    try:
        return lake_settings({variable: value for variable, value in given.items() if value})
    except ValueError as error:
        raise LakeFileError(f"{path}: {error} (account, region and name are the file's keys for these.)") from error


@contextmanager
def aws_lake(name: str, profile: str | None = None, region: str | None = None) -> Iterator[AwsLake]:
    """The lake that `lakes/<name>.toml` describes, named in the environment of this process meanwhile.

    Credentials are those of `profile`, else of the environment. Raises LakeFileError and OtherAccountError.
    """
    found = lake_file(name)
    if region and region != found.settings.region:
        raise LakeFileError(f"The lake {name} lies in {found.settings.region}, and --region is {region}.")
    home = lakes_folder().parent / f".loglake-{name}"
    lake = AwsLake(home, found.settings, found.dagster)
    with own_environment():
        os.environ.update(_environment(lake, name, profile))
        refuse_other_account(lake)
        home.mkdir(mode=0o700, exist_ok=True)
        lake.dagster_home.mkdir(exist_ok=True)
        yield lake


def _environment(lake: AwsLake, name: str, profile: str | None) -> dict[str, str]:
    named = {
        "LOGLAKE_NAME": lake.settings.name,
        "LOGLAKE_ACCOUNT": lake.settings.account,
        "AWS_REGION": lake.settings.region,
        "AWS_DEFAULT_REGION": lake.settings.region,
        "DAGSTER_HOME": str(lake.dagster_home),
        COMMAND: f"loglake --lake {name}",
    }
    if profile:
        named["AWS_PROFILE"] = profile
    if lake.settings.endpoint_url:
        named["AWS_ENDPOINT_URL"] = lake.settings.endpoint_url
    return named


def refuse_other_account(lake: AwsLake) -> None:
    """Raise OtherAccountError unless the credentials are of the lake's account."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        account = lake.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise OtherAccountError(
            f"AWS does not say who you are ({type(error).__name__}), so nothing was asked of the lake in account "
            f"{lake.settings.account}. Sign in, or name a profile with --profile; then try again."
        ) from error
    if account != lake.settings.account:
        raise OtherAccountError(
            f"You are signed in to account {account}, and the lake is in {lake.settings.account}. Nothing was asked of "
            "it. Use credentials of its account, such as with --profile."
        )
