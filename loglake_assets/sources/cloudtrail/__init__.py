"""AWS CloudTrail, as a trail delivers it to S3: one gzip object is `{"Records": [...]}`."""

from loglake_assets.sources.awslogs import AWSLOGS
from loglake_assets.sources.model import Column, IgnoredKey, KeyPattern, LogSource, RawTable, ReadreadyTable, Shape

SOURCE = LogSource(
    name="cloudtrail",
    title="AWS CloudTrail",
    description="API activity: who called what, from where, with which result.",
    delivers="files of a trail, about every five minutes per account and Region",
    key_pattern=KeyPattern(
        # Network activity events lie in a folder beside the others'. A partition is one folder, so theirs is part of
        # its log prefix; account and Region are said of both alike, and rules hold for both.
        pattern=(
            rf"^(?P<prefix>(?=(?P<logprefix>{AWSLOGS}(?:/o-[a-z0-9]+)?(?:/\d{{12}}/CloudTrail-NetworkActivity)?)/)"
            rf"{AWSLOGS}(?:/o-[a-z0-9]+)?/(?P<logaccountid>\d{{12}})/CloudTrail(?:-NetworkActivity)?/"
            r"(?P<logregion>[a-z0-9-]+)/(?P<year>\d{4})/(?P<month>\d{2})/(?P<dayofmonth>\d{2}))/[^/]+$"
        ),
        ignored=(
            IgnoredKey("digest", r"/CloudTrail-Digest/"),
            IgnoredKey("insight", r"/CloudTrail-Insight/"),
            IgnoredKey("aggregated", r"/CloudTrail-Aggregated/"),
            # Other services deliver into the same bucket; an unknown folder of CloudTrail's own is not passed over.
            IgnoredKey(
                "other_log",
                r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?[0-9]{12}/(?!CloudTrail|[a-z]{2}(?:-[a-z]+)+-[0-9]/)[^/]+/",
            ),
        ),
    ),
    raw=RawTable(
        name="from_cloudtrail_raw",
        columns=(
            Column("eventversion", "string"),
            Column(
                "useridentity",
                "struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,accesskeyid:string,"
                "username:string,onbehalfof:struct<userid:string,identitystorearn:string>,"
                "sessioncontext:struct<attributes:struct<mfaauthenticated:string,creationdate:string>,"
                "sessionissuer:struct<type:string,principalid:string,arn:string,accountid:string,username:string>,"
                "ec2roledelivery:string,sourceidentity:string>>",
            ),
            *(
                Column(name, "string")
                for name in (
                    *("eventtime", "eventsource", "eventname", "awsregion", "sourceipaddress", "useragent"),
                    *("errorcode", "errormessage", "requestparameters", "responseelements", "additionaleventdata"),
                    *("requestid", "eventid", "readonly"),
                )
            ),
            Column("resources", "array<struct<arn:string,accountid:string,type:string>>"),
            *(
                Column(name, "string")
                for name in (
                    *("eventtype", "apiversion", "recipientaccountid", "serviceeventdetails", "sharedeventid"),
                    *("vpcendpointid", "vpcendpointaccountid", "eventcategory", "addendum"),
                )
            ),
        ),
        partition_keys=(
            Column("logprefix", "string", "AWSLogs or AWSLogs/<organization>; of network activity, up to its folder"),
            Column("logaccountid", "string", "account that delivered"),
            Column("logregion", "string", "Region that delivered"),
            Column("logcalendarday", "int", "UTC day of delivery, yyyymmdd"),
        ),
        serde="org.apache.hive.hcatalog.data.JsonSerDe",
        input_format="com.amazon.emr.cloudtrail.CloudTrailInputFormat",
        output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    readready=ReadreadyTable(
        name="from_cloudtrail_readready",
        grain=("f_eventkey", "eventid"),
        unrepeated=("eventid", "requestid"),
        sort_by=("eventname", "useridentity_arn", "raw_key", "raw_ordinal"),
        columns=(
            Column(
                "f_eventkey",
                "string",
                "sha256 and the digest of a record without an eventid; else null",
                sql="nullif(eventkey, eventid)",
            ),
            Column("eventid", "string"),
            Column("eventtime", "timestamp", "UTC"),
            Column("eventsource", "string"),
            Column("eventname", "string"),
            Column("eventversion", "string"),
            Column("eventtype", "string"),
            Column("eventcategory", "string"),
            Column("apiversion", "string"),
            Column("managementevent", "boolean"),
            Column("readonly", "boolean"),
            Column("awsregion", "string"),
            Column("recipientaccountid", "string"),
            Column("logaccountid", "string", "account of the delivery prefix"),
            Column("logregion", "string", "Region of the delivery prefix"),
            Column("useridentity_type", "string"),
            Column("useridentity_principalid", "string"),
            Column("useridentity_arn", "string"),
            Column("useridentity_accountid", "string"),
            Column("useridentity_accesskeyid", "string"),
            Column("useridentity_username", "string"),
            Column("useridentity_invokedby", "string"),
            Column("useridentity_identityprovider", "string"),
            Column("useridentity_credentialid", "string"),
            Column("useridentity_sourceidentity", "string", "sessionContext.sourceIdentity: the person behind a role"),
            Column("useridentity_sessioncreationdate", "string"),
            Column(
                "useridentity_mfaauthenticated",
                "boolean",
                sql="CASE lower(useridentity_mfaauthenticated) WHEN 'true' THEN true WHEN 'false' THEN false END",
            ),
            Column("useridentity_ec2roledelivery", "string"),
            Column("useridentity_assumedroot", "string"),
            Column("useridentity_federatedprovider", "string"),
            Column("useridentity_issuertype", "string"),
            Column("useridentity_issuerprincipalid", "string"),
            Column("useridentity_issuerarn", "string"),
            Column("useridentity_issueraccountid", "string"),
            Column("useridentity_issuerusername", "string"),
            Column("useridentity_onbehalfof_userid", "string"),
            Column("useridentity_onbehalfof_identitystorearn", "string"),
            Column("useridentity_inscopeof_sourcearn", "string"),
            Column("useridentity_inscopeof_sourceaccount", "string"),
            Column("useridentity_inscopeof_issuertype", "string"),
            Column("useridentity_inscopeof_credentialsissuedto", "string"),
            Column("useridentity_invokedbydelegate_accountid", "string"),
            Column("useridentity", "string", "the whole block as JSON text"),
            Column("sourceipaddress", "string"),
            Column("useragent", "string"),
            Column("errorcode", "string"),
            Column("errormessage", "string"),
            Column("requestid", "string"),
            Column("sharedeventid", "string", "links the copies two accounts get of one action"),
            Column("vpcendpointid", "string"),
            Column("vpcendpointaccountid", "string"),
            Column("sessioncredentialfromconsole", "string"),
            Column("f_sessionid", "string", "Session Manager session, what follows the last - of the session id"),
            Column("addendum_reason", "string"),
            Column("addendum_originaleventid", "string"),
            Column("addendum", "string", "JSON text"),
            Column("tlsdetails", "string", "JSON text"),
            Column("requestparameters", "string", "JSON text, byte for byte as delivered"),
            Column("responseelements", "string", "JSON text, byte for byte as delivered"),
            Column("additionaleventdata", "string", "JSON text, byte for byte as delivered"),
            Column("serviceeventdetails", "string", "JSON text"),
            Column("edgedevicedetails", "string", "JSON text"),
            Column("insightdetails", "string", "JSON text"),
            Column("resources", "string", "JSON text, byte for byte as delivered"),
            Column("otherfields", "string", "JSON text of every key without a column, and of values that fit none"),
            Column(
                "f_flags",
                "string",
                "what is odd about the row, such as characters_replaced; null where nothing is",
                sql="flags",
            ),
        ),
    ),
    views=("10_identified_as_view.sql",),
    decoder="loglake_assets.sources.cloudtrail.decode",
    quick_decoder="loglake_assets.sources.cloudtrail.plain",
    recount="loglake_assets.sources.cloudtrail.recount",
    shape=Shape(
        version_column="eventversion",
        versions=("1.0", *(f"1.{minor:02d}" for minor in range(1, 12))),
        blocks=(
            ("useridentity", "{"),
            ("requestparameters", "{"),
            ("responseelements", "{"),
            ("additionaleventdata", "{"),
            ("tlsdetails", "{"),
            ("addendum", "{"),
            ("resources", "["),
        ),
    ),
    digests="loglake_assets.sources.cloudtrail.digests",
    excludable=(
        "eventname",
        "eventsource",
        "eventcategory",
        "awsregion",
        "recipientaccountid",
        "useridentity_sourceidentity",
    ),
)
