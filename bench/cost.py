"""What a workload would cost on AWS, from measured CPU: a model, its assumptions as fields. Nothing here was billed.

Prices are list prices of us-east-1 in USD, read 2026-11; they change, and other Regions differ.
"""

from dataclasses import asdict, dataclass
from typing import Any

from loglake_assets.orchestration.dpu_cost import DPU_HOUR

PUT_REQUEST, GET_REQUEST = 0.005 / 1_000, 0.0004 / 1_000
SQS_FIFO_REQUEST = 0.50 / 1e6
LAMBDA_REQUEST, LAMBDA_GB_SECOND = 0.20 / 1e6, 0.0000166667
CLOUDTRAIL_LAKE_GB = 2.50  # ingestion, seven-year retention: the option that the original could choose


@dataclass(frozen=True)
class Workload:
    """What is to be built. `delivered_bytes` is gzip as it lies in S3."""

    name: str
    delivered_bytes: float
    events: float
    objects: float
    partitions: float


ORIGINAL = Workload("the original's test", 15.9e9, 199e6, 400_000, 150 * 3)
"""15.9 GB, 199 million events, 400,000 files, over 150 accounts and 3 Regions; taken as one day each."""

PUBLISHED_GB_A_DPU_HOUR = 3.3  # athena-glue-service-logs: what its authors report for their conversion job
PUBLISHED_LAKE_IS_FASTER = 38  # the original: CloudTrail Lake against their own job, the needles of that workload


@dataclass(frozen=True)
class Assumptions:
    """What the model takes for granted, beside the measured CPU."""

    cores_a_dpu: float = 4.0
    core_speed: float = 1.0
    """A core of Glue over a core of the measuring machine."""
    busy_pct: float = 70.0
    """Of the cores' time while a job runs: the rest is starting, waiting, and the last slow task."""
    fixed_cpu_seconds: float = 0.0
    """Session and warm-up of one run, measured."""
    lambda_seconds: float = 0.02
    """One invocation of the producer or the consumer, warm."""
    lambda_gb: float = 0.25
    notifications_a_message: float = 1.0
    """Objects of one partition in five minutes share a message; 1 is the dearest case."""
    list_page: int = 1_000


@dataclass(frozen=True)
class Cost:
    """DPU-seconds and USD of one workload."""

    dpu_seconds: float
    glue_usd: float
    s3_usd: float
    sqs_usd: float
    lambda_usd: float
    gb_a_dpu_hour: float

    @property
    def usd(self) -> float:
        return self.glue_usd + self.s3_usd + self.sqs_usd + self.lambda_usd

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "usd": self.usd}


def cost_of(work: Workload, cpu_seconds_per_million: float, assumed: Assumptions = Assumptions()) -> Cost:
    """The workload built once, from the steady CPU of a million events."""
    cpu = (assumed.fixed_cpu_seconds + cpu_seconds_per_million * work.events / 1e6) / assumed.core_speed
    dpu_seconds = cpu / assumed.cores_a_dpu / (assumed.busy_pct / 100)
    added = addapart_usd(work.objects, work.partitions, assumed)
    lists = work.partitions + work.objects / assumed.list_page
    return Cost(
        dpu_seconds=dpu_seconds,
        glue_usd=dpu_seconds / 3600 * DPU_HOUR,
        s3_usd=work.objects * GET_REQUEST + lists * PUT_REQUEST,
        sqs_usd=added["sqs_usd"],
        lambda_usd=added["lambda_usd"],
        gb_a_dpu_hour=work.delivered_bytes / 1e9 / (dpu_seconds / 3600),
    )


def addapart_usd(objects: float, partitions: float, assumed: Assumptions = Assumptions()) -> dict[str, float]:
    """Of so many arrivals: one invocation of the producer each, a message each at most, batches of ten consumed."""
    messages = max(objects / assumed.notifications_a_message, partitions)
    requests = messages + 2 * messages / 10  # sent one by one; received and deleted by tens
    invocations = objects + messages / 10
    seconds = invocations * assumed.lambda_seconds
    lambda_usd = invocations * LAMBDA_REQUEST + seconds * assumed.lambda_gb * LAMBDA_GB_SECOND
    sqs_usd = requests * SQS_FIFO_REQUEST
    return {"sqs_usd": sqs_usd, "lambda_usd": lambda_usd, "usd": sqs_usd + lambda_usd}


def lake_usd(work: Workload, inflation: float) -> float:
    """CloudTrail Lake's ingestion of the same, by uncompressed gigabytes."""
    return work.delivered_bytes * inflation / 1e9 * CLOUDTRAIL_LAKE_GB
