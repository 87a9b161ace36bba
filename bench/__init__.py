"""`make bench`: our job beside others on the same files. Nothing of the product imports this."""
