"""What a deliverer of a log says of its own deliveries. Standard library only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Delivery:
    """`is_well`, a sentence of it, and where it is not well a command or step that mends it."""

    is_well: bool
    sentence: str
    remedy: str = ""
