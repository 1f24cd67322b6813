"""QR codes as pictures (profile 9): error correction Q, quiet zone 4, whole pixels a module."""

from __future__ import annotations

import io

import segno
from PIL import Image, ImageDraw, ImageFont

from card_formats.qr_token import QrForm, from_text

QUIET_ZONE = 4
MODULE_PIXELS = 8
MAX_VERSION = {QrForm.ONLINE: 10, QrForm.SEALED: 17, QrForm.CLEAR: 17}
_CAPTION_MODULES = 6
_BLACK, _WHITE = 0, 255


class QrTooLarge(ValueError):
    """The token does not fit the version that the profile allows for its form."""


def make(text: str) -> segno.QRCode:
    """The QR code of a token.

    Raises:
        QrTooLarge: its version is above the profile's.
        FormatError: the text is no token.
    """
    most = MAX_VERSION[from_text(text).header.flags.form]
    code = symbol(text)
    if int(code.version) > most:
        raise QrTooLarge(f"QR version {code.version}, the profile allows {most}")
    return code


def symbol(text: str) -> segno.QRCode:
    """The QR code of any text, drawn like a token's."""
    return segno.make_qr(text, error="q", boost_error=False)


def draw_image(
    text: str, *, module_pixels: int = MODULE_PIXELS, caption: str = "TEST"
) -> Image.Image:
    """The picture on a phone's screen, with its marker below the quiet zone."""
    rows = [bytes(row) for row in make(text).matrix_iter(border=QUIET_ZONE)]
    side = len(rows)
    pixels = bytes(_BLACK if module else _WHITE for row in rows for module in row)
    scaled = Image.frombytes("L", (side, side), pixels).resize(
        (side * module_pixels, side * module_pixels), Image.Resampling.NEAREST
    )
    if not caption:
        return scaled
    height = _CAPTION_MODULES * module_pixels
    picture = Image.new("L", (scaled.width, scaled.height + height), _WHITE)
    picture.paste(scaled, (0, 0))
    font = ImageFont.load_default(size=max(8, height * 2 // 3))
    ImageDraw.Draw(picture).text(
        (scaled.width // 2, scaled.height), caption, fill=_BLACK, font=font, anchor="ma"
    )
    return picture


def draw(text: str, *, module_pixels: int = MODULE_PIXELS, caption: str = "TEST") -> bytes:
    """The picture as PNG."""
    out = io.BytesIO()
    draw_image(text, module_pixels=module_pixels, caption=caption).save(out, "PNG")
    return out.getvalue()


def draw_terminal(text: str) -> str:
    """The picture for a terminal: two modules a character, black on white whatever its colours."""
    rows = [list(row) for row in make(text).matrix_iter(border=QUIET_ZONE)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    glyphs = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
    lines = (
        "".join(glyphs[bool(upper), bool(lower)] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=True)
    )
    return "\n".join(f"\x1b[30;107m{line}\x1b[0m" for line in lines) + "\n"
