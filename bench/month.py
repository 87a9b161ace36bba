"""What a lake costs a month at three sizes, by the benchmark's measurements and AWS's list prices. Nothing was billed.

The benchmark writes these numbers into docs/runbooks/costs.md with its own page; a test holds them together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import cost
from bench.cost import Assumptions, Workload
from infra.aws.stacks import defaults
from infra.aws.template import resources
from loglake_assets.lake.checks.build_plan import LEAST_DPU_SECONDS
from loglake_assets.orchestration.dpu_cost import DPU_HOUR

ROOT = Path(__file__).resolve().parent.parent
_TEMPLATES = ROOT / "infra" / "aws" / "cloudformation"
MARK = "<!-- numbers of the benchmark -->"
DAYS = 30
HOURS = 730.0

# List prices of us-east-1 in USD, read 2026-11, beside those of bench/cost.py.
S3_GB_MONTH, S3_INSTANT_GB_MONTH = 0.023, 0.004
FLEX_DPU_HOUR = 0.29
ATHENA_TB = 5.0
ALARM_MONTH = 0.10
FARGATE_VCPU_HOUR, FARGATE_GB_HOUR = 0.04048, 0.004445
DATABASE_HOURS = {"db.t4g.micro": 0.016, "db.t4g.small": 0.032}
DATABASE_GB_MONTH = 0.115
LOAD_BALANCER_HOUR = 0.0225
_LAYERS = 2
"""Of one log: its raw bucket's and readready's, each with AddAPart's alarms."""

_COLUMNS = (
    *("a month", "events a day", "accounts", "objects a day", "AddAPart", "Glue", "S3 requests", "storage"),
    *("together", "a million events", "an account"),
)


@dataclass(frozen=True)
class Size:
    """One log of a lake; `day` is what arrives in a day."""

    name: str
    accounts: int
    day: Workload


@dataclass(frozen=True)
class Month:
    """USD of one month. `storage` is what its data costs in each month in which it is kept."""

    size: Size
    addapart: float
    glue: float
    s3_requests: float
    storage: float

    @property
    def usd(self) -> float:
        return self.addapart + self.glue + self.s3_requests + self.storage

    @property
    def usd_a_million(self) -> float:
        return self.usd / (self.size.day.events * DAYS / 1e6)

    @property
    def usd_an_account(self) -> float:
        return self.usd / self.size.accounts


@dataclass(frozen=True)
class Measurement:
    """What the benchmark measured: CPU of a million events and of a start, bytes of an event and of its row."""

    cpu_seconds_a_million: float
    fixed_cpu_seconds: float
    delivered_bytes_an_event: float
    delivered_over_orc: float


def measurement(results: Mapping[str, Any]) -> Measurement:
    """From the results of a benchmark. Raises KeyError without a build of every event."""
    build, figures = results["comparisons"]["build_all"], results["figures"]
    return Measurement(
        figures["build_all.steady_cpu.job"]["median"],
        results["cost"]["assumptions"]["fixed_cpu_seconds"],
        build["delivered_bytes"] / build["events"],
        figures["size.ratio_delivered"]["median"],
    )


def sizes(found: Measurement) -> tuple[Size, ...]:
    """Two sizes with as many bytes an event as were measured, and the original's test every day.

    CloudTrail delivers an object every five minutes or so from each account and Region that does anything, so quiet
    accounts have few events in many objects.
    """

    def size(name: str, accounts: int, regions: int, events: float, objects_of_one: int) -> Size:
        partitions = accounts * regions
        work = Workload(name, events * found.delivered_bytes_an_event, events, partitions * objects_of_one, partitions)
        return Size(name, accounts, work)

    return (
        size("small", 5, 2, 50e3, 100),
        size("middle", 50, 3, 5e6, 200),
        Size("large", 150, cost.ORIGINAL),
    )


