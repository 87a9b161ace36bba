"""Which committed days a build would bring something: they were built from other input, rules or code than there is."""

from collections.abc import Collection
from datetime import date

from loglake_assets.lake.reconciliation import Reconciler


def stale_days(reconciler: Reconciler, days: Collection[date]) -> list[date]:
    """The built days of `days` that are stale, in order. Lists prefixes, reads manifests, opens no object."""
    return [found.day for found in reconciler.days(days, date.max) if found.is_stale]
