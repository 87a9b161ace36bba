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
        sort_by=("eventname", "useridentity_arn", "raw_key", "raw_ordinal"),
        columns=(
            Column(
                "f_eventkey",
                "string",
                "sha256 and the digest of a record without an eventid; else null",
                sql="nullif(eventkey, eventid)",
            ),
            Column("eventid", "string", "id that CloudTrail gave the event; copies of one event share it"),
            Column("eventtime", "timestamp", "UTC"),
            Column("eventsource", "string", "service that was asked, such as s3.amazonaws.com"),
            Column("eventname", "string", "API call, such as PutObject, or name of a service event"),
            Column("eventversion", "string", "version of the record format"),
            Column("eventtype", "string", "AwsApiCall, AwsServiceEvent, AwsConsoleAction, AwsConsoleSignIn and others"),
            Column("eventcategory", "string", "Management, Data, Insight or NetworkActivity"),
            Column("apiversion", "string", "version of the API that was called, of services that say it"),
            Column("managementevent", "boolean", "whether it is a management event"),
            Column("readonly", "boolean", "whether the call only reads"),
            Column("awsregion", "string", "Region that was asked"),
            Column("recipientaccountid", "string", "account that the event was delivered for"),
            Column("logaccountid", "string", "account of the delivery prefix"),
            Column("logregion", "string", "Region of the delivery prefix"),
            Column(
                "useridentity_type",
                "string",
                "kind of caller: Root, IAMUser, AssumedRole, FederatedUser, AWSService, AWSAccount and others",
            ),
            Column("useridentity_principalid", "string", "id of the caller that no renaming changes"),
            Column("useridentity_arn", "string", "ARN of the caller; of a role, with the session's name at its end"),
            Column("useridentity_accountid", "string", "account of the caller"),
            Column("useridentity_accesskeyid", "string", "access key that signed the call"),
            Column("useridentity_username", "string", "name of the IAM user or of the caller"),
            Column("useridentity_invokedby", "string", "service of AWS that called on somebody's behalf"),
            Column("useridentity_identityprovider", "string", "provider of a caller of web identity or SAML"),
            Column("useridentity_credentialid", "string", "id of the credential, of callers with a bearer token"),
            Column("useridentity_sourceidentity", "string", "sessionContext.sourceIdentity: the person behind a role"),
            Column(
                "useridentity_sessioncreationdate",
                "string",
                "when the session's credentials were issued, as the log spells it",
            ),
            Column(
                "useridentity_mfaauthenticated",
                "boolean",
                "whether the session was opened with multi-factor authentication",
                sql="CASE lower(useridentity_mfaauthenticated) WHEN 'true' THEN true WHEN 'false' THEN false END",
            ),
            Column(
                "useridentity_ec2roledelivery",
                "string",
                "version of the instance metadata service that gave the credentials: 1.0 or 2.0",
            ),
            Column("useridentity_assumedroot", "string", "whether root's rights were assumed for a task"),
            Column("useridentity_federatedprovider", "string", "provider by which the session was federated"),
            Column("useridentity_issuertype", "string", "who issued the session's credentials: Root, IAMUser or Role"),
            Column("useridentity_issuerprincipalid", "string", "id of who issued the session's credentials"),
            Column("useridentity_issuerarn", "string", "ARN of the role that was assumed, or of the user"),
            Column("useridentity_issueraccountid", "string", "account of who issued the session's credentials"),
            Column("useridentity_issuerusername", "string", "name of the role that was assumed, or of the user"),
            Column(
                "useridentity_onbehalfof_userid",
                "string",
                "user of IAM Identity Center on whose behalf the call was made",
            ),
            Column("useridentity_onbehalfof_identitystorearn", "string", "identity store of that user"),
            Column(
                "useridentity_inscopeof_sourcearn", "string", "resource of the service in whose scope the call was made"
            ),
            Column("useridentity_inscopeof_sourceaccount", "string", "account of that resource"),
            Column("useridentity_inscopeof_issuertype", "string", "what issued the credentials of that scope"),
            Column(
                "useridentity_inscopeof_credentialsissuedto", "string", "resource that these credentials were issued to"
            ),
            Column("useridentity_invokedbydelegate_accountid", "string", "account that called as a delegate"),
            Column("useridentity", "string", "the whole block as JSON text"),
            Column("sourceipaddress", "string", "address that the call came from, or the service that made it"),
            Column("useragent", "string", "program that made the call, as it names itself"),
            Column("errorcode", "string", "error of the service, such as AccessDenied; null where the call succeeded"),
            Column("errormessage", "string", "what the error says"),
            Column("requestid", "string", "id of the request; one request may have several events"),
            Column("sharedeventid", "string", "links the copies two accounts get of one action"),
            Column("vpcendpointid", "string", "VPC endpoint that the call went through"),
            Column("vpcendpointaccountid", "string", "account of that endpoint"),
            Column("sessioncredentialfromconsole", "string", "whether the credentials are of a session of the console"),
            Column("f_sessionid", "string", "Session Manager session, what follows the last - of the session id"),
            Column("addendum_reason", "string", "why an event was delivered once more"),
            Column("addendum_originaleventid", "string", "id of the event that this one adds to"),
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
    deliverer="loglake_assets.sources.cloudtrail.trails",
    excludable=(
        "eventname",
        "eventsource",
        "eventcategory",
        "awsregion",
        "recipientaccountid",
        "useridentity_sourceidentity",
    ),
)
