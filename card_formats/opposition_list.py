"""The opposition list: an IETF Token Status List, 2 bits an entry, in a signed JWT (profile 10).

Two layers: :class:`OppositionList` is what it says, :class:`SignedOppositionList` what
travels. The signature is checked by whoever holds the key, over ``signing_input``.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import enum
import json
import zlib
from typing import Any

import construct
from construct import GreedyBytes

from card_formats.core import FormatError, Vector, WireFormat

MAX_STATUS_BYTES = 16 * 1024 * 1024
"""Bound on the inflated list (64 million entries): a bomb is refused, not inflated."""
TOKEN_TYPE = "statuslist+jwt"


class Status(enum.IntEnum):
    """Status types 0-2 of the Token Status List."""

    VALID = 0
    OPPOSED = 1
    SUSPENDED = 2
    RESERVED = 3


@dataclasses.dataclass(frozen=True)
class OppositionList:
    """Claims of the list. Times are epoch seconds, ``ttl`` seconds; ``statuses`` holds four
    entries a byte, the first in the low bits."""

    key_id: str
    subject: str
    issued_at: int
    expires_at: int
    ttl: int
    statuses: bytes

    def status(self, index: int) -> Status:
        """Status of the entry; entries past the end are VALID, as none was ever reported."""
        byte, place = divmod(index, 4)
        if byte >= len(self.statuses):
            return Status.VALID
        return Status(self.statuses[byte] >> 2 * place & 3)


def pack_statuses(statuses: dict[int, Status], size: int) -> bytes:
    """Status bits for entries 0 to ``size`` - 1, VALID unless named."""
    bits = bytearray((size + 3) // 4)
    for index, status in statuses.items():
        bits[index // 4] |= status << 2 * (index % 4)
    return bytes(bits)


@dataclasses.dataclass(frozen=True)
class SignedOppositionList:
    """``signing_input`` is the two first parts of the JWT as received; ``signature`` r || s."""

    claims: OppositionList
    signing_input: bytes
    signature: bytes


def signing_input(claims: OppositionList) -> bytes:
    """The bytes the opposition signer signs: JWT header and payload, base64url, with the dot."""
    header = {"alg": "ES256", "kid": claims.key_id, "typ": TOKEN_TYPE}
    payload = {
        "exp": claims.expires_at,
        "iat": claims.issued_at,
        "status_list": {"bits": 2, "lst": _to_base64(zlib.compress(claims.statuses, 9))},
        "sub": claims.subject,
        "ttl": claims.ttl,
    }
    parts = (
        _to_base64(json.dumps(part, separators=(",", ":"), ensure_ascii=True).encode())
        for part in (header, payload)
    )
    return ".".join(parts).encode()


def _to_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("opposition-list", what, None, f"not base64url: {error}") from error
    if _to_base64(raw) != text:
        raise FormatError("opposition-list", what, None, "not base64url in its one encoding")
    return raw


def _claims(header: Any, payload: Any) -> OppositionList:
    if header["typ"] != TOKEN_TYPE or header["alg"] != "ES256":
        raise FormatError("opposition-list", "header", None, f"not a {TOKEN_TYPE} with ES256")
    status_list = payload["status_list"]
    if status_list["bits"] != 2:
        raise FormatError("opposition-list", "bits", None, "entries must have 2 bits")
    numbers = [payload["iat"], payload["exp"], payload["ttl"]]
    texts = [header["kid"], payload["sub"], status_list["lst"]]
    if not all(type(n) is int and 0 <= n < 2**53 for n in numbers) or not all(
        isinstance(t, str) for t in texts
    ):
        raise FormatError("opposition-list", "payload", None, "a claim has the wrong type")
    return OppositionList(
        key_id=header["kid"],
        subject=payload["sub"],
        issued_at=payload["iat"],
        expires_at=payload["exp"],
        ttl=payload["ttl"],
        statuses=_inflate(_from_base64(status_list["lst"], "lst")),
    )


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, MAX_STATUS_BYTES)
    except zlib.error as error:
        raise FormatError("opposition-list", "lst", None, f"not zlib: {error}") from error
    if not inflater.eof or inflater.unused_data:
        raise FormatError("opposition-list", "lst", None, "list cut short, trailing or too large")
    return raw


class _Jwt(construct.Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(GreedyBytes)

    def _decode(self, obj: bytes, context: Any, path: str) -> SignedOppositionList:
        try:
            parts = obj.decode("ascii").split(".")
        except UnicodeDecodeError as error:
            raise FormatError("opposition-list", "", None, "not ASCII text") from error
        if len(parts) != 3:
            raise FormatError("opposition-list", "", None, f"{len(parts)} parts, a JWT has 3")
        try:
            header, payload = (
                json.loads(_from_base64(part, name))
                for part, name in zip(parts[:2], ("header", "payload"), strict=True)
            )
            claims = _claims(header, payload)
        except (KeyError, TypeError, RecursionError) as error:
            raise FormatError("opposition-list", "", None, f"claim missing: {error}") from error
        signature = _from_base64(parts[2], "signature")
        if len(signature) != 64:
            raise FormatError(
                "opposition-list", "signature", None, "an ES256 signature has 64 bytes"
            )
        return SignedOppositionList(claims, ".".join(parts[:2]).encode(), signature)

    def _encode(self, obj: SignedOppositionList, context: Any, path: str) -> bytes:
        return obj.signing_input + b"." + _to_base64(obj.signature).encode()


_EXAMPLE = OppositionList(
    "0011223344556677",
    "urn:ecv-sim:opposition",
    1795000000,
    1795604800,
    86400,
    pack_statuses({1: Status.OPPOSED, 6: Status.SUSPENDED}, 8),
)

OPPOSITION_LIST: WireFormat[SignedOppositionList] = WireFormat(
    "opposition-list",
    "ecv-sim/1 10, IETF Token Status List 5.1",
    _Jwt(),
    [
        Vector(
            "65794A68624763694F694A46557A49314E694973496D74705A434936496A4177"
            "4D5445794D6A4D7A4E4451314E5459324E7A63694C434A30655841694F694A7A"
            "6447463064584E7361584E304B32703364434A392E65794A6C654841694F6A45"
            "334F5455324D4451344D444173496D6C68644349364D5463354E5441774D4441"
            "774D437769633352686448567A58327870633351694F6E7369596D6C30637949"
            "364D69776962484E30496A6F695A553577616C56525155464251323942536C45"
            "696653776963335669496A6F6964584A754F6D566A6469317A61573036623342"
            "7762334E7064476C7662694973496E5230624349364F4459304D4442392E5245"
            "5245524552455245524552455245524552455245524552455245524552455245"
            "5245524552455245524552455245524552455245524552455245524552455245"
            "5245524552455245524552455245524552455241",
            SignedOppositionList(_EXAMPLE, signing_input(_EXAMPLE), b"\x44" * 64),
        )
    ],
)
