"""A reader as pcscd's configuration describes it (reader.conf(5))."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class ReaderEntry:
    """One entry of reader.conf.

    Attributes:
        name: FRIENDLYNAME; pcscd appends two numbers to it.
        device: DEVICENAME.
        library: LIBPATH, the driver.
        channel: CHANNELID, for drivers that read it.
    """

    name: str
    device: str
    library: Path
    channel: int | None = None

    def __str__(self) -> str:
        lines = [
            f'FRIENDLYNAME "{self.name}"',
            f"DEVICENAME {self.device}",
            f"LIBPATH {self.library}",
        ]
        if self.channel is not None:
            lines.append(f"CHANNELID {self.channel}")
        return "\n".join(lines) + "\n"
