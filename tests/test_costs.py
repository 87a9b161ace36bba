"""The page of costs says what the model computes."""

import json
from pathlib import Path

import pytest

from bench import cost
from bench.month import DAYS, alarms_usd, costs_page, dagster_usd, measurement, month, sizes
from loglake_assets.lake.checks.build_plan import LEAST_DPU_SECONDS

ROOT = Path(__file__).resolve().parent.parent
COSTS = ROOT / "docs" / "runbooks" / "costs.md"
RESULTS = json.loads((ROOT / "bench" / "results.json").read_text())


def test_the_page_of_costs_has_the_numbers_of_the_model() -> None:
    page = COSTS.read_text()
    assert costs_page(page, RESULTS) == page
    assert costs_page(page.replace("| 199,000,000 |", "| 198,000,000 |"), RESULTS) == page


def test_a_month_costs_what_its_parts_cost_and_never_less_than_glue_bills() -> None:
    found = measurement(RESULTS)
    small, middle, large = (month(size, found) for size in sizes(found))
    assert small.glue == pytest.approx(DAYS * LEAST_DPU_SECONDS / 3600 * cost.DPU_HOUR)
    assumed = cost.Assumptions(fixed_cpu_seconds=found.fixed_cpu_seconds)
    once = cost.cost_of(cost.ORIGINAL, found.cpu_seconds_a_million, assumed)
    assert large.glue == pytest.approx(DAYS * once.glue_usd)
    assert large.usd == pytest.approx(large.addapart + large.glue + large.s3_requests + large.storage)
    assert large.s3_requests > DAYS * once.s3_usd, "the check reads every object again"
    assert small.usd_a_million > middle.usd_a_million > large.usd_a_million
    assert alarms_usd() > 1
    assert dagster_usd() > 50
