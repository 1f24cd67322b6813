"""The `ecv-sim/1` profile as data: names, numbers and policies (docs/profile.md).

Fictitious: the link of the real application is not public. A vendor with another
specification supplies another :class:`Profile`.
"""

from __future__ import annotations

import dataclasses
import enum


class LifeCycle(enum.IntEnum):
    """State of the card as seen at SELECT (profile 4.3)."""

    OPERATIONAL = 0
    SUSPENDED = 1
    OPPOSED = 2


class Marker(enum.IntEnum):
    """What kind of card it is. No production card exists in this project."""

    TEST = 1
    DEMONSTRATION = 2


class Role(enum.IntEnum):
    """Role of a terminal, in its certificate (profile 3.3)."""

    PHARMACIST = 1
    PHYSICIAN = 2
    HOSPITAL = 3
    AUXILIARY = 4
    FUND_AGENT = 5


class EntryKind(enum.IntEnum):
    """Kind of a wallet entry (profile 5.2)."""

    OWN = 1
    DEPENDANT = 2
    DELEGATED = 3


class RefusalReason(enum.IntEnum):
    """Why the card last refused, in its status object (profile 4.5)."""

    NONE = 0
    EXPIRED = 1
    OPPOSED = 2
    CODE_NEEDED = 3
    CODE_ON_PHONE = 4
    CODE_BLOCKED = 5
    DELEGATION_NOT_YET_VALID = 6
    DELEGATION_EXPIRED = 7
    DELEGATION_REVOKED = 8
    OUT_OF_SCOPE = 9
    KEY_POOL_EMPTY = 10


class CodeState(enum.IntEnum):
    """State of the secret code, in the status object."""

    NEEDED = 0
    VERIFIED = 1
    BLOCKED = 2


@dataclasses.dataclass(frozen=True)
class Profile:
    """Everything a profile fixes by number. Times in seconds unless named otherwise."""

    name: str
    aid: bytes
    label: str
    version: tuple[int, int]
    key_version: int
    kid_ca: int
    kid_scp11a: int
    kid_scp11b: int
    status_tag: int
    certificate_store_tag: int
    code_reference: int
    code_default_digits: int
    code_min_digits: int
    code_max_digits: int
    code_tries: int
    unblock_digits: int
    unblock_uses: int
    phone_code_validity: int
    session_idle: int
    key_pool_size: int
    pseudonym_pool_size: int
    usage_log_entries: int
    max_apdu: int
    grant_max_days: int
    presence_token_max_age: int
    qr_lifetime: int
    clock_skew: int
    fwi: int
    fsci: int


ECV_SIM_1 = Profile(
    name="ecv-sim/1",
    aid=bytes.fromhex("F045434152544501"),
    label="e-carte Vitale",
    version=(1, 0),
    key_version=0x01,
    kid_ca=0x10,
    kid_scp11a=0x11,
    kid_scp11b=0x13,
    status_tag=0xDF20,
    certificate_store_tag=0xBF21,
    code_reference=0x81,
    code_default_digits=6,
    code_min_digits=4,
    code_max_digits=8,
    code_tries=3,
    unblock_digits=8,
    unblock_uses=10,
    phone_code_validity=60,
    session_idle=30,
    key_pool_size=16,
    pseudonym_pool_size=32,
    usage_log_entries=10,
    max_apdu=65535,
    grant_max_days=30,
    presence_token_max_age=20 * 60,
    qr_lifetime=120,
    clock_skew=30,
    fwi=8,
    fsci=8,
)


class Fid(enum.IntEnum):
    """File identifiers (profile 5.1). Entry n has the DF ``ENTRY_BASE + n``."""

    WALLET = 0xEF10
    CERTIFICATES = 0xEF11
    ENTRY_BASE = 0x0100
    IDENTITY = 0xEF01
    RIGHTS = 0xEF02
    COVER = 0xEF03
    USAGE = 0xEF04
    GRANT = 0xEF05
    SIGNATURE = 0xEF06


SFI: dict[Fid, int] = {
    Fid.WALLET: 0x10,
    Fid.CERTIFICATES: 0x11,
    Fid.IDENTITY: 0x01,
    Fid.RIGHTS: 0x02,
    Fid.COVER: 0x03,
    Fid.USAGE: 0x04,
    Fid.GRANT: 0x05,
    Fid.SIGNATURE: 0x06,
}
"""Short EF identifiers, valid in the DF that holds the file."""

MAX_ENTRIES = 19

OID_TERMINAL_ROLE = "2.999.250.1.1"
OID_CARD_SERIAL = "2.999.250.1.2"
OID_KEY_PURPOSE = "2.999.250.1.3"
"""Extensions of our certificates, under ITU-T's example arc 2.999 (profile 3.2)."""


class KeyPurpose(enum.IntEnum):
    """What a certified key may be used for (extension OID_KEY_PURPOSE)."""

    TERMINAL_AGREEMENT = 1
    CARD_AGREEMENT = 2
    CARD_SIGNATURE = 3
    FUND_DATA = 4
    FUND_OPPOSITION = 5
