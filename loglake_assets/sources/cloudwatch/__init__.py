"""Amazon CloudWatch Logs, as Firehose delivers a subscription to S3: documents of log events, gzip member by member."""

from loglake_assets.sources.firehose import FIREHOSE_KEYS
from loglake_assets.sources.model import Column, IgnoredKey, KeyPattern, LogSource, RawTable, ReadreadyTable


def _of_session(sql: str) -> str:
    """SQL for events of a session only. Its plain text is a message of a session that is not the agent's JSON."""
    return f"CASE WHEN f_sessionid IS NOT NULL THEN {sql} END"


_FLAGS = """nullif(
    concat_ws(
      ',',
      flags,
      CASE WHEN sessionid IS NULL AND startswith(message, '{') AND contains(message, '"sessionData"')
        THEN 'session_unreadable' END,
      CASE WHEN sessionid <> logstream THEN 'session_not_of_stream' END
    ),
    ''
  )"""

SOURCE = LogSource(
    name="cloudwatch",
    title="Amazon CloudWatch Logs",
    description="Any log group; of Session Manager's, what was typed and seen in each session.",
    delivers="objects of a Firehose stream, some minutes of log events of any accounts and log groups",
    key_pattern=KeyPattern(
        FIREHOSE_KEYS[0],
        variants=FIREHOSE_KEYS[1:],
        ignored=(IgnoredKey("other_log", r"(^|/)AWSLogs/"),),
    ),
    raw=RawTable(
        name="from_cloudwatch_raw",
        columns=(Column("line", "string", "one or several documents, back to back"),),
        partition_keys=(
            Column("logprefix", "string", "what stands before the date; - where nothing does"),
            Column("logcalendarday", "int", "UTC day of arrival at Firehose, yyyymmdd"),
            Column("loghour", "string", "UTC hour of arrival; - where the prefix has none"),
        ),
        serde="org.apache.hadoop.hive.serde2.RegexSerDe",
        serde_parameters=(("input.regex", "(.*)"),),
        input_format="org.apache.hadoop.mapred.TextInputFormat",
        output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    readready=ReadreadyTable(
        name="from_cloudwatch_readready",
        grain=("f_eventkey",),
        sort_by=("loggroup", "logstream", "eventtime", "eventid"),
        columns=(
            Column("f_eventkey", "string", "owner:log group:log stream:id, which is unique", sql="eventkey"),
            Column("eventid", "string", "56 digits; within a log stream they order events of the same time"),
            Column("eventtime", "timestamp", "UTC"),
            Column("logaccountid", "string", "account that owns the log group"),
            Column("loggroup", "string", "log group that the event was written to"),
            Column("logstream", "string", "log stream that the event was written to"),
            Column("subscriptionfilters", "string", "JSON text"),
            Column("policylevel", "string", "ACCOUNT_LEVEL_POLICY where a subscription of the account delivered it"),
            Column("eventordinal", "int", "position of the event in its document, from 0"),
            Column("message", "string", "as delivered"),
            Column("extractedfields", "string", "JSON text"),
            Column("sessionid", "string", "Session Manager session, <session name>-<id>", sql="sessionid_of_event"),
            Column("f_sessionid", "string", "Session Manager session, what follows the last - of the session id"),
            Column(
                "session",
                "string",
                "lines of the session as they stood on the terminal, parted by line feeds",
                sql=_of_session("coalesce(session, message)"),
            ),
            Column(
                "session_linecount",
                "int",
                "lines of the session's record, as Session Manager counts or else as they are",
                sql=_of_session("coalesce(session_linecount, array_size(split(message, '\\n')))"),
            ),
            Column(
                "session_isplain",
                "boolean",
                "true: not streamed, but uploaded as text when the session ended",
                sql=_of_session("sessionid IS NULL"),
            ),
            Column(
                "session_target", "string", "instance or container of the session", sql=_of_session("session_target")
            ),
            Column(
                "session_runasuser",
                "string",
                "user of the operating system in the session",
                sql=_of_session("session_runasuser"),
            ),
            Column(
                "session_useridentity_arn",
                "string",
                "ARN of who started the session",
                sql=_of_session("session_useridentity_arn"),
            ),
            Column("session_awsregion", "string", "Region of the session", sql=_of_session("session_awsregion")),
            Column(
                "session_eventtime",
                "string",
                "time of the upload as the agent spells it",
                sql=_of_session("session_eventtime"),
            ),
            Column("otherfields", "string", "JSON text of every key of document and event without a column"),
            Column("f_flags", "string", "what is odd about the row; null where nothing is", sql=_FLAGS),
        ),
    ),
    views=("10_identified_as_view.sql",),
    decoder="loglake_assets.sources.cloudwatch.decode",
    recount="loglake_assets.sources.cloudwatch.recount",
    excludable=("logaccountid", "loggroup", "logstream"),
    several_gzip_members=True,
    look_behind_days=1,  # a Firehose stream may write its prefixes in a time zone of its own
)
