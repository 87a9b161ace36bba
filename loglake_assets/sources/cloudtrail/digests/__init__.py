"""CloudTrail's digests: an hourly file in each account and Region, signed, that names every log file delivered.

`documents` reads one, `places` knows where they lie, `signatures` and `public_keys` say whether CloudTrail wrote it,
`chains` whether one is missing or was changed, `files` whether the named files are as delivered; `validation` puts the
days together, `gaps` words what was found. Standard library only until a signature is verified, which takes
`cryptography`.
"""

from loglake_assets.sources.cloudtrail.digests.digest_of_object import find_vouching_digest
from loglake_assets.sources.cloudtrail.digests.gaps import finding_lines
from loglake_assets.sources.cloudtrail.digests.public_keys import trusted_keys
from loglake_assets.sources.cloudtrail.digests.validation import validate

__all__ = ["find_vouching_digest", "finding_lines", "trusted_keys", "validate"]
