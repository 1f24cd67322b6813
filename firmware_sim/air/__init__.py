"""The emulated card over the air, through an NFC dongle, before a reader under test."""

from firmware_sim.air.card import AirCard, AirStats
from firmware_sim.air.dongle import Dongle, DongleLost, DongleUnavailable

__all__ = ["AirCard", "AirStats", "Dongle", "DongleLost", "DongleUnavailable"]
