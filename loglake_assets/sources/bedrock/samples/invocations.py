"""One invocation to be: when, where, by whom and of which model, and what belongs to its record."""

from dataclasses import dataclass

from loglake_assets.sources.bedrock.samples.conversations import Conversation
from loglake_assets.sources.bedrock.samples.world import PREFIXES


@dataclass(slots=True)
class Invocation:
    """The time is in epoch seconds. `turn` is of the conversation, where it belongs to one."""

    time: int
    account: str
    region: str
    arn: str
    request_id: str
    operation: str
    model: str
    kind: str = "chat"
    conversation: Conversation | None = None
    turn: int = 0
    error: str = ""
    stored: tuple[str, ...] = ()
    """Which of input and output lie in objects of their own, as large bodies do."""
    absent: tuple[str, ...] = ()
    """Which of those objects were never delivered."""
    in_readable_trail: bool = False
    """Whether a readable object of CloudTrail's samples holds it."""

    @property
    def account_folder(self) -> str:
        return f"{PREFIXES[self.account]}/{self.account}/BedrockModelInvocationLogs"

    @property
    def region_folder(self) -> str:
        return f"{self.account_folder}/{self.region}"
