"""Agent tool use as a component: what a person may set about it."""

from pydantic import Field

from loglake_assets.orchestration.components.review import ReviewComponent


class AgentToolUseComponent(ReviewComponent):
    """Every tool call of a day, with its result and its API event."""

    error_below_pct: float = Field(0.0, description="trail coverage below it is an error, else a warning")
    fetch_bodies: bool = Field(False, description="also read large bodies that lie in objects of their own")
    followed_buckets: list[str] = Field(
        default_factory=list,
        description="buckets beside the log's own in which large bodies are looked for; a path is what a log says",
    )
