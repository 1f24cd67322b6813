"""A code reader over pictures: ``camera:IMAGE`` or ``camera:DIRECTORY``, decoded by zxing-cpp."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reader_drivers.api import CodeReader, CodeUnreadable, ReaderUnavailable, ReaderUrlError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm"})
ADVICE = (
    "show the whole code with its white margin, flat, sharp and without glare, at least 2 pixels "
    "a module"
)

_POLL = 0.05
_TOKEN = "ECV1:"


class CameraReader:
    """Reads QR codes, and as a courtesy data matrices (the INS code), from picture files.

    Of a directory each picture is read once, in the order of names; one that appears while
    :meth:`read` waits is read then. A single image is read anew each time.

    Raises:
        ReaderUnavailable: no such file or directory, or the decoder is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._seen: set[Path] = set()
        self._decoder, self._images = _libraries()
        if not self._path.exists():
            raise ReaderUnavailable(f"{self.url}: there is no such picture or directory")

    @property
    def url(self) -> str:
        return f"camera:{self._path}"

    @property
    def description(self) -> str:
        return f"pictures of 2D codes in {self._path} (zxing-cpp)"

    def read(self, timeout: float = 5.0) -> str:
        """Text of the next code; a token of ours goes before other codes of the same picture.

        Raises:
            CodeUnreadable: the picture shows no code that can be decoded, or no new picture
                came within ``timeout`` seconds.
            ReaderUnavailable: the picture cannot be read.
        """
        picture = self._next_picture(timeout)
        texts = self._decode(picture)
        if not texts:
            raise CodeUnreadable(f"no 2D code can be read in {picture}: {ADVICE}")
        return next((text for text in texts if text.startswith(_TOKEN)), texts[0])

    def close(self) -> None:
        """Nothing is held open."""

    def _next_picture(self, timeout: float) -> Path:
        if not self._path.is_dir():
            return self._path
        deadline = time.monotonic() + timeout
        while True:
            for picture in self._pictures():
                self._seen.add(picture)
                return picture
            if time.monotonic() >= deadline:
                raise CodeUnreadable(f"no new picture in {self._path} within {timeout:g} s")
            time.sleep(_POLL)

    def _pictures(self) -> Iterator[Path]:
        try:
            names = sorted(self._path.iterdir())
        except OSError as error:
            raise ReaderUnavailable(f"{self.url}: {error.strerror or error}") from None
        for name in names:
            if name.suffix.lower() in SUFFIXES and name not in self._seen:
                yield name

    def _decode(self, picture: Path) -> list[str]:
        try:
            with self._images.open(picture) as image:
                pixels = image.convert("L")
        except (OSError, SyntaxError, ValueError, self._images.DecompressionBombError) as error:
            raise ReaderUnavailable(f"{picture} cannot be read as a picture: {error}") from None
        formats = self._decoder.BarcodeFormat
        # One format at a time is seven times faster than all, and most pictures are of a QR code.
        return self._texts(pixels, formats.QRCode) or self._texts(pixels, formats.DataMatrix)

    def _texts(self, pixels: Any, wanted: Any) -> list[str]:
        plain = self._decoder.TextMode.Plain
        codes = self._decoder.read_barcodes(pixels, formats=wanted, text_mode=plain)
        return [str(code.text) for code in codes if code.text]


def _libraries() -> tuple[Any, Any]:
    try:
        import zxingcpp
        from PIL import Image
    except ImportError as error:
        raise ReaderUnavailable(
            f"the camera driver is missing ({error.name}): pip install zxing-cpp pillow"
        ) from None
    return zxingcpp, Image


def open_url(path: str) -> CodeReader:
    """Open ``camera:PATH``.

    Raises:
        ReaderUrlError: no path.
        ReaderUnavailable: as :class:`CameraReader`.
    """
    if not path:
        raise ReaderUrlError("camera: say which picture or directory: camera:code.png")
    return CameraReader(path)
