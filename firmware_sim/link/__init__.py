"""Engines that carry APDUs to an emulated card: contact ICC and contactless PICC."""
