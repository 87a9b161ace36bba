"""A lake on AWS, as a file of lakes/ describes it, with the credentials of a person."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from infra.cli.command_lake import AwsLake
from infra.cli.home import aws_home, aws_program, own_environment
from infra.cli.lake_file import LakeFileError, lake_file
from resources.settings import COMMAND, FIRST_DAY, RAW_BUCKETS


class OtherAccountError(RuntimeError):
    """The credentials are of another account than the lake's, or of none; nothing was asked of the lake."""


@contextmanager
def aws_lake(name: str, profile: str | None = None, region: str | None = None) -> Iterator[AwsLake]:
    """The lake that `lakes/<name>.toml` describes, named in the environment of this process meanwhile.

    Credentials are those of `profile`, else of the environment. Raises LakeFileError and OtherAccountError.
    """
    found = lake_file(name)
    if region and region != found.settings.region:
        raise LakeFileError(f"The lake {name} lies in {found.settings.region}, and --region is {region}.")
    home = aws_home(name)
    lake = AwsLake(home, found.settings, found.dagster, found)
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
        COMMAND: aws_program(name, profile),
    }
    if lake.file and lake.file.first_day:
        named[FIRST_DAY] = lake.file.first_day
    if lake.settings.raw_buckets:
        named[RAW_BUCKETS] = lake.settings.raw_buckets_text
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
