"""The Lambda functions: AddAPart producer and consumer."""
