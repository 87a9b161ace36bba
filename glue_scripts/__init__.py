"""The Glue Spark job that turns raw objects into readready days."""
