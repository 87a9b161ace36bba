"""Our Glue job: its very script and bundle, started as the local stack starts it, over a boto3 that opens files.

Filters are what the product offers, exclusion rules in rules.toml: to keep the needles, all other event names and
accounts are named by two rules, so every record that is left out is counted.
"""

import io
import re
import sys
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench import file_backed_boto3
from bench.contenders.columns import Task, task
from bench.volumes import NEEDLE_NAMES, RAW_BUCKET, SOURCE, Volume
from infra.aws.bundles import glue_bundle, job_script
from infra.emulator.glue_child import RunPlan, await_child, failure_message, start_child
from loglake_assets.sources import load_source
from loglake_assets.sources.model import SPARK

RULES = "loglake_assets/rules.toml"
_TIMEOUT_SECONDS = 3600


@dataclass(frozen=True)
class Window:
    """What one run reads and where it may write: a tree of keys, the partitions of it, the days, a folder."""

    source: str
    files: Path
    partitions: Path
    first_day: date
    last_day: date
    home: Path
    engine: str = SPARK


def main(asked: Task, engine: str = SPARK) -> None:
    """Run the job of the volume's days; its rows are found below `asked.rows`, which is a link into its buckets."""
    given = asked.volume
    partitions = given.folder / "partitions.json"
    window = Window(SOURCE, given.files, partitions, given.first_day, given.last_day, asked.rows.parent, engine)
    asked.rows.symlink_to(build_rows(window, bundle(asked)))


def build_rows(window: Window, code: bytes) -> Path:
    """Run the job over the window with the bundle `code`; the folder of its rows. Ends the process where it fails."""
    buckets = window.home / "buckets"
    _put(buckets / "artifacts" / "readready.py", job_script())
    _put(buckets / "artifacts" / "glue.zip", code)
    _put(buckets / "artifacts" / "boto3.zip", zip_archive({"boto3/__init__.py": _own_boto3()}))
    (buckets / RAW_BUCKET).symlink_to(window.files.resolve())
    plan = RunPlan(
        run_id="bench",
        directory=window.home / "run",
        script="s3://artifacts/readready.py",
        arguments=_arguments(window),
        environment={
            "BENCH_BUCKETS": str(buckets),
            "BENCH_PARTITIONS": str(window.partitions),
            "AWS_REGION": "us-east-1",
        },
        s3=file_backed_boto3.FileS3(buckets),
    )
    code_of_exit = await_child(start_child(plan), plan.run_id, _TIMEOUT_SECONDS)
    if code_of_exit != 0:
        raise SystemExit(failure_message(plan.log, code_of_exit if code_of_exit is not None else -9))
    return buckets / "readready" / load_source(window.source).readready.name


def bundle(asked: Task) -> bytes:
    """The bundle as it is deployed, with the rules of this task."""
    deployed = zipfile.ZipFile(io.BytesIO(glue_bundle()))
    files = {name: deployed.read(name) for name in deployed.namelist()}
    if asked.needle:
        files[RULES] += keep_only_needles(asked.volume).encode()
    return zip_archive(files)


def keep_only_needles(volume: Volume) -> str:
    """Exclusion rules that name every event name and account of the volume that is not asked for."""
    rest = {
        "eventname": sorted(set(volume.event_names) - set(NEEDLE_NAMES)),
        "recipientaccountid": sorted(set(volume.account_ids) - set(volume.needle_accounts)),
    }
    rules = [
        f'\n[[exclude]]\nname = "other_{field}"\nsource = "{SOURCE}"\n{field} = [{_quote(values)}]\n'
        for field, values in rest.items()
        if values
    ]
    return "".join(rules)


def _quote(values: list[str]) -> str:
    return ", ".join('"' + re.sub(r'(["\\])', r"\\\1", value) + '"' for value in values)


def _arguments(window: Window) -> dict[str, str]:
    return {
        "--source": window.source,
        "--first_day": f"{window.first_day:%Y%m%d}",
        "--last_day": f"{window.last_day:%Y%m%d}",
        "--run_id": "bench",
        "--database": "loglake",
        "--readready_bucket": "readready",
        "--region": "us-east-1",
        "--max_days": "366",
        "--engine": window.engine,
        "--extra-py-files": "s3://artifacts/glue.zip,s3://artifacts/boto3.zip",
    }


def _own_boto3() -> bytes:
    return Path(file_backed_boto3.__file__).read_bytes()


def zip_archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main(task(sys.argv[1:]))
