"""Pages of the AWS console, as addresses. A local lake has none: None then."""

from urllib.parse import quote

from resources.settings import LakeSettings

_DOMAINS = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


def console_page(settings: LakeSettings, service: str, place: str) -> str | None:
    """A page of a service in the lake's Region; `place` is what follows the Region in its address."""
    if settings.endpoint_url:
        return None
    domain = _DOMAINS.get(settings.partition, f"{settings.region}.console.aws.amazon.com")
    return f"https://{domain}/{service}?region={settings.region}{place}"


def glue_run_page(settings: LakeSettings, job_run_id: str) -> str | None:
    """One run of the job that builds days."""
    return console_page(
        settings, "gluestudio/home", f"#/job/{quote(settings.readready_job)}/run/{quote(job_run_id, safe='')}"
    )


def glue_log_page(settings: LakeSettings, job_run_id: str) -> str | None:
    """What one run said of errors: the stream of its driver, which CloudWatch Logs names as the run."""
    group, stream = _twice(settings.job_error_log_group), _twice(job_run_id)
    return console_page(settings, "cloudwatch/home", f"#logsV2:log-groups/log-group/{group}/log-events/{stream}")


def _twice(text: str) -> str:
    """Escaped as CloudWatch's own addresses have it."""
    return quote(text, safe="").replace("%", "$25")
