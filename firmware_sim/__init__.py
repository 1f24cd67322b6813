"""What stands in for hardware and its owners: card, phone, insurer, link and reader firmware."""
