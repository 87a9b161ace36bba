"""Where the parts meet: the definitions of every source and every review, and the resources they get."""

from pathlib import Path

import dagster as dg

from loglake_assets.orchestration.backfill_job import backfill_job
from loglake_assets.orchestration.check_jobs import check_jobs
from loglake_assets.orchestration.component_tree import LakeComponentTree
from loglake_assets.orchestration.components import LogSourceComponent
from loglake_assets.orchestration.lake_housekeeping import upkeep
from loglake_assets.orchestration.lake_resource import lake_resources
from loglake_assets.orchestration.report_asset import report_definitions
from loglake_assets.preview_asset import preview_asset
from resources.progress_log import progress_logger


@dg.definitions
def defs() -> dg.Definitions:
    """All of them. The lake's first day is read from the environment here, and nothing else is."""
    tree = LakeComponentTree.for_project(Path(__file__).parent)
    logs = [component.config() for component in tree.get_all_components(LogSourceComponent)]
    owners = tuple(dict.fromkeys(owner for config in logs for owner in config.owners))
    made = tree.build_defs()
    made = dg.Definitions.merge(made, upkeep(_days_by_asset(made), owners))
    return dg.Definitions.merge(
        made,
        check_jobs(made),
        dg.Definitions(assets=[preview_asset(config) for config in logs], jobs=[backfill_job(made.assets or ())]),
        report_definitions(owners),
        dg.Definitions(
            resources=lake_resources(),
            executor=dg.in_process_executor,
            loggers={"console": dg.colored_console_logger, "progress": progress_logger},
        ),
    )


def _days_by_asset(made: dg.Definitions) -> dict[dg.AssetKey, dg.PartitionsDefinition[str]]:
    """The assets that runs make, with their days; raw tables are made by nobody here."""
    found = (asset for asset in made.assets or () if isinstance(asset, dg.AssetsDefinition))
    return {key: asset.partitions_def for asset in found if asset.partitions_def for key in asset.keys}
