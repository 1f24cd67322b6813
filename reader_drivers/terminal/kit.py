"""The terminal's kit: its own keys, and what it trusts of the fund. One JSON file."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Role
from reader_drivers.terminal.errors import KitError, TrustError
from reader_drivers.terminal.trust import FundTrust, encoded_point, key_id, public_key

FORMAT = "ecv-terminal-kit/1"


@dataclasses.dataclass(frozen=True)
class TerminalKit:
    """What the fund hands to one professional's terminal.

    Attributes:
        professional: id, 11 digits.
        role: role of the terminal (profile 3.3).
        private_key: agreement key, for SCP11a.
        certificates: below the terminal CA, leaf last.
        trust: the fund's certificates.
        group_keys: keys that open sealed QR credentials, by group key id.
    """

    professional: str
    role: Role
    private_key: ec.EllipticCurvePrivateKey = dataclasses.field(repr=False)
    certificates: tuple[x509.Certificate, ...]
    trust: FundTrust
    group_keys: Mapping[bytes, X25519PrivateKey] = dataclasses.field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The terminal's own certificate."""
        return self.certificates[-1]

    @classmethod
    def from_json(
        cls, source: Mapping[str, Any] | str | Path, *, now: float | None = None
    ) -> TerminalKit:
        """Read a kit from a file, or from its decoded JSON.

        Args:
            source: path of the JSON file, or the object it holds.
            now: when given, a kit whose own certificates are not valid then is refused. Without
                it a bench can load an expired kit, to see what a card makes of it.

        Raises:
            KitError: unreadable file, wrong format, missing or malformed field, a key that is
                not its certificate's, or not valid at ``now``.
        """
        name = "terminal kit" if isinstance(source, Mapping) else f"terminal kit {source}"
        content = source if isinstance(source, Mapping) else _load(Path(source), name)
        kit = _Fields(content, name).kit()
        if now is not None:
            kit.check_validity(now)
        return kit

    def check_validity(self, now: float) -> None:
        """Raise KitError unless every certificate of the terminal is valid at ``now``."""
        moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
        for certificate in self.certificates:
            subject = certificate.subject.rfc4514_string()
            if moment > certificate.not_valid_after_utc:
                raise KitError(
                    f"terminal kit: certificate {subject!r} expired "
                    f"{certificate.not_valid_after_utc:%Y-%m-%d}: ask the fund for a new kit"
                )
            if moment < certificate.not_valid_before_utc:
                raise KitError(
                    f"terminal kit: certificate {subject!r} is not valid before "
                    f"{certificate.not_valid_before_utc:%Y-%m-%d}: check this machine's clock"
                )


def _load(path: Path, name: str) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise KitError(f"{name}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise KitError(f"{name}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise KitError(f"{name}: not a JSON object")
    return content


class _Fields:
    """The fields of a kit, each read with an error that names it."""

    def __init__(self, content: Mapping[str, Any], name: str) -> None:
        self.content = content
        self.name = name

    def kit(self) -> TerminalKit:
        for field, expected in (("format", FORMAT), ("profile", ECV_SIM_1.name)):
            found = self.field(field, str)
            if found != expected:
                raise self.error(f"{field} is {found!r}, not {expected!r}")
        certificates = tuple(
            self.certificate("certificates_pem", pem) for pem in self.texts("certificates_pem")
        )
        if not certificates:
            raise self.error("certificates_pem holds no certificate")
        return TerminalKit(
            professional=self.professional(),
            role=self.role(),
            private_key=self.private_key(certificates[-1]),
            certificates=certificates,
            trust=FundTrust(
                root=self.certificate("fund_root_pem"),
                issuing=tuple(
                    self.certificate("fund_issuing_pem", pem)
                    for pem in self.texts("fund_issuing_pem")
                ),
                data_keys=self.data_keys(),
                opposition_signer=self.certificate("opposition_signer_pem"),
            ),
            group_keys=self.group_keys(),
        )

    def error(self, what: str) -> KitError:
        return KitError(f"{self.name}: {what}")

    def field(self, name: str, kind: type[Any]) -> Any:
        if name not in self.content:
            raise self.error(f"field {name!r} is missing")
        value = self.content[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(f"field {name!r} has the wrong type")
        return value

    def texts(self, name: str) -> list[str]:
        values = self.field(name, list)
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"field {name!r} is not a list of texts")
        return list(values)

    def by_key_id(self, name: str) -> dict[bytes, str]:
        values: dict[bytes, str] = {}
        for key, text in self.field(name, dict).items():
            raw = self.hexadecimal(name, key)
            if len(raw) != 8 or not isinstance(text, str):
                raise self.error(f"field {name!r}: {key!r} is not a key id of 8 bytes with a text")
            values[raw] = text
        return values

    def hexadecimal(self, name: str, text: str) -> bytes:
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise self.error(f"field {name!r} holds something that is not hexadecimal") from None

    def professional(self) -> str:
        text: str = self.field("professional", str)
        if len(text) != 11 or not text.isascii() or not text.isdecimal():
            raise self.error(f"professional {text!r} is not 11 digits")
        return text

    def role(self) -> Role:
        number = self.field("role", int)
        try:
            return Role(number)
        except ValueError:
            raise self.error(f"role {number} is none of 1 to 5") from None

    def certificate(self, name: str, pem: str | None = None) -> x509.Certificate:
        text = self.field(name, str) if pem is None else pem
        try:
            return x509.load_pem_x509_certificate(text.encode())
        except ValueError:
            raise self.error(f"field {name!r} holds no PEM certificate") from None

    def private_key(self, leaf: x509.Certificate) -> ec.EllipticCurvePrivateKey:
        try:
            key = load_pem_private_key(self.field("private_key_pem", str).encode(), None)
            certified = public_key(leaf)
        except TrustError as error:
            raise self.error(str(error)) from None
        except (ValueError, TypeError):
            raise self.error("field 'private_key_pem' holds no PEM private key") from None
        if (
            not isinstance(key, ec.EllipticCurvePrivateKey)
            or not isinstance(key.curve, ec.SECP256R1)
            or encoded_point(key.public_key()) != encoded_point(certified)
        ):
            raise self.error("the private key is not that of the terminal's certificate")
        return key

    def data_keys(self) -> dict[bytes, x509.Certificate]:
        certificates: dict[bytes, x509.Certificate] = {}
        for identifier, pem in self.by_key_id("fund_data_keys").items():
            certificate = self.certificate("fund_data_keys", pem)
            try:
                found = key_id(public_key(certificate))
            except TrustError as error:
                raise self.error(str(error)) from None
            if found != identifier:
                raise self.error(
                    f"fund_data_keys: {identifier.hex()} is not the id of its key ({found.hex()})"
                )
            certificates[identifier] = certificate
        return certificates

    def group_keys(self) -> dict[bytes, X25519PrivateKey]:
        keys: dict[bytes, X25519PrivateKey] = {}
        for identifier, text in self.by_key_id("group_keys").items():
            raw = self.hexadecimal("group_keys", text)
            if len(raw) != 32:
                raise self.error(f"group key {identifier.hex()} has {len(raw)} bytes, not 32")
            keys[identifier] = X25519PrivateKey.from_private_bytes(raw)
        return keys
