"""Who delivers logs to the lake, and what they report of their own deliveries."""

from collections.abc import Iterator

from infra.aws.findings import Deployment, Finding, look_at
from loglake_assets.sources import LogSource
from loglake_assets.sources.modules import Deliverer, load_deliverer

_SUBJECT = "deliverers"


def examine_deliverers(lake: Deployment) -> Iterator[Finding]:
    """What each deliverer in the lake's account says, of every log whose declaration knows how to ask them."""
    for source in lake.sources:
        if deliverer := load_deliverer(source):
            yield from look_at(lake, _SUBJECT, f"who delivers {source.name}", _of_log(lake, source, deliverer))


def _of_log(lake: Deployment, source: LogSource, deliverer: Deliverer) -> Iterator[Finding]:
    bucket = lake.settings.raw_bucket(source.name)
    found = deliverer.deliverers(lake.clients, bucket)
    if not found:
        sentence = f"nothing of this account delivers {source.name} to {bucket}; another account's is looked at there"
        yield Finding(True, _SUBJECT, sentence)
    for one in found:
        yield from look_at(lake, _SUBJECT, deliverer.title(one), _of_one(lake, deliverer, one))


def _of_one(lake: Deployment, deliverer: Deliverer, one: object) -> Iterator[Finding]:
    for said in deliverer.deliveries(lake.clients, one):
        yield Finding(said.is_well, _SUBJECT, said.sentence, said.remedy)
