"""Addresses in S3, taken apart."""


def bucket_and_key(address: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address, the key empty where it names none. A key may hold # and ?: it is no URL."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def bucket_and_prefix(location: str) -> tuple[str, str]:
    """Bucket and key prefix (ending in /) of an s3:// location."""
    bucket, prefix = bucket_and_key(location)
    return bucket, f"{prefix.rstrip('/')}/"
