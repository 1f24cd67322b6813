"""Personalises e-cartes and terminals for tests, with a PKI of its own (profile 3)."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import functools
import random

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from card_formats.data_objects import (
    COVER,
    FILE_SIGNATURE,
    IDENTITY,
    RIGHTS,
    AmoPeriod,
    Cover,
    FileDigest,
    FileSignature,
    Identity,
    Mutual,
    Quality,
    Rights,
    Sex,
)
from card_formats.grant import GRANT, DelegationGrant, roles_bitmap
from card_formats.nir import OID_NIR_TEST, nir_key
from card_formats.organisation import Organisation
from card_formats.profile_ecv_sim_1 import (
    OID_CARD_SERIAL,
    OID_KEY_PURPOSE,
    OID_TERMINAL_ROLE,
    EntryKind,
    Fid,
    KeyPurpose,
    Marker,
    Role,
)
from firmware_sim.card.e_carte import ECarte
from firmware_sim.card.state import AgreementKey, CardState, EntryState

NOW = 1795000000.0  # 2026-11-18
TODAY = datetime.datetime.fromtimestamp(NOW, datetime.UTC).date()
CODE = "135790"
UNBLOCKING_CODE = "24681357"
PROFESSIONAL = "10001234567"
OWN, DEPENDANT, DELEGATED = 1, 2, 3
SERIALS = {
    OWN: bytes.fromhex("0102030405060708"),
    DEPENDANT: bytes.fromhex("1112131415161718"),
    DELEGATED: bytes.fromhex("2122232425262728"),
}
GRANT_ID = b"\xa1" * 8


@dataclasses.dataclass(frozen=True)
class Authority:
    """A certificate with its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(common: str, serial: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common)]
    if serial is not None:
        attributes.append(x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, serial))
    return x509.Name(attributes)


def integer(value: int) -> bytes:
    return b"\x02\x01" + bytes([value])


