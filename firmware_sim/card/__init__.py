"""The card: its operating system and its applications."""
