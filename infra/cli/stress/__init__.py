"""Load to break: objects at a rate that rises until something gives, and what became of them."""
