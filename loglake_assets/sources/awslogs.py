"""Where AWS services put logs: below `AWSLogs/<account>/`, whatever prefix stands before. Standard library only."""

AWSLOGS = r"(?:(?!AWSLogs/(?:o-[a-z0-9]+/)?[0-9]{12}/)[^/]+/)*AWSLogs"
"""A pattern of all up to `AWSLogs`. None of the folders before it is one that already holds an account: so whoever
walks a bucket knows from such a folder on what must follow, and passes by what does not.
"""
