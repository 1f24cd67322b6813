"""The phone around the card: wallet, holder's acts, screen."""
