"""The first rows of a day before it is built: rows of the build, in a file, and nothing of them elsewhere."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import dagster as dg
import pytest

from infra.cli.dagster_runs import dagster_instance
from loglake_assets.lake.versions.commits import sequences
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.preview_asset import ROWS, SparkNotHereError, start_session
from tests.conftest import FIRST, BuiltLake, run_asset
from tests.stored_lake import etags_below


def materialize(built: BuiltLake, key: dg.AssetKey) -> tuple[str, dict[str, Any]]:
    """The run's id and the asset's metadata. In a process of its own, as a run of Dagster is: workers of Spark have the
    environment of the first session of their process, and another test may have begun one that knows no lake."""
    result = run_asset(built, key, FIRST, FIRST)
    (event,) = result.asset_materializations_for_node(key.to_python_identifier())
    return result.run_id, {name: value.value for name, value in event.metadata.items()}


@pytest.mark.stack
@pytest.mark.filterwarnings("ignore:distutils Version:DeprecationWarning")  # of PySpark, about itself
def test_a_preview_holds_rows_of_the_build_and_dagster_none_of_them(built: BuiltLake) -> None:
    lake, source = built.lake.resource, built.source
    key = source_config(source.name, start_day=FIRST).preview_key
    commits, stored = sequences(lake.table(source.readready.name)), etags_below(lake.s3, lake.settings.readready_bucket)
    with ProcessPoolExecutor(1, get_context("spawn")) as own_process:
        run_id, metadata = own_process.submit(materialize, built, key).result()
    bucket, _, file = metadata["rows_file"].removeprefix("s3://").partition("/")
    rows = [json.loads(line) for line in lake.s3.get_object(Bucket=bucket, Key=file)["Body"].read().splitlines()]
    assert len(rows) == metadata["dagster/row_count"] == ROWS
    assert bucket == lake.settings.results_bucket
    assert file.startswith("dagster/")

    columns = [*(c.name for c in source.readready.all_columns), source.readready.partition_key.name]
    assert metadata["columns"] == columns == list(rows[0])
    ids = ", ".join(f"'{row['eventid']}'" for row in rows)
    same = "eventid, eventname, useridentity, requestparameters, raw_key, raw_ordinal"
    table = f"{source.readready.name} where logcalendarday = {FIRST:%Y%m%d} and eventid in ({ids})"
    found = {row["eventid"]: row for row in lake.athena.ask(f"select {same} from {table}").rows}
    for row in rows:
        of_build = found[row["eventid"]]
        assert {name: str(row[name]) for name in of_build} == {name: str(of_build[name]) for name in same.split(", ")}

    with dagster_instance(built.lake) as instance:
        kept = "".join(str(entry) for entry in instance.all_logs(run_id))
    for row in rows:
        assert not [value for value in (row["eventid"], row["useridentity"]) if value and value in kept]
    assert sequences(lake.table(source.readready.name)) == commits
    assert etags_below(lake.s3, lake.settings.readready_bucket) == stored, "nothing is built"


def test_a_machine_without_java_is_said_and_quotes_nothing() -> None:
    class NoSpark:
        @property
        def spark_session(self) -> object:
            raise RuntimeError("a path of the machine")

    with pytest.raises(
        SparkNotHereError, match=r"did not start in this run \(RuntimeError\): it needs Java 17"
    ) as said:
        start_session(NoSpark())  # type: ignore[arg-type]
    assert "a path" not in str(said.value)
    assert said.value.__cause__ is None
