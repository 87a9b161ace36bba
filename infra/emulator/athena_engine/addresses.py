"""IP addresses as Trino compares them: 16 bytes, an IPv4 address as the IPv6 address that stands for it."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

_MAPPED = b"\0" * 10 + b"\xff\xff"


def address_bytes(text: str) -> bytes | None:
    """An address, in bytes that are in the order of addresses; None where the text is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return _MAPPED + address.packed if isinstance(address, IPv4Address) else address.packed


def is_in_network(network: str, address: bytes) -> bool:
    """`contains('10.0.0.0/8', address)`. Raises ValueError where the text is no network."""
    try:
        known = ip_network(network, strict=False)
    except ValueError:
        raise ValueError("an IP network is written 10.0.0.0/8") from None
    if "/" not in network:
        raise ValueError("an IP network is written 10.0.0.0/8")
    if isinstance(known, IPv4Network):
        return address.startswith(_MAPPED) and IPv4Address(address[12:]) in known
    return not address.startswith(_MAPPED) and IPv6Address(address) in known
