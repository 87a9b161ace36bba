"""`make check-glue`: the job's code runs under the versions that Glue brings, in whatever process it runs."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from pyspark import SparkConf, SparkContext

from glue_scripts.job import LIBRARIES
from glue_scripts.runners import local_runner
from glue_scripts.whole_objects import ObjectRef
from infra.cli.home import REPOSITORY
from infra.cli.local_lake import LocalLake
from loglake_assets.sources.model import LOCAL
from tests import test_views
from tests.job_runs import run_job

pytestmark = [
    pytest.mark.skipif(Path(sys.prefix).name != "glue", reason="`make check-glue` has the versions that Glue brings"),
    pytest.mark.filterwarnings("ignore:distutils Version:DeprecationWarning"),  # of PySpark, about itself
]
LOCK = (REPOSITORY / "infra/aws/glue.lock").read_text()
WANTED = {name: text for name, text in re.findall(r"^(\S+)==(\S+)", LOCK, re.M) if name in LIBRARIES}


def versions() -> dict[str, str]:
    """Of the modules as they are imported, not as they are installed."""
    import boto3
    import numpy
    import pandas
    import pyarrow

    return {module.__name__: module.__version__ for module in (boto3, numpy, pandas, pyarrow)}


def give_versions(number: int, objects: Sequence[ObjectRef]) -> Iterator[tuple[int, bytes]]:
    yield 0, repr(versions()).encode()


def texts(partition: int, payloads: Iterable[bytes]) -> Iterator[str]:
    yield from (payload.decode() for payload in payloads)


def test_tests_have_them() -> None:
    assert versions() == WANTED
    assert len(WANTED) == 4


def test_processes_of_a_build_have_them() -> None:
    refs = [ObjectRef(n, "raw", f"key-{n}", 20261101) for n in range(2)]
    with local_runner(lambda text, numbers: None, processes=2) as runner:
        found = runner.read(give_versions, [(n, [ref]) for n, ref in enumerate(refs)], 1).run(texts, [0], "versions")
    assert found == [repr(WANTED)] * 2


def test_workers_of_spark_have_them() -> None:
    conf = SparkConf().setAll(list(test_views.spark_settings().items()))
    context = SparkContext(conf=conf)
    try:
        names = sorted(WANTED)
        found = context.parallelize([0], 1).map(lambda _: {n: __import__(n).__version__ for n in names}).collect()
    finally:
        context.stop()
    assert found == [WANTED]


@pytest.mark.stack
def test_a_run_of_the_deployed_job_has_them(lake: LocalLake) -> None:
    said = run_job(lake, LOCAL, date(2013, 1, 1), date(2013, 1, 1))
    assert [f"{name} {text}" for name, text in WANTED.items() if f"{name} {text}" not in said] == []
