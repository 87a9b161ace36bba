"""What the lake shares with AddAPart's two Lambdas: which partition a key becomes, and the queue's messages."""
