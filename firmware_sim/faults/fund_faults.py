"""Faults of the fund: keys, files, grants, opposition list, QR resolution (profile 3, 6-10)."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import KeyPurpose
from firmware_sim.faults.catalogue import fault
from firmware_sim.faults.patching import around, nothing
from firmware_sim.fund import pki
from firmware_sim.fund.authority import SigningKey
from firmware_sim.fund.service import Fund


def _other_key(fund: Fund, genuine: SigningKey) -> SigningKey:
    """Another key under the name, certificate and key id of the genuine one."""
    key = SigningKey(genuine.certificate, pki.private_key(pki.new_scalar(fund.random_bytes)))
    key.id = genuine.id
    return key


# --- certificates and data ---


@fault(
    "fund-certifies-holder",
    "fund",
    "Profile 3.2: agreement certificates carry the card's serial: taps can be linked.",
)
def _(fund: Fund) -> None:
    def certificate(card: Any, public: Any, bounds: pki.Bounds) -> bytes:
        return pki.der(
            fund.keys.issuing.leaf(
                pki.common_name("ecv-pseudonym"),
                public,
                bounds,
                KeyPurpose.CARD_AGREEMENT,
                [pki.serial_extension(card.serial)],
            )
        )

    fund.issuing.agreement_certificate = certificate  # type: ignore[method-assign]


@fault("fund-certifies-to-the-second", "fund", "Profile 3.2: validity tells when one enrolled.")
def _(fund: Fund) -> None:
    def call(certify: Any, card: Any, public: Any, bounds: pki.Bounds) -> Any:
        offset = int(fund.clock()) % 604800
        start = bounds.start.fromtimestamp(bounds.start.timestamp() + offset, bounds.start.tzinfo)
        return certify(card, public, pki.Bounds(start, bounds.end))

    around(fund.issuing, "agreement_certificate", call)


@fault(
    "fund-certifies-wrong-purpose",
    "fund",
    "Profile 3.2: agreement certificates are certified for signatures.",
)
def _(fund: Fund) -> None:
    def certificate(card: Any, public: Any, bounds: pki.Bounds) -> bytes:
        name = pki.common_name("ecv-pseudonym")
        return pki.der(fund.keys.issuing.leaf(name, public, bounds, KeyPurpose.CARD_SIGNATURE))

    fund.issuing.agreement_certificate = certificate  # type: ignore[method-assign]


@fault(
    "fund-data-signed-by-another-key",
    "fund",
    "Profile 6.5, 9.3: files and credentials are signed by a key other than the one named.",
)
def _(fund: Fund) -> None:
    other = _other_key(fund, fund.keys.data)
    fund.issuing.data_key = lambda: other  # type: ignore[method-assign]


@fault("fund-pseudonyms-in-sequence", "fund", "Profile 9.1: pseudonyms of a phone are linkable.")
def _(fund: Fund) -> None:
    numbers = itertools.count(0xEC000000)
    fund.issuing.new_pseudonym = (  # type: ignore[method-assign]
        lambda: next(numbers).to_bytes(8, "big")
    )


@fault("fund-places-in-sequence", "fund", "Profile 10: places in the list tell a family apart.")
def _(fund: Fund) -> None:
    numbers = itertools.count()
    fund.opposition.candidate = lambda: next(numbers)  # type: ignore[method-assign]


# --- delegation ---


@fault("fund-countersigns-31-days", "fund", "Profile 7.1: a grant may span 31 days.")
def _(fund: Fund) -> None:
    fund.grants.most_days = lambda: 31  # type: ignore[method-assign]


@fault("fund-countersigns-a-year", "fund", "Profile 7.1: the span of a grant is not checked.")
def _(fund: Fund) -> None:
    fund.grants.check_span = nothing  # type: ignore[method-assign]


@fault("fund-countersigns-transitive", "fund", "Profile 7.1: a delegated card is delegated on.")
def _(fund: Fund) -> None:
    fund.grants.check_entries = nothing  # type: ignore[method-assign]


@fault(
    "fund-countersigns-unsigned",
    "fund",
    "Profile 7.1: the delegator's signature is not checked.",
)
def _(fund: Fund) -> None:
    fund.grants.check_signature = nothing  # type: ignore[method-assign]


@fault(
    "fund-countersigns-for-anyone",
    "fund",
    "Profile 7.1: the delegate need not hold an operational e-carte.",
)
def _(fund: Fund) -> None:
    fund.grants.check_delegate = nothing  # type: ignore[method-assign]


@fault("fund-countersigns-opposed", "fund", "Profile 7.1: what is covered may be opposed, expired.")
def _(fund: Fund) -> None:
    fund.grants.check_covered = nothing  # type: ignore[method-assign]


@fault("fund-countersigns-the-past", "fund", "Profile 7.1: a grant may begin before its issue.")
def _(fund: Fund) -> None:
    fund.grants.check_start = nothing  # type: ignore[method-assign]


@fault("fund-keeps-revoked-grants", "fund", "Profile 7.1: taking a grant back changes nothing.")
def _(fund: Fund) -> None:
    fund.grants.revoke = nothing  # type: ignore[method-assign]


# --- opposition ---


@fault("list-signed-by-another-key", "fund", "Profile 10: another key signs the opposition list.")
def _(fund: Fund) -> None:
    other = _other_key(fund, fund.keys.opposition)
    fund.opposition.signer = lambda: other  # type: ignore[method-assign]


@fault(
    "list-signed-by-data-key",
    "fund",
    "Profile 3.2, 10: the data key, certified for something else, signs the opposition list.",
)
def _(fund: Fund) -> None:
    fund.opposition.signer = lambda: fund.keys.data  # type: ignore[method-assign]


@fault("list-never-updated", "fund", "Profile 10: the list is the one of the first day.")
def _(fund: Fund) -> None:
    first = fund.opposition_list()
    fund.opposition.signed_list = lambda: first  # type: ignore[method-assign]


@fault("list-empty", "fund", "Profile 10: the list, freshly signed, names nobody.")
def _(fund: Fund) -> None:
    fund.opposition.reported = dict  # type: ignore[method-assign]


@fault("list-suspended-as-opposed", "fund", "Profile 10: a suspension is listed as for good.")
def _(fund: Fund) -> None:
    def call(reported: Any) -> dict[int, Status]:
        return dict.fromkeys(reported(), Status.OPPOSED)

    around(fund.opposition, "reported", call)


@fault("list-already-over", "fund", "Profile 10: the list is past its exp when it is issued.")
def _(fund: Fund) -> None:
    fund.opposition.lifetime = -1


# --- QR resolution ---


@fault("fund-resolves-twice", "fund", "Profile 9.1: a one-time pseudonym is resolved again.")
def _(fund: Fund) -> None:
    fund.qr.spend = nothing  # type: ignore[method-assign]


@fault("fund-resolves-late", "fund", "Profile 9.5: the fund does not check a token's lifetime.")
def _(fund: Fund) -> None:
    fund.qr.check_time = lambda header: {}  # type: ignore[method-assign]


@fault("fund-resolves-unsigned", "fund", "Profile 9.5: the phone's signature is not checked.")
def _(fund: Fund) -> None:
    fund.qr.check_device = lambda token, case: {}  # type: ignore[method-assign]


@fault("fund-resolves-opposed", "fund", "Profile 9.5: opposed and expired cards are resolved.")
def _(fund: Fund) -> None:
    fund.qr.check_card = lambda case: {}  # type: ignore[method-assign]


@fault(
    "fund-resolves-ended-delegation",
    "fund",
    "Profile 9.5: window, scope and revocation of a grant are not checked.",
)
def _(fund: Fund) -> None:
    fund.qr.check_delegation = lambda case, role: {}  # type: ignore[method-assign]


# --- enrolment ---


@fault("fund-keeps-former-phone", "fund", "Profile 4.3: two phones hold one person's e-carte.")
def _(fund: Fund) -> None:
    fund.enrolments.oppose_former = nothing  # type: ignore[method-assign]


@fault("fund-hides-opposition", "fund", "Profile 4.3: a phone is told that it is operational.")
def _(fund: Fund) -> None:
    def call(life_cycle: Any, own: Any) -> Any:
        return type(life_cycle(own)).OPERATIONAL

    around(fund.enrolments, "life_cycle", call)


@fault("fund-signs-another-serial", "fund", "Profile 6.1: identity and wallet name two serials.")
def _(fund: Fund) -> None:
    def call(identity: Any, card: Any, person: Any) -> Any:
        return dataclasses.replace(identity(card, person), serial=bytes(8))

    around(fund.issuing, "identity", call)