def issue(
    issuer: Authority | None,
    subject: x509.Name,
    *,
    ca: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
    extensions: dict[str, bytes] | None = None,
    start: datetime.datetime | None = None,
    end: datetime.datetime | None = None,
    critical: bool = False,
    algorithm: hashes.HashAlgorithm | None = None,
) -> Authority:
    """A certificate by ``issuer``, or self-signed."""
    key = key or new_key()
    now = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start or now - datetime.timedelta(days=100))
        .not_valid_after(end or now + datetime.timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    for oid, value in (extensions or {}).items():
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        builder = builder.add_extension(extension, critical=critical)
    signer = issuer.key if issuer else key
    return Authority(key, builder.sign(signer, algorithm or hashes.SHA256()))


def purpose(value: KeyPurpose) -> dict[str, bytes]:
    return {OID_KEY_PURPOSE: integer(value)}


@dataclasses.dataclass(frozen=True)
class Terminal:
    """A terminal: its key and its certificates below the terminal CA, leaf last."""

    key: ec.EllipticCurvePrivateKey
    certificates: tuple[x509.Certificate, ...]


class Pki:
    """Terminal CA and fund CAs."""

    def __init__(self) -> None:
        self.terminal_ca = issue(None, name("TEST terminal CA"), ca=True)
        self.fund_root = issue(None, name("TEST fund root CA"), ca=True)
        self.fund_issuing = issue(self.fund_root, name("TEST fund issuing CA"), ca=True)

    def terminal(
        self,
        role: Role | int | None = Role.PHARMACIST,
        *,
        professional: str | None = PROFESSIONAL,
        issuers: tuple[Authority, ...] = (),
        **options: object,
    ) -> Terminal:
        """A terminal's kit; ``issuers`` are the intermediates, top first."""
        extensions = purpose(KeyPurpose.TERMINAL_AGREEMENT)
        if role is not None:
            extensions[OID_TERMINAL_ROLE] = integer(role)
        issuer = issuers[-1] if issuers else self.terminal_ca
        options = {"extensions": extensions, **options}
        leaf = issue(issuer, name("TEST terminal", professional), **options)  # type: ignore[arg-type]
        chain = (*(one.certificate for one in issuers), leaf.certificate)
        return Terminal(leaf.key, chain)

    def agreement_key(self) -> AgreementKey:
        leaf = issue(
            self.fund_issuing,
            name("ecv-pseudonym"),
            extensions=purpose(KeyPurpose.CARD_AGREEMENT),
        )
        return AgreementKey(scalar_of(leaf.key), leaf.der)


def scalar_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(32, "big")


@functools.cache
def pki() -> Pki:
    """One PKI for all tests of a run."""
    return Pki()


@functools.cache
def _agreement_keys() -> tuple[AgreementKey, ...]:
    return tuple(pki().agreement_key() for _ in range(6))


@functools.cache
def signing() -> Authority:
    """The phone's card-signature key."""
    extensions = {**purpose(KeyPurpose.CARD_SIGNATURE), OID_CARD_SERIAL: b"\x04\x08" + SERIALS[OWN]}
    return issue(pki().fund_issuing, name("TEST card"), extensions=extensions)


def make_grant(**changes: object) -> bytes:
    """A grant of the delegated entry to the own card, valid now, for two professions."""
    grant = DelegationGrant(
        grant_id=GRANT_ID,
        delegator=SERIALS[DELEGATED],
        delegate=SERIALS[OWN],
        valid_from=int(NOW) - 3600,
        valid_until=int(NOW) + 86_400,
        issued_at=int(NOW) - 7200,
        entries=(SERIALS[DELEGATED],),
        roles=roles_bitmap(Role.PHARMACIST, Role.FUND_AGENT),
        status_index=12,
        delegator_signature=b"\xb2" * 64,
        fund_key_id=b"\xc3" * 8,
        fund_signature=b"\xd4" * 64,
    )
    return GRANT.build(dataclasses.replace(grant, **changes))  # type: ignore[arg-type]


def _files(serial: bytes, first_name: str) -> dict[int, bytes]:
    body = "2550199999001"
    identity = Identity(
        "ÉPREUVE",
        first_name,
        Sex.FEMALE,
        Quality.INSURED,
        1,
        Organisation("01", "999", "0001"),
        body + nir_key(body),
        OID_NIR_TEST,
        serial,
        datetime.date(2026, 1, 1),
        datetime.date(2028, 12, 31),
    )
    period = AmoPeriod(datetime.date(2026, 1, 1), datetime.date(2027, 12, 31), "00100")
    mutual = Mutual(
        "99999999", "Mutuelle TEST", "T-1", datetime.date(2026, 1, 1), datetime.date(2026, 12, 31)
    )
    digests = (FileDigest(Fid.IDENTITY, b"\x11" * 32),)
    return {
        Fid.IDENTITY: IDENTITY.build(identity),
        Fid.RIGHTS: RIGHTS.build(Rights(TODAY, (period,))),
        Fid.COVER: COVER.build(Cover(TODAY, (mutual,))),
        Fid.SIGNATURE: FILE_SIGNATURE.build(
            FileSignature(serial, int(NOW), digests, b"\x33" * 8, b"\x44" * 64)
        ),
    }


def make_state() -> CardState:
    """A test card with its holder's own, a dependant's and a delegated entry."""
    entries = {}
    for index, kind, first in (
        (OWN, EntryKind.OWN, "Zoé"),
        (DEPENDANT, EntryKind.DEPENDANT, "Léo"),
        (DELEGATED, EntryKind.DELEGATED, "Ana"),
    ):
        serial = SERIALS[index]
        files = _files(serial, first)
        entries[index] = EntryState(
            index, kind, serial, datetime.date(2028, 12, 31), 7 + index, files
        )
    entries[DELEGATED].grant = make_grant()
    return CardState(
        marker=Marker.TEST,
        serial=SERIALS[OWN],
        valid_until=datetime.date(2028, 12, 31),
        code=CODE,
        tries_left=3,
        unblocking_code=UNBLOCKING_CODE,
        unblocks_left=10,
        signing_scalar=scalar_of(signing().key),
        signing_chain=(pki().fund_issuing.der, signing().der),
        issuing_ca=pki().fund_issuing.der,
        terminal_ca=pki().terminal_ca.der,
        agreement_keys=[dataclasses.replace(key) for key in _agreement_keys()],
        entries=entries,
    )


@dataclasses.dataclass
class Person:
    """A holder that a test tells what to do."""

    screen_locked: bool = False
    code_on_phone: bool = False
    typed: bool = False
    asked: int = 0

    def take_typed_code(self) -> bool:
        typed, self.typed = self.typed, False
        return typed

    def ask_for_code(self) -> None:
        self.asked += 1


class Bench:
    """A card with everything around it in reach.

    ``commits`` counts the writes, ``disk`` is what they left; ``fail_at`` names the write at
    which the power fails, before anything is written.
    """

    def __init__(self, state: CardState | None = None) -> None:
        self.state = state or make_state()
        self.person = Person()
        self.now = NOW
        self.disk = copy.deepcopy(self.state)
        self.commits = 0
        self.fail_at: int | None = None
        source = random.Random(1)
        self.card = ECarte(
            self.state, self._commit, self.person, lambda: self.now, source.randbytes
        )
        self.card.power_on()

    def _commit(self) -> None:
        self.commits += 1
        if self.commits == self.fail_at:
            raise OSError("power cut by the test")
        self.disk = copy.deepcopy(self.state)

    def restarted(self) -> Bench:
        """The card as it is after the phone died: what is on disk, and power."""
        return Bench(copy.deepcopy(self.disk))
