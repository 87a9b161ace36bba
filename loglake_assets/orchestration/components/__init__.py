"""Dagster components: what a `defs.yaml` can be an instance of."""
