"""What the UI says of a day: a line that explains itself, what mends it first, names as a table, links on AWS."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from loglake_assets.orchestration.check_metadata import ALL_NAMES, NAMES, REMEDY
from loglake_assets.orchestration.code_references import code_references
from loglake_assets.orchestration.columns import readready_lineage, review_lineage
from loglake_assets.orchestration.console_links import day_links
from loglake_assets.orchestration.coverage_words import coverage_description, coverage_metadata
from loglake_assets.reviews import load_review, review_names
from loglake_assets.sources import load_source, source_names
from resources.settings import LakeSettings
from tests.check_names import names_of
from tests.reports import coverage

WHOLE = replace(coverage(20261125, 1, 1928, 1928), object_count=40, bytes_read=9_000, objects_read=40)
LOCAL = LakeSettings("loglake", "1" * 12, "eu-west-1", "http://127.0.0.1:1")
OBJECT = "s3://loglake-raw-cloudtrail-111122223333/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/25/a.json.gz"


def test_a_whole_day_says_so() -> None:
    said = coverage_description(WHOLE)
    assert said == "2026-11-25: 100.0000 %; every one of 1,928 events in raw is in readready."
    metadata = coverage_metadata(WHOLE, LOCAL)
    assert sorted(metadata)[:2] == [REMEDY, ALL_NAMES], "Dagster shows metadata in the order of its keys"
    assert not [name for name, value in metadata.items() if value in (0, {}, [])], "what there is none of is left out"


def test_an_unreadable_object_is_named_with_its_remedy_in_one_line() -> None:
    day = replace(WHOLE, unreadable={OBJECT: "gzip_truncated"})
    said = coverage_description(day)
    assert said.startswith(f"2026-11-25: 99.9481 %, 1 object is unreadable: {OBJECT} (")
    assert "requeue cloudtrail 2026-11-25" in said
    metadata = coverage_metadata(day, LOCAL)
    assert sorted(metadata)[:3] == [REMEDY, NAMES, ALL_NAMES], "Dagster shows metadata in the order of its keys"
    table = metadata[NAMES]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {"what": "unreadable object", "name": OBJECT, "detail": "gzip_truncated"}
    ]
    assert metadata["unreadable_objects"] == 1
    assert "missing" not in metadata, "no event that was counted is missing"


def test_everything_that_is_wrong_is_said_and_an_empty_day_is_not_whole() -> None:
    day = replace(
        WHOLE,
        found=1925,
        missing=3,
        missing_by_object={OBJECT: 3},
        missing_events=("e1", "e2", "e3"),
        set_aside={f"{OBJECT}.b": "gone"},
        set_aside_events=7,
        unplaceable_records=1,
        unplaceable_by_object={OBJECT: 1},
        altered={"s3://readready/x.orc": "other bytes"},
        altered_rows=5,
        denied={"ours": 2},
    )
    said = coverage_description(day)
    for words in (
        "3 events are not in readready, the first in ",
        "1 object that held 7 events is not as the build read it: ",
        "1 record has no usable time, so it belongs to no day, the first in ",
        "1 file is not as committed: ",
    ):
        assert words in said
    names = names_of(coverage_metadata(day, LOCAL), "what")
    assert names.count("event not in readready") == 3
    assert coverage_metadata(day, LOCAL)["denied_objects_by_rule_ours"] == 2
    assert coverage_description(replace(WHOLE, expected=0, found=0)) == "2026-11-25: no events that day."


def test_links_are_of_the_console_on_aws_and_none_on_one_machine() -> None:
    on_aws = LakeSettings("loglake", "111122223333", "eu-west-1")
    found = day_links(on_aws, "jr_1", "s3://loglake-readready-111122223333/from_x_readready/run=jr_1/day=20261125/")
    assert {type(value) for value in found.values()} == {dg.UrlMetadataValue}
    pages = {name: str(value.value) for name, value in found.items()}
    assert pages["glue_run_page"].endswith("#/job/loglake-readready/run/jr_1")
    assert pages["glue_logs_page"].endswith("log-group/$252Faws-glue$252Floglake-readready$252Ferror/log-events/jr_1")
    assert pages["files_page"].endswith("&prefix=from_x_readready/run%3Djr_1/day%3D20261125/")
    assert day_links(LakeSettings("loglake", "1" * 12, "cn-north-1"), "jr_1", "s3://b/p")[
        "athena_page"
    ].value.startswith("https://console.amazonaws.cn/")
    assert day_links(LOCAL, "jr_1", "s3://b/p") == {}


@pytest.mark.parametrize("name", source_names())
def test_every_column_has_a_comment_and_lineage_is_of_columns_that_are_there(name: str) -> None:
    source, raw_key = load_source(name), dg.AssetKey(["raw", "x"])
    columns = [*source.raw.partition_keys, *source.readready.all_columns, source.readready.partition_key]
    assert [c.name for c in columns if not c.comment] == []
    raw = {c.name for c in (*source.raw.columns, *source.raw.partition_keys)}
    lineage = readready_lineage(source, raw_key).deps_by_column
    assert lineage.keys() <= {c.name for c in source.readready.columns}
    assert len(lineage) > len(source.readready.columns) / 2
    assert {dep.column_name for deps in lineage.values() for dep in deps} <= raw


@pytest.mark.parametrize(
    ("package", "some"),
    [
        *((f"loglake_assets.sources.{name}", {"__init__.py", "decode.py", "recount.py"}) for name in source_names()),
        *((f"loglake_assets.reviews.{name}", {"__init__.py", f"{name}.sql"}) for name in review_names()),
    ],
)
def test_the_code_of_a_table_is_linked_file_by_file(package: str, some: set[str]) -> None:
    found = {
        one.label: one.file_path
        for one in code_references(package).code_references
        if isinstance(one, dg.LocalFileCodeReference)
    }
    place = package.replace(".", "/")
    assert {f"{place}/{name}" for name in (*some, "defs.yaml")} <= found.keys()
    assert all(Path(path).is_file() and path.endswith(str(label)) for label, path in found.items())


@pytest.mark.parametrize("name", review_names())
def test_columns_of_a_review_lead_to_columns_of_its_logs(name: str) -> None:
    review = load_review(name)
    assert [c.name for table in review.tables for c in table.all_columns if not c.comment] == []
    lineage = review_lineage(review).deps_by_column
    assert len(lineage) > 10
    tables = {
        dg.AssetKey(["readready", source.readready.name]): {c.name for c in source.readready.all_columns}
        for source in map(load_source, review.sources)
    }
    for deps in lineage.values():
        for dep in deps:
            assert dep.column_name in tables[dep.asset_key]
