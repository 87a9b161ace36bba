"""AWS on one machine: S3, Glue, Athena, Lambda and SQS behind one loopback port. Knows nothing of logs."""
