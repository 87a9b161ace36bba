"""Session activity as a component: what a person may set about it."""

from pydantic import Field

from loglake_assets.orchestration.components.review import ReviewComponent


class SessionActivityComponent(ReviewComponent):
    """Every session of a day, with its state, its packet and its checks."""

    error_below_pct: float = Field(90.0, description="keystroke coverage below it is an error, else a warning")
    idle_minutes: int = Field(60, description="the longest that Session Manager lets a session idle")
    delivery_delay_minutes: int = Field(120, description="how long keystrokes may take into a raw object")
    not_loggable_documents: list[str] = Field(
        ["AWS-StartPortForwardingSession*", "AWS-StartSSHSession"],
        description="documents, * for anything, whose sessions are never logged; one of an account by its whole ARN",
    )
    mask_secrets: bool = Field(True, description="mask what looks like a password, key or token in packets")
    central_accounts: list[str | int] = Field(  # Dagster makes a number of the text "111122223333"
        [],
        description="accounts into which CloudWatch Logs copies log groups, with emitted system fields: there an "
        "event's account is its @aws.account",
    )
