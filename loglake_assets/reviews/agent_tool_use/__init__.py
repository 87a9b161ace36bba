"""What agents did: every tool that a model asked for, who was behind it, and what happened while it ran."""

from loglake_assets.reviews.review_model import DetailTable, Review
from loglake_assets.sources.model import Column, ReadreadyTable

EVENTS = DetailTable(
    name="agent_tool_events",
    description="One row an API call of the same identity while an agent's tool ran, the first 100 of each tool call.",
    table=ReadreadyTable(
        name="agent_tool_events_review",
        grain=("tool_key", "event_number"),
        sort_by=("tool_key", "event_number"),
        columns=(
            Column("tool_key", "string", "of the tool call in agent_tool_use"),
            Column("event_number", "int", "place among the calls made while the tool ran, from 1 in the order of time"),
            Column("tool_name", "string", "name of the tool that ran"),
            Column("asked", "timestamp", "UTC, of the call of the model in which the tool was asked for"),
            Column("useridentity_arn", "string", "whose credentials called the model, and made the API call"),
            Column("eventid", "string", "CloudTrail event of the API call"),
            Column("eventtime", "timestamp", "UTC, of the API call"),
            Column("eventsource", "string", "service that was called, such as s3.amazonaws.com"),
            Column("eventname", "string", "operation that was called"),
            Column("errorcode", "string", "error of the API call, null where it succeeded"),
        ),
        evidence=(Column("f_run", "string", "Dagster run that wrote the row"),),
    ),
)
REVIEW = Review(
    name="agent_tool_use",
    title="Agent tool use",
    description="One row a tool call: which agent used which tool with which input, as whom, and what came back.",
    leading_source="bedrock",
    joined_sources=("cloudtrail",),
    view="agent_tool_use.sql",
    builder="loglake_assets.reviews.agent_tool_use.tool_use_builder",
    look_back_days=2,
    look_ahead_days=1,
    details=(EVENTS,),
    table=ReadreadyTable(
        name="agent_tool_use_review",
        grain=("tool_key",),
        sort_by=("useridentity_arn", "f_conversation", "asked", "tool_key"),
        columns=(
            Column("tool_key", "string", "account:tool_use_id, or the request and a position where a call has no id"),
            Column("tool_use_id", "string", "id that the model gave the call of the tool"),
            Column("tool_name", "string", "name of the tool that the model asked for"),
            Column("tool_input", "string", "JSON text"),
            Column("tool_input_bytes", "bigint", "bytes of what the tool was called with"),
            Column(
                "asked_in", "string", "output: a model's answer asked for it; history: only messages say that one did"
            ),
            Column("asked", "timestamp", "UTC, of the call in which it was asked for or first told of"),
            Column("requestid", "string", "of that call"),
            Column("operation", "string", "operation of Bedrock, such as Converse"),
            Column("modelid", "string", "model or inference profile that was invoked"),
            Column("f_modelname", "string", "name of the model without Region, account and version"),
            Column("logaccountid", "string", "account that the invocation was delivered for"),
            Column("logregion", "string", "Region that the invocation was delivered for"),
            Column("useridentity_arn", "string", "whose credentials called the model"),
            Column("f_conversation", "string", "equal for calls of one identity that begin with the same message"),
            Column("result_status", "string", "success, error, or null: no result was seen"),
            Column("result_bytes", "bigint", "bytes of what the tool answered"),
            Column(
                "result_time",
                "timestamp",
                "UTC, of the call that brought it back to the model, or of the answer that holds it",
            ),
            Column("result_requestid", "string", "invocation that brought the model the tool's answer"),
            Column(
                "ran_milliseconds",
                "bigint",
                "from the answer that asked to the call that brought the result; 0 in one answer",
            ),
            Column("trail_eventid", "string", "CloudTrail event of the call that asked, by its request id"),
            Column("trail_eventname", "string", "event of CloudTrail of the invocation"),
            Column("trail_useridentity_arn", "string", "ARN of who invoked, as CloudTrail has it"),
            Column("trail_sourceidentity", "string", "the person behind the role"),
            Column("sourceipaddress", "string", "address that the invocation came from"),
            Column("useragent", "string", "program that invoked, as it names itself"),
            Column(
                "events_while_running",
                "string",
                "JSON text: the first 100 API calls of the same caller while the tool ran, as agent_tool_events",
            ),
            Column(
                "event_count_while_running",
                "int",
                "API calls of the same caller between the call of the tool and its answer",
            ),
            Column("flags", "string", "what a reviewer should know of the row, comma-separated"),
            Column("inputs", "string", "JSON text: each table and day read, its commit and its coverage"),
        ),
        evidence=(
            Column("raw_bucket", "string", "of the invocation that asked, or first told of it"),
            Column("raw_key", "string", "key of the object of the invocation"),
            Column("raw_versionid", "string", "version of that object"),
            Column("raw_ordinal", "int", "position of the record in its object, from 0"),
            Column("raw_objectsha256", "string", "of that object's bytes as stored"),
            Column("f_run", "string", "Dagster run that wrote the row"),
        ),
    ),
)
