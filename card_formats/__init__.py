"""Every wire format once, as a Construct definition with its clause and its vectors."""
