"""A Dagster logger for people at a terminal: what a run says of itself, one line a message, without ids and events."""

import logging
import sys
from typing import Any

import dagster as dg


class _ProgressFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        return f"  {meta.get('orig_message') or record.getMessage()}"


class _OnlyWhatIsSaid(logging.Filter):
    """Leaves out Dagster's own events and Pipes' protocol notes."""

    def filter(self, record: logging.LogRecord) -> bool:
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        message = str(meta.get("orig_message") or record.getMessage())
        return meta.get("dagster_event") is None and not message.startswith("[pipes]")


def _to_stdout(context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("loglake.progress", logging.INFO)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_ProgressFormatter())
    handler.addFilter(_OnlyWhatIsSaid())
    logger.addHandler(handler)
    return logger


progress_logger = dg.LoggerDefinition(_to_stdout, description="Messages only, for a terminal.")
"""Chosen by run config `loggers: {progress: {}}`."""
