"""The two Lambdas that add a partition when its first object lands: producer and consumer."""
