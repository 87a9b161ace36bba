"""A log source as a component: a few lines of `defs.yaml` beside the source's declaration become its definitions."""

from pathlib import Path

import dagster as dg
from dagster.components import Component, ComponentLoadContext, Scaffolder, ScaffoldRequest, scaffold_with
from pydantic import BaseModel

from loglake_assets.orchestration.source_config import SourceConfig, SourceSettings
from loglake_assets.orchestration.source_definitions import build_source
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
class LogSourceComponent(SourceSettings, Component):
    """One log of the lake: its raw and readready tables as assets, with checks, sensor, schedules and healing."""

    def build_defs(self, context: ComponentLoadContext) -> dg.Definitions:
        return build_source(self.config())

    def config(self) -> SourceConfig:
        """The settings with the lake's first day, which the environment says."""
        return SourceConfig(**dict(self), start_day=first_day())
