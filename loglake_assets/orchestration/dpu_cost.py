"""What AWS Glue takes for its DPU-seconds."""

_DPU_HOUR_USD = 0.44  # AWS Glue list price in us-east-1, read 2026-11; other Regions differ


def usd_of_dpu_seconds(dpu_seconds: float) -> float:
    """At the list price of AWS Glue."""
    return round(dpu_seconds / 3600 * _DPU_HOUR_USD, 6)