def month(size: Size, found: Measurement, assumed: Assumptions = Assumptions()) -> Month:
    """A month in which each day is built once and its coverage checked once, which reads every object again."""
    given = replace(assumed, fixed_cpu_seconds=found.fixed_cpu_seconds)
    built = cost.cost_of(size.day, found.cpu_seconds_a_million, given)
    dpu_hours = max(built.dpu_seconds, LEAST_DPU_SECONDS) / 3600
    again = size.day.objects * cost.GET_REQUEST
    kept_gb = size.day.delivered_bytes * (1 + 1 / found.delivered_over_orc) / 1e9
    return Month(
        size,
        addapart=DAYS * (built.sqs_usd + built.lambda_usd),
        glue=DAYS * dpu_hours * DPU_HOUR,
        s3_requests=DAYS * (built.s3_usd + again),
        storage=DAYS * kept_gb * S3_GB_MONTH,
    )


def alarms_usd() -> float:
    """A month of the alarms of a lake of one log, as the templates declare them."""
    given = {"LakeName": "any", "Layer": "any", "Database": "any"}
    found = resources((_TEMPLATES / "addapart.yaml").read_text(), given, "1" * 12, "eu-west-1").values()
    return _LAYERS * sum(one.type == "AWS::CloudWatch::Alarm" for one in found) * ALARM_MONTH


def dagster_usd() -> float:
    """A month of the `dagster` stack as its defaults have it: the task that always runs, database, load balancer."""
    given = defaults((_TEMPLATES / "dagster.yaml").read_text())
    cpu, memory = float(given["Cpu"]) / 1024, float(given["MemoryMiB"]) / 1024
    hourly = cpu * FARGATE_VCPU_HOUR + memory * FARGATE_GB_HOUR
    hourly += DATABASE_HOURS[given["DatabaseClass"]] + LOAD_BALANCER_HOUR
    return HOURS * hourly + float(given["DatabaseStorageGiB"]) * DATABASE_GB_MONTH


def lines(results: Mapping[str, Any]) -> Iterator[str]:
    """The table of the page, and the sentences below it that hold numbers."""
    found = measurement(results)
    months = [month(size, found) for size in sizes(found)]
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    for one in months:
        day, size = one.size.day, one.size
        counts = (f"{day.events:,.0f}", f"{size.accounts}", f"{day.objects:,.0f}")
        parts = (one.addapart, one.glue, one.s3_requests, one.storage, one.usd, one.usd_a_million, one.usd_an_account)
        yield f"| {size.name} | {' | '.join(counts)} | {' | '.join(usd(part) for part in parts)} |"
    yield ""
    large = months[-1]
    flex = large.glue * (1 - FLEX_DPU_HOUR / DPU_HOUR)
    raw = large.size.day.delivered_bytes * DAYS / 1e9 * (S3_GB_MONTH - S3_INSTANT_GB_MONTH)
    shared = month(large.size, found, Assumptions(notifications_a_message=10))
    scan = large.size.day.delivered_bytes / found.delivered_over_orc / 1e12 * ATHENA_TB
    yield f"- Standing: alarms {usd(alarms_usd())}; a Dagster of its own {usd(dagster_usd())}; without one, nothing."
    yield f"- A query of a whole day of the large size, every column: {usd(scan)}; of three columns, a fraction of it."
    yield f'- `ExecutionClass = "FLEX"` takes {usd(flex)} from the large month.'
    yield f"- Raw objects in Glacier Instant Retrieval take {usd(raw)} from each month that the large month is kept."
    yield f"- Ten objects a message instead of one take {usd(large.addapart - shared.addapart)} from the large month."


def usd(amount: float) -> str:
    """An amount with the digits that mean something."""
    return f"{amount:,.2f}" if amount >= 0.1 else f"{amount:.4f}"


def costs_page(page: str, results: Mapping[str, Any]) -> str:
    """The page of costs with the numbers of these results. ValueError where it has no two marks to put them between."""
    before, _, after = page.split(MARK)
    return MARK.join((before, "\n\n" + "\n".join(lines(results)) + "\n\n", after))
