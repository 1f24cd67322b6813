"""What the tests over real driver stacks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from firmware_sim.reader.pcscd_switch import PcscdSwitch


@pytest.fixture(scope="session")
def pcscd_switch() -> Iterator[PcscdSwitch]:
    """Points this process, which can look for pcscd in one place only, at each test's own."""
    switch = PcscdSwitch()
    yield switch
    switch.close()
