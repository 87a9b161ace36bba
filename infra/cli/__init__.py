"""`loglake`: the commands of a lake, on this machine or on AWS."""
