"""Amazon Bedrock model invocations, as invocation logging delivers them to S3: one JSON record a line, gzip.

Where they are logged to CloudWatch Logs instead, or too, a subscription brings them by Firehose into the same bucket.
"""

from loglake_assets.sources.awslogs import AWSLOGS
from loglake_assets.sources.firehose import FIREHOSE_KEYS
from loglake_assets.sources.model import Column, IgnoredKey, KeyPattern, LogSource, RawTable, ReadreadyTable

SOURCE = LogSource(
    name="bedrock",
    title="Amazon Bedrock model invocations",
    description="What models were asked and answered, and which tools they asked for.",
    delivers="objects of some minutes of invocations per account and Region; the bedrock-mantle endpoint is not logged",
    key_pattern=KeyPattern(
        pattern=(
            rf"^(?P<prefix>(?P<logprefix>{AWSLOGS}(?:/o-[a-z0-9]+)?)/(?P<logaccountid>\d{{12}})/"
            r"BedrockModelInvocationLogs/(?P<logregion>[a-z0-9-]+)/(?P<year>\d{4})/(?P<month>\d{2})/"
            r"(?P<dayofmonth>\d{2})/(?P<loghour>\d{2}))/[^/]+$"
        ),
        variants=FIREHOSE_KEYS,
        ignored=(
            IgnoredKey("body", r"/BedrockModelInvocationLogs/(?:.+/)?data/"),
            IgnoredKey("permission_check", r"/amazon-bedrock-logs-permission-check$"),
        ),
    ),
    raw=RawTable(
        name="from_bedrock_raw",
        columns=(
            *(
                Column(name, "string")
                for name in (
                    *("schematype", "schemaversion", "timestamp", "accountid", "region", "requestid", "operation"),
                    *("modelid", "errorcode"),
                )
            ),
            Column("identity", "struct<arn:string>"),
            Column("requestmetadata", "string"),
            Column("input", "string"),
            Column("output", "string"),
            Column("inferenceregion", "string"),
        ),
        partition_keys=(
            Column("logprefix", "string", "what stands before the account, or before Firehose's date; - for nothing"),
            Column("logaccountid", "string", "account that delivered; - where Firehose did"),
            Column("logregion", "string", "Region that delivered; - where Firehose did"),
            Column("logcalendarday", "int", "UTC day of delivery, yyyymmdd"),
            Column("loghour", "string", "UTC hour of delivery; - where the prefix has none"),
        ),
        serde="org.apache.hive.hcatalog.data.JsonSerDe",
        input_format="org.apache.hadoop.mapred.TextInputFormat",
        output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    readready=ReadreadyTable(
        name="from_bedrock_readready",
        grain=("f_eventkey",),
        sort_by=("useridentity_arn", "f_conversation", "request_time"),
        columns=(
            Column("f_eventkey", "string", "account:requestid:time as delivered, which is unique", sql="eventkey"),
            Column("requestid", "string", "the requestid of the same call in CloudTrail"),
            Column("request_time", "timestamp", "UTC"),
            Column("operation", "string", "InvokeModel, InvokeModelWithResponseStream, Converse or ConverseStream"),
            Column("modelid", "string", "as delivered; may be an ARN"),
            Column("f_modelname", "string", "what follows the last / of the model id"),
            Column("accountid", "string", "as the record says it"),
            Column(
                "logaccountid",
                "string",
                "account of the delivery prefix; accountid where Firehose delivered",
                sql="coalesce(nullif(logaccountid, '-'), accountid, '-')",
            ),
            Column(
                "logregion",
                "string",
                "Region of the delivery prefix; the record's where Firehose delivered",
                sql="coalesce(nullif(logregion, '-'), region, '-')",
            ),
            Column("inferenceregion", "string", "where a cross-Region inference profile had it processed"),
            Column("useridentity_arn", "string", "ARN of who invoked the model"),
            Column("requestmetadata", "string", "JSON text"),
            Column("errorcode", "string", "error of the invocation; null where it succeeded"),
            Column("stopreason", "string", "why the model stopped, such as end_turn or tool_use"),
            Column(
                "f_conversation",
                "string",
                "equal for calls of one identity that begin with the same message",
                sql="conversation",
            ),
            Column("input_messages", "string", "JSON text, byte for byte as delivered; of a response, its input"),
            Column("input_system", "string", "JSON text"),
            Column("input_toolnames", "string", "tools that the model was offered, comma-separated"),
            Column("input_inputtokencount", "bigint", "tokens of the input"),
            Column("input_cachereadtokencount", "bigint", "tokens of the input that were read from the cache"),
            Column("input_cachewritetokencount", "bigint", "tokens of the input that were written to the cache"),
            Column("input_contenttype", "string", "media type of the input"),
            Column("input_bodyjson", "string", "JSON text of the whole body, byte for byte as delivered"),
            Column("input_bodys3path", "string", "where a large body lies instead"),
            Column(
                "output_outputbodyjson_content",
                "string",
                "JSON text: content of the answer, a stream put together",
                sql="output_content",
            ),
            Column("output_outputtokencount", "bigint", "tokens of the output"),
            Column("output_contenttype", "string", "media type of the output"),
            Column("output_bodyjson", "string", "JSON text of the whole body, byte for byte as delivered"),
            Column("output_bodys3path", "string", "where a large body lies instead"),
            Column("tool_calls", "string", "JSON text: tools that the answer asks for, as id, name and input"),
            Column("tool_call_count", "int", "calls of tools that the model asked for"),
            Column("tool_history", "string", "JSON text: tools that earlier answers asked for, from the messages"),
            Column("tool_results", "string", "JSON text: results in messages and answer, as id, status and bytes"),
            Column("otherfields", "string", "JSON text of every key without a column, and of values that fit none"),
            Column(
                "f_flags",
                "string",
                "what is odd about the row; null where nothing is",
                sql="nullif(concat_ws(',', flags, body_flag), '')",
            ),
        ),
    ),
    views=("10_identified_as_view.sql",),
    decoder="loglake_assets.sources.bedrock.decode",
    recount="loglake_assets.sources.bedrock.recount",
    look_behind_days=1,  # a Firehose stream may write its prefixes in a time zone of its own
    several_gzip_members=True,
    excludable=("modelid", "operation", "accountid", "errorcode"),
)
