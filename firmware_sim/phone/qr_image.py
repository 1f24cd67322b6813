"""Draws a QR token: alphanumeric mode, error correction Q, quiet zone 4 (profile 9)."""

from __future__ import annotations

import io

import segno

QUIET_ZONE = 4
MODULE_PIXELS = 6


def _draw(text: str) -> segno.QRCode:
    # make_qr, not make: make may choose a Micro QR code.
    return segno.make_qr(text, error="q", boost_error=False)


def version(text: str) -> int:
    """QR version, 1 to 40."""
    return int(_draw(text).version)


def png(text: str, module_pixels: int = MODULE_PIXELS) -> bytes:
    """PNG, a whole number of pixels a module."""
    out = io.BytesIO()
    _draw(text).save(out, kind="png", scale=module_pixels, border=QUIET_ZONE)
    return out.getvalue()


def terminal_text(text: str) -> str:
    """Half-block characters for a terminal, light on dark being drawn dark on light."""
    out = io.StringIO()
    _draw(text).terminal(out=out, border=QUIET_ZONE, compact=True)
    return out.getvalue()
