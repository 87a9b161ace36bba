"""Addresses in S3, taken apart."""


def bucket_and_prefix(location: str) -> tuple[str, str]:
    """Bucket and key prefix (ending in /) of an s3:// location. A key may hold # and ?, so this is no URL."""
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    return bucket, f"{prefix.rstrip('/')}/"
