"""The opposition list: places in it, what they say, and the signed list (profile 10)."""

from __future__ import annotations

from card_formats.opposition_list import (
    OPPOSITION_LIST,
    OppositionList,
    SignedOppositionList,
    Status,
    pack_statuses,
    signing_input,
)
from firmware_sim.fund.authority import FundKeys, SigningKey
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.fund.store import FundStore
from firmware_sim.seam import Clock, RandomBytes

SUBJECT = "urn:ecv-sim:opposition"
SIZE = 1 << 16
"""Entries of the list. Its length tells nobody how many cards there are."""


class Opposition:
    """Statuses by place.

    Attributes:
        ttl: seconds after which a terminal should fetch the list anew.
        lifetime: seconds from issue to ``exp``.
    """

    def __init__(
        self, store: FundStore, keys: FundKeys, clock: Clock, random_bytes: RandomBytes
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._random_bytes = random_bytes
        self.ttl = 24 * 3600
        self.lifetime = 7 * 24 * 3600

    def allot(self) -> int:
        """A free place, at random: neighbours in the list have nothing to do with each other."""
        ((used,),) = self._store.execute("SELECT count(*) FROM statuses")
        if used >= SIZE // 2:
            raise FundRefusal("list_full", "the opposition list is full: create a new fund")
        while True:
            index = self.candidate()
            if self._store.one("SELECT 1 FROM statuses WHERE idx = ?", index) is None:
                self._store.execute("INSERT INTO statuses VALUES (?, ?)", index, Status.VALID)
                return index

    def candidate(self) -> int:
        """A place that may be taken."""
        return int.from_bytes(self._random_bytes(4), "big") % SIZE

    def status(self, index: int) -> Status:
        """What the place says."""
        ((status,),) = self._store.execute("SELECT status FROM statuses WHERE idx = ?", index)
        return Status(status)

    def report(self, index: int, status: Status) -> None:
        """Write a place. Opposed is for good."""
        self._store.execute(
            "UPDATE statuses SET status = ? WHERE idx = ? AND status != ?",
            status,
            index,
            Status.OPPOSED,
        )

    def signed_list(self) -> bytes:
        """The list as it is now, a JWT."""
        issued_at = int(self._clock())
        claims = OppositionList(
            key_id=self.signer().id.hex(),
            subject=SUBJECT,
            issued_at=issued_at,
            expires_at=issued_at + self.lifetime,
            ttl=self.ttl,
            statuses=pack_statuses(self.reported(), SIZE),
        )
        to_sign = signing_input(claims)
        return OPPOSITION_LIST.build(
            SignedOppositionList(claims, to_sign, self.signer().sign(to_sign))
        )

    def reported(self) -> dict[int, Status]:
        """All places that say something."""
        rows = self._store.execute(
            "SELECT idx, status FROM statuses WHERE status != ?", Status.VALID
        )
        return {index: Status(status) for index, status in rows}

    def signer(self) -> SigningKey:
        """The key that signs the list."""
        return self._keys.opposition
