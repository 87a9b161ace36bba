"""What AWS Glue takes for its DPU-seconds."""

DPU_HOUR = 0.44  # USD, AWS Glue list price in us-east-1, read 2026-11; other Regions differ


def usd_of_dpu_seconds(dpu_seconds: float) -> float:
    """At the list price of AWS Glue."""
    return round(dpu_seconds / 3600 * DPU_HOUR, 6)
