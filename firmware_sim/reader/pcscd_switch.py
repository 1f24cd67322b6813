"""Several private pcscd for one program.

The client library keeps the name of pcscd's socket from its first use on. Here that name is a
link, which can be pointed elsewhere: contexts opened before stay where they are, later ones go
to the new place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from firmware_sim.reader.private_pcscd import SOCKET_VARIABLE, PrivatePcscd


class PcscdSwitch:
    """Where the clients of this program look for pcscd.

    Make one before anything of PC/SC is used in the process; it sets the environment.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vb-"))
        self._link = self._folder / "pcscd.comm"
        self._before = os.environ.get(SOCKET_VARIABLE)
        os.environ[SOCKET_VARIABLE] = str(self._link)

    def point_to(self, pcscd: PrivatePcscd) -> None:
        """Send contexts opened from now on to ``pcscd``."""
        fresh = self._folder / "fresh"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(pcscd.socket_path)
        fresh.replace(self._link)

    def close(self) -> None:
        """Remove the link and restore the environment. What was opened stays open."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._before is None:
            os.environ.pop(SOCKET_VARIABLE, None)
        else:
            os.environ[SOCKET_VARIABLE] = self._before
