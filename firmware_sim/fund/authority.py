"""All keys of the fund: certification authorities, data key, opposition signer, group keys."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from card_formats.profile_ecv_sim_1 import KeyPurpose
from firmware_sim.fund import pki
from firmware_sim.fund.pki import Issuer
from firmware_sim.fund.store import FundStore
from firmware_sim.seam import RandomBytes

_AUTHORITIES = ("root", "issuing", "terminal")


class SigningKey:
    """A certified key of the fund that signs data."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.key = key
        self.point = pki.point_of(key.public_key())
        self.id = pki.key_id(self.point)

    def sign(self, data: bytes) -> bytes:
        """Raw signature, 64 bytes."""
        return pki.sign(self.key, data)


class FundKeys:
    """The fund's keys, read from its file once; group keys, which rotate, each time."""

    def __init__(self, store: FundStore, random_bytes: RandomBytes) -> None:
        self._store = store
        self.root, self.issuing, self.terminal_ca = (
            Issuer(*_load(store, name), random_bytes) for name in _AUTHORITIES
        )
        self.data = SigningKey(*_load(store, "data"))
        self.opposition = SigningKey(*_load(store, "opposition"))
        self._random_bytes = random_bytes

    @staticmethod
    def lay(store: FundStore, random_bytes: RandomBytes, now: float) -> None:
        """Make the keys of a new fund."""
        bounds = _lifetime(now)

        def key() -> ec.EllipticCurvePrivateKey:
            return pki.private_key(pki.new_scalar(random_bytes))

        def top(name: str) -> Issuer:
            return Issuer.self_signed(pki.common_name(name), key(), bounds, random_bytes)

        root = top("ecv-sim TEST fund root")
        issuing = root.authority("ecv-sim TEST fund issuing", key(), bounds)
        terminal = top("ecv-sim TEST terminal CA")
        data, opposition = key(), key()
        kept = {
            "root": (root.certificate, root.key),
            "issuing": (issuing.certificate, issuing.key),
            "terminal": (terminal.certificate, terminal.key),
            "data": (_signer(issuing, "data key", data, bounds, KeyPurpose.FUND_DATA), data),
            "opposition": (
                _signer(root, "opposition signer", opposition, bounds, KeyPurpose.FUND_OPPOSITION),
                opposition,
            ),
        }
        for name, (certificate, private) in kept.items():
            scalar = private.private_numbers().private_value.to_bytes(32, "big")
            store.execute("INSERT INTO keys VALUES (?, ?, ?)", name, scalar, pki.der(certificate))
        add_group_key(store, random_bytes, now)

    def group_keys(self) -> dict[bytes, X25519PrivateKey]:
        """The terminals' group keys by id, oldest first; the last one is current."""
        rows = self._store.execute("SELECT private FROM group_keys ORDER BY number")
        keys = (X25519PrivateKey.from_private_bytes(private) for (private,) in rows)
        return {pki.key_id(key.public_key().public_bytes_raw()): key for key in keys}

    def current_group_key(self) -> bytes:
        """The public key that phones seal credentials to."""
        *_, key = self.group_keys().values()
        return key.public_key().public_bytes_raw()


def add_group_key(store: FundStore, random_bytes: RandomBytes, now: float) -> None:
    """Make a new group key, current from now on."""
    store.execute(
        "INSERT INTO group_keys (private, made_at) VALUES (?, ?)", random_bytes(32), int(now)
    )


def _load(store: FundStore, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    ((scalar, certificate),) = store.execute(
        "SELECT scalar, certificate FROM keys WHERE name = ?", name
    )
    return x509.load_der_x509_certificate(certificate), pki.private_key(scalar)


def _signer(
    issuer: Issuer,
    name: str,
    key: ec.EllipticCurvePrivateKey,
    bounds: pki.Bounds,
    purpose: KeyPurpose,
) -> x509.Certificate:
    subject = pki.common_name(f"ecv-sim TEST fund {name}")
    return issuer.leaf(subject, key.public_key(), bounds, purpose)


def _lifetime(now: float) -> pki.Bounds:
    # From long before, so that cards which have expired by now had certificates in their time.
    year = datetime.datetime.fromtimestamp(now, datetime.UTC).year
    return pki.Bounds(
        datetime.datetime(year - 10, 1, 1, tzinfo=datetime.UTC),
        datetime.datetime(year + 30, 1, 1, tzinfo=datetime.UTC),
    )
