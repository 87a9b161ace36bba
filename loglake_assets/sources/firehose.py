"""How Amazon Data Firehose writes to S3: its delivery prefixes as key patterns, its objects. Standard library only.

Firehose puts YYYY/MM/dd/HH behind whatever prefix was configured, which may be none, or writes the prefix with
timestamps that it was given. A prefix that holds a year would be taken for a day by whoever lists, and one that is -
for none, so these are not placed; what stands below AWSLogs/ is not Firehose's. Each form has values of `logprefix`
that no other form has, so that two prefixes never mean one partition.
"""

import re
from itertools import pairwise

_FOLDERS = r"(?:(?!20[0-9]{2}/|AWSLogs/)[^/\n]*/)*"
_YEAR, _MONTH = r"(?P<year>20[0-9]{2})", r"(?P<month>0[1-9]|1[0-2])"
_DAY = r"(?P<dayofmonth>0[1-9]|[12][0-9]|3[01])"
_HOUR = r"(?:/(?P<loghour>[0-9]{2}))?"

_BETWEEN_DOCUMENTS = re.compile(rb'\}\s*(?=\{\s*"[^\s,:\]}])')
"""Never inside a JSON string: there a quote is escaped, so `{` is followed by a backslash."""

FIREHOSE_KEYS = (
    # app/2026/11/04/12/
    rf"^(?P<prefix>(?:(?!-/20[0-9]{{2}}/)(?P<logprefix>{_FOLDERS}(?!20[0-9]{{2}}/|AWSLogs/)[^/\n]+(?<!=)"
    rf"(?<![^/\n0-9]20[0-9][0-9]))/)?{_YEAR}/{_MONTH}/{_DAY}{_HOUR})/[^/]+$",
    # app/year=2026/month=11/day=04/hour=12/
    rf"^(?P<prefix>(?P<logprefix>{_FOLDERS}year=){_YEAR}/month={_MONTH}/day={_DAY}(?:/hour=(?P<loghour>[0-9]{{2}}))?)"
    r"/[^/]+$",
    # app/dt=2026-11-04/ and app/2026-11-04/12/, but not at the root, where it could not be told from 2026/11/04
    rf"^(?P<prefix>(?P<logprefix>{_FOLDERS}(?:(?!year=)[A-Za-z_]+=|(?<=/))){_YEAR}-{_MONTH}-{_DAY}"
    r"(?:/(?P<loghour>(?:[a-z]+=)?[0-9]{2}))?)/[^/]+$",
    # app2026/11/04/12/: a prefix without a slash at its end
    rf"^(?P<prefix>(?P<logprefix>{_FOLDERS}[^/\n]*[^/\n0-9]{_YEAR})/{_MONTH}/{_DAY}{_HOUR})/[^/]+$",
)


def documents(content: bytes) -> list[bytes]:
    """The JSON documents of an object, which Firehose puts one behind another without a delimiter."""
    cuts = [0, *(match.start() + 1 for match in _BETWEEN_DOCUMENTS.finditer(content)), len(content)]
    return [content[start:end] for start, end in pairwise(cuts)]
