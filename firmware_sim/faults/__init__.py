"""One catalogue of faults for card, link and reader."""
