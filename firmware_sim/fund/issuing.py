"""What the fund signs for a wallet entry: its files, its QR credential, its pseudonyms."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from card_formats.data_objects import (
    COVER,
    FILE_SIGNATURE,
    IDENTITY,
    RIGHTS,
    Cover,
    FileDigest,
    FileSignature,
    Identity,
    Rights,
    file_signature_input,
)
from card_formats.grant import GRANT, DelegationGrant
from card_formats.opposition_list import Status
from card_formats.organisation import Organisation
from card_formats.profile_ecv_sim_1 import EntryKind, Fid, KeyPurpose
from card_formats.qr_token import (
    MAX_FIRST_NAMES_BYTES,
    MAX_SURNAME_BYTES,
    QR_CREDENTIAL,
    QrCredential,
    QrDelegation,
    credential_input,
    cut_name,
)
from firmware_sim.fund import pki
from firmware_sim.fund.authority import FundKeys, SigningKey
from firmware_sim.fund.cards import CardRecord, Cards
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.fund.people import Person
from firmware_sim.fund.records import FundAnchors, IssuedEntry
from firmware_sim.fund.store import FundStore
from firmware_sim.seam import Clock, RandomBytes

_SIGNED_FILES = (Fid.IDENTITY, Fid.RIGHTS, Fid.COVER)
_SIGNATURE_YEARS = 10


@dataclasses.dataclass(frozen=True)
class GrantRecord:
    """A countersigned grant and whether it was revoked."""

    grant: DelegationGrant
    revoked: bool


class Issuing:
    """Makes entries and certificates."""

    def __init__(
        self,
        store: FundStore,
        keys: FundKeys,
        cards: Cards,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._store = store
        self._keys = keys
        self._cards = cards
        self._clock = clock
        self._random_bytes = random_bytes

    # --- certificates ---

    def signing_chain(self, card: CardRecord, point: bytes) -> tuple[bytes, ...]:
        """Issuing CA and card-signature certificate. The certificate outlives the card: when
        the card ends is in its signed data, and nothing else says so."""
        start = datetime.datetime.combine(card.valid_from, datetime.time(), datetime.UTC)
        end = start + datetime.timedelta(days=_SIGNATURE_YEARS * 365)
        certificate = self._keys.issuing.leaf(
            pki.common_name(f"ecv-sim TEST card {card.serial.hex().upper()}"),
            _public_key(point),
            pki.Bounds(start, end),
            KeyPurpose.CARD_SIGNATURE,
            [pki.serial_extension(card.serial)],
        )
        return self._keys.issuing.der, pki.der(certificate)

    def agreement_certificates(
        self, card: CardRecord, points: Sequence[bytes]
    ) -> tuple[bytes, ...]:
        """Pseudonymous certificates, one for each point."""
        bounds = pki.week_bounds(self._clock())
        return tuple(
            self.agreement_certificate(card, _public_key(point), bounds) for point in points
        )

    def agreement_certificate(
        self, card: CardRecord, public: ec.EllipticCurvePublicKey, bounds: pki.Bounds
    ) -> bytes:
        """One of them. Nothing of ``card`` goes into it."""
        return self._keys.issuing.pseudonymous(public, bounds)

    def anchors(self) -> FundAnchors:
        """What every phone knows of the fund."""
        keys = self._keys
        return FundAnchors(
            keys.issuing.der, keys.terminal_ca.der, keys.data.id, keys.current_group_key()
        )

    # --- entries ---

    def entry(
        self, card: CardRecord, phone: CardRecord, new_pseudonyms: int, held: GrantRecord | None
    ) -> IssuedEntry:
        """The entry for ``card`` in the wallet of ``phone``, under a grant if it is another's."""
        grant = held.grant if held else None
        valid_until = card.valid_until
        if grant is not None:
            valid_until = min(valid_until, _last_day(grant))
        return IssuedEntry(
            kind=card.kind if grant is None else EntryKind.DELEGATED,
            serial=card.serial,
            valid_until=valid_until,
            status_index=card.status_index,
            files=self.files(card),
            credential=QR_CREDENTIAL.build(self.credential(card, phone, grant)),
            pseudonyms=self.pseudonyms(phone, card, grant, new_pseudonyms),
            grant=GRANT.build(grant) if grant else None,
            revoked=held is not None and (held.revoked or self._is_reported(card)),
        )

    def files(self, card: CardRecord) -> dict[int, bytes]:
        """Identity, rights, cover and the signature over them."""
        person = self._cards.person(card.person)
        today = self._cards.today()
        files: dict[int, bytes] = {
            Fid.IDENTITY: IDENTITY.build(self.identity(card, person)),
            Fid.RIGHTS: RIGHTS.build(Rights(today, person.rights)),
            Fid.COVER: COVER.build(Cover(today, person.mutuals)),
        }
        digests = tuple(
            FileDigest(fid, hashlib.sha256(files[fid]).digest()) for fid in _SIGNED_FILES
        )
        unsigned = FileSignature(
            card.serial, int(self._clock()), digests, self.data_key().id, bytes(64)
        )
        signature = self.data_key().sign(file_signature_input(unsigned))
        files[Fid.SIGNATURE] = FILE_SIGNATURE.build(
            dataclasses.replace(unsigned, signature=signature)
        )
        return files

    def identity(self, card: CardRecord, person: Person) -> Identity:
        """What the identity file says."""
        return Identity(
            person.surname,
            person.first_names,
            person.sex,
            person.quality,
            person.rank,
            self._organisation(card),
            person.ins,
            person.ins_oid,
            card.serial,
            card.valid_from,
            card.valid_until,
        )

    def credential(
        self, card: CardRecord, phone: CardRecord, grant: DelegationGrant | None
    ) -> QrCredential:
        """The credential for QR tokens of ``phone`` about ``card``, signed."""
        person = self._cards.person(card.person)
        unsigned = QrCredential(
            marker=phone.marker,
            serial=card.serial,
            status_index=card.status_index,
            valid_until=card.valid_until,
            ins=person.ins,
            organisation=self._organisation(card),
            sex=person.sex,
            quality=person.quality,
            rank=person.rank,
            surname=cut_name(person.surname, MAX_SURNAME_BYTES),
            first_names=cut_name(person.first_names, MAX_FIRST_NAMES_BYTES),
            delegation=_qr_delegation(grant) if grant else None,
            extension=b"",
            phone_key=pki.compressed(self._cards.signing_point(phone.serial)),
            fund_signature=bytes(64),
        )
        key = self.data_key()
        signature = key.sign(credential_input(key.id, unsigned))
        return dataclasses.replace(unsigned, fund_signature=signature)

    def pseudonyms(
        self, phone: CardRecord, card: CardRecord, grant: DelegationGrant | None, count: int
    ) -> tuple[bytes, ...]:
        """New one-time pseudonyms for an entry."""
        made = tuple(self.new_pseudonym() for _ in range(count))
        grant_id = grant.grant_id if grant else b""
        self._store.execute_many(
            "INSERT INTO pseudonyms (subject, phone, serial, grant_id) VALUES (?, ?, ?, ?)",
            [(subject, phone.serial, card.serial, grant_id) for subject in made],
        )
        return made

    def new_pseudonym(self) -> bytes:
        """One of them, at random."""
        return self._random_bytes(8)

    def data_key(self) -> SigningKey:
        """The key that signs files and credentials."""
        return self._keys.data

    def _organisation(self, card: CardRecord) -> Organisation:
        """That of the phone's holder: a child's is the parent's whose card it is."""
        return self._cards.person(self._cards.get(card.phone).person).organisation

    def _is_reported(self, card: CardRecord) -> bool:
        return self._cards.status(card) is not Status.VALID


def _public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return pki.public_key(point)
    except ValueError:
        raise FundRefusal("bad_key", "a public key is no point of P-256") from None


def _last_day(grant: DelegationGrant) -> datetime.date:
    return datetime.datetime.fromtimestamp(grant.valid_until - 1, datetime.UTC).date()


def _qr_delegation(grant: DelegationGrant) -> QrDelegation:
    return QrDelegation(
        grant.grant_id,
        grant.delegator,
        grant.valid_from,
        grant.valid_until,
        grant.roles,
        grant.status_index,
    )
