"""The pools that keep runs apart, and their limits, which an instance must know before the first run asks for them."""

import dagster as dg

GLUE_POOL, PREVIEW_POOL = "glue", "preview"


def initialize_pools(instance: dg.DagsterInstance) -> None:
    """Write the default limit of each pool that the instance does not know yet.

    Dagster writes it when a run first asks for the pool, and only after it has looked which pools have a limit: on a
    new instance two windows of one backfill would run at once.
    """
    storage = instance.event_log_storage
    for name in {GLUE_POOL, PREVIEW_POOL} - {pool.name for pool in storage.get_pool_limits()}:
        storage.initialize_concurrency_limit_to_default(name)


def main() -> None:
    """Make the instance that the environment names ready for its first run; once more does nothing."""
    with dg.DagsterInstance.get() as instance:
        initialize_pools(instance)


if __name__ == "__main__":
    main()
