"""What bytes are that are no text, by what they begin with: another compression, or another encoding."""

MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"\x82SNAPPY\x00", "snappy"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\xff\xfe", "utf16"),
    (b"\xfe\xff", "utf16"),
    (b"\x00\x00\xfe\xff", "utf16"),
    (b"{\x00", "utf16"),
    (b"[\x00", "utf16"),
    (b"\x00{", "utf16"),
    (b"\x00[", "utf16"),
)


def unreadable_reason(content: bytes) -> str | None:
    """The reason why bytes are no UTF-8 text, by what they begin with. No JSON and no text begins so; gzip is read."""
    return next((reason for magic, reason in MAGIC if content.startswith(magic)), None)
