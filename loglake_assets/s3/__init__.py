"""Reading S3: pages of listings, whole objects, gzip, ORC, JSON records. Knows no log and no table."""
