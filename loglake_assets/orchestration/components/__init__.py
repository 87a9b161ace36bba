"""Dagster components: what a `defs.yaml` can be an instance of, as the Components page of the UI lists them."""

from loglake_assets.orchestration.components.agent_tool_use import AgentToolUseComponent
from loglake_assets.orchestration.components.log_source import LogSourceComponent
from loglake_assets.orchestration.components.review import ReviewComponent
from loglake_assets.orchestration.components.session_activity import SessionActivityComponent

__all__ = ["AgentToolUseComponent", "LogSourceComponent", "ReviewComponent", "SessionActivityComponent"]
