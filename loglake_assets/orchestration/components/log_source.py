"""A log source as a component: a few lines of `defs.yaml` beside the source's declaration become its definitions."""

from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components import (
    Component,
    ComponentLoadContext,
    Model,
    Resolvable,
    Scaffolder,
    ScaffoldRequest,
    scaffold_with,
)
from pydantic import BaseModel, Field

from loglake_assets.orchestration.source_config import source_config
from loglake_assets.orchestration.source_definitions import build_source
from loglake_assets.sources import COMPRESSIONS, DEFAULT_COMPRESSION
from resources.settings import first_day


class LogSourceScaffolder(Scaffolder[BaseModel]):
    """Writes the skeleton of a source's folder: defs.yaml, declaration, decoder, recount and one view."""

    def scaffold(self, request: ScaffoldRequest[BaseModel]) -> None:
        from click import UsageError

        from loglake_assets.orchestration.components.skeleton import SourceNameError, skeleton_files

        folder = Path(request.target_path)
        try:
            files = skeleton_files(folder.name)
        except SourceNameError as error:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()  # dg made it before it asked
            raise UsageError(str(error)) from error
        for name, text in files.items():
            path = folder / name
            if not path.exists():
                path.write_text(text, encoding="utf-8")


@scaffold_with(LogSourceScaffolder)
class LogSourceComponent(Component, Model, Resolvable):
    """One log of the lake: its raw and readready tables as assets, with checks, sensor, schedules and healing."""

    source: str = Field(description="name of the source's folder")
    days_per_run: int = Field(7, description="days that one Glue run builds at most, 1 to 31")
    look_ahead_days: int = Field(1, description="delivery days after a day that may still hold its events")
    compression: str = Field(DEFAULT_COMPRESSION, description=f"of the ORC files: {' or '.join(COMPRESSIONS)}")
    coverage_error_below_pct: float = Field(90.0, description="below it the coverage check is an error, else a warning")
    schedule_hour: int = Field(2, description="UTC hour in which the day just closed is built")
    heal_days: int = Field(35, description="how far back missing and changed days are rebuilt by themselves")
    object_lock_mode: str = Field("none", description="lock that raw objects must have: none, GOVERNANCE or COMPLIANCE")
    object_lock_days: int = Field(0, description="days for which raw objects must be locked; 0 with none")
    commit_lock_mode: str = Field("none", description="lock that commit records of its days must have, likewise")
    commit_lock_days: int = Field(0, description="days for which commit records must be locked; 0 with none")

    recount_cron: str = Field(
        "0 5 * * 0", description="when the closed days of heal_days are counted again in full, UTC"
    )
    expect_every_day: bool = Field(
        True, description="whether a closed day without any delivery is a warning; false for a log that has quiet days"
    )

    def build_defs(self, context: ComponentLoadContext) -> dg.Definitions:
        settings: dict[str, Any] = self.model_dump()
        return build_source(source_config(settings.pop("source"), start_day=first_day(), **settings))
