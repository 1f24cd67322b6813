"""Kits for terminals, good ones and bad ones (format ``ecv-terminal-kit/1``)."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, KeyPurpose, Role
from firmware_sim.fund import pki
from firmware_sim.fund.authority import FundKeys
from firmware_sim.seam import Clock, RandomBytes

FORMAT = "ecv-terminal-kit/1"
_UNKNOWN_ROLE = 9
_YEARS = datetime.timedelta(days=3 * 365)
_DAY = datetime.timedelta(days=1)


class KitFlaw(enum.StrEnum):
    """What is wrong with a kit that a card must refuse."""

    SELF_SIGNED = "self_signed"
    FOREIGN_CA = "foreign_ca"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_PURPOSE = "wrong_purpose"
    NO_ROLE = "no_role"
    UNKNOWN_ROLE = "unknown_role"
    BAD_SIGNATURE = "bad_signature"
    BAD_PROFESSIONAL = "bad_professional"
    LEAF_IS_CA = "leaf_is_ca"
    INTERMEDIATE_NOT_CA = "intermediate_not_ca"


@dataclasses.dataclass(frozen=True)
class _Order:
    professional: str
    role: int
    bounds: pki.Bounds
    flaw: KitFlaw | None


class Kits:
    """Makes terminals' keys and certificates."""

    def __init__(self, keys: FundKeys, clock: Clock, random_bytes: RandomBytes) -> None:
        self._keys = keys
        self._clock = clock
        self._random_bytes = random_bytes

    def make(
        self,
        professional: str,
        role: Role,
        valid_from: datetime.datetime | None,
        valid_until: datetime.datetime | None,
        intermediates: int,
        flaw: KitFlaw | None,
    ) -> dict[str, Any]:
        """See :meth:`Fund.terminal_kit`."""
        if len(professional) != 11 or not professional.isascii() or not professional.isdecimal():
            raise ValueError(f"professional {professional!r} is not 11 digits")
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).replace(microsecond=0)
        bounds = pki.Bounds(valid_from or now - _DAY, valid_until or now + _YEARS)
        if flaw is KitFlaw.EXPIRED:
            bounds = pki.Bounds(now - _YEARS, now - _DAY)
        if flaw is KitFlaw.NOT_YET_VALID:
            bounds = pki.Bounds(now + _DAY, now + _YEARS)
        order = _Order(professional, role, bounds, flaw)
        key = self._new_key()
        chain = self._chain(order, key, intermediates)
        return {
            "format": FORMAT,
            "profile": ECV_SIM_1.name,
            "professional": professional,
            "role": int(role),
            "private_key_pem": key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ).decode(),
            "certificates_pem": chain,
            **self.trust(),
        }

    def trust(self) -> dict[str, Any]:
        """The part of a kit that is the same for all: the fund's certificates, group keys."""
        keys = self._keys
        return {
            "fund_root_pem": pki.pem(keys.root.certificate),
            "fund_issuing_pem": [pki.pem(keys.issuing.certificate)],
            "fund_data_keys": {keys.data.id.hex(): pki.pem(keys.data.certificate)},
            "opposition_signer_pem": pki.pem(keys.opposition.certificate),
            "group_keys": {
                identifier.hex(): key.private_bytes_raw().hex()
                for identifier, key in keys.group_keys().items()
            },
        }

    def _new_key(self) -> ec.EllipticCurvePrivateKey:
        return pki.private_key(pki.new_scalar(self._random_bytes))

    def _chain(
        self, order: _Order, key: ec.EllipticCurvePrivateKey, intermediates: int
    ) -> list[str]:
        """Certificates below the terminal CA, in PEM, leaf last."""
        issuer = self._top(order, key)
        chain = []
        for number in range(1, intermediates + 1):
            issuer = self._intermediate(issuer, number, order)
            chain.append(pki.pem(issuer.certificate))
        text = pki.pem(self._leaf(issuer, order, key).certificate)
        return [*chain, text]

    def _top(self, order: _Order, key: ec.EllipticCurvePrivateKey) -> pki.Issuer:
        genuine = self._keys.terminal_ca
        if order.flaw is KitFlaw.SELF_SIGNED:
            # Its own name as issuer, its own key: what a stranger with openssl makes first.
            subject = pki.terminal_name(order.professional)
            return pki.Issuer.self_signed(subject, key, order.bounds, self._random_bytes)
        if order.flaw is KitFlaw.FOREIGN_CA:
            subject = pki.common_name("another TEST terminal CA")
            return pki.Issuer.self_signed(
                subject, self._new_key(), order.bounds, self._random_bytes
            )
        if order.flaw is KitFlaw.BAD_SIGNATURE:
            # The right issuer's name, another's signature.
            return pki.Issuer(genuine.certificate, self._new_key(), self._random_bytes)
        return genuine

    def _intermediate(self, issuer: pki.Issuer, number: int, order: _Order) -> pki.Issuer:
        name, key = f"ecv-sim TEST terminal CA {number}", self._new_key()
        if order.flaw is KitFlaw.INTERMEDIATE_NOT_CA:
            certificate = issuer.leaf(
                pki.common_name(name),
                key.public_key(),
                order.bounds,
                KeyPurpose.TERMINAL_AGREEMENT,
            )
            return pki.Issuer(certificate, key, self._random_bytes)
        return issuer.authority(name, key, order.bounds)

    def _leaf(
        self, issuer: pki.Issuer, order: _Order, key: ec.EllipticCurvePrivateKey
    ) -> pki.Issuer:
        purpose, role = KeyPurpose.TERMINAL_AGREEMENT, order.role
        professional = order.professional
        if order.flaw is KitFlaw.LEAF_IS_CA:
            return issuer.authority(f"TEST terminal of {professional}", key, order.bounds)
        if order.flaw is KitFlaw.WRONG_PURPOSE:
            purpose = KeyPurpose.CARD_AGREEMENT
        if order.flaw is KitFlaw.UNKNOWN_ROLE:
            role = _UNKNOWN_ROLE
        if order.flaw is KitFlaw.BAD_PROFESSIONAL:
            professional = professional[:-1] + "X"
        certificate = issuer.leaf(
            pki.terminal_name(professional),
            key.public_key(),
            order.bounds,
            purpose,
            () if order.flaw is KitFlaw.NO_ROLE else (pki.role_extension(role),),
        )
        return pki.Issuer(certificate, key, self._random_bytes)
