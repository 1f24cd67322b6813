"""Codes read from pictures: drawn, rotated, damaged, missing."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import segno
from PIL import Image
from zxingcpp import BarcodeFormat, create_barcode, write_barcode_to_image

from reader_drivers.api import CodeReader, CodeUnreadable, ReaderUnavailable, ReaderUrlError
from reader_drivers.camera import CameraReader, open_url

TEXT = "ECV1:6BF%RN%5AX8L*34 W:9/"


def draw(path: Path, text: str = TEXT, **options: Any) -> Path:
    code = segno.make_qr(text, error="q", boost_error=False)
    code.save(str(path), scale=4, border=4, **options)
    return path


def test_a_picture(tmp_path: Path) -> None:
    reader = CameraReader(draw(tmp_path / "code.png"))
    assert isinstance(reader, CodeReader)
    assert reader.read() == TEXT
    assert reader.read() == TEXT
    assert reader.url == f"camera:{tmp_path / 'code.png'}"
    assert "zxing-cpp" in reader.description
    reader.close()


@pytest.mark.parametrize("angle", [7, 90, 180, 270])
def test_a_rotated_picture(tmp_path: Path, angle: int) -> None:
    path = draw(tmp_path / "code.png")
    with Image.open(path) as image:
        image.convert("L").rotate(angle, expand=True, fillcolor=255).save(path)
    assert CameraReader(path).read() == TEXT


def test_white_on_black(tmp_path: Path) -> None:
    assert CameraReader(draw(tmp_path / "code.png", dark="white", light="black")).read() == TEXT


def test_a_token_goes_before_other_codes(tmp_path: Path) -> None:
    path = tmp_path / "both.png"
    other, token = draw(tmp_path / "a.png", "HELLO"), draw(tmp_path / "b.png")
    with Image.open(other) as left, Image.open(token) as right:
        both = Image.new("L", (left.width + right.width, max(left.height, right.height)), 255)
        both.paste(left, (0, 0))
        both.paste(right, (left.width, 0))
        both.save(path)
    assert CameraReader(path).read() == TEXT


def test_an_ins_data_matrix(tmp_path: Path) -> None:
    text = "IS010000000000000000000000S1279035121518989\x1dS21.2.250.1.213.1.4.10"
    matrix = write_barcode_to_image(create_barcode(text, BarcodeFormat.DataMatrix), scale=5)
    Image.fromarray(matrix).save(tmp_path / "ins.png")
    assert CameraReader(tmp_path / "ins.png").read() == text


def test_pictures_of_a_directory_in_the_order_of_names(tmp_path: Path) -> None:
    draw(tmp_path / "2.png", "SECOND")
    draw(tmp_path / "1.png", "FIRST")
    (tmp_path / "0.txt").write_text("no picture")
    reader = open_url(str(tmp_path))
    assert [reader.read(), reader.read()] == ["FIRST", "SECOND"]
    with pytest.raises(CodeUnreadable, match="no new picture"):
        reader.read(timeout=0)


def test_a_picture_that_comes_while_waiting(tmp_path: Path) -> None:
    reader = CameraReader(tmp_path)
    ready = draw(tmp_path.parent / f"{tmp_path.name}.png")
    timer = threading.Timer(0.1, lambda: ready.rename(tmp_path / "late.png"))
    timer.start()
    try:
        assert reader.read(timeout=5) == TEXT
    finally:
        timer.join()


def test_waiting_ends(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(CodeUnreadable):
        CameraReader(tmp_path).read(timeout=0.15)
    assert 0.15 <= time.monotonic() - started < 3


def test_a_picture_without_a_code_says_what_to_try(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.new("L", (200, 200), 255).save(path)
    with pytest.raises(CodeUnreadable, match="white margin"):
        CameraReader(path).read()


def test_a_code_of_another_kind_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "linear.png"
    bars = write_barcode_to_image(create_barcode("123456789012", BarcodeFormat.Code128), scale=3)
    Image.fromarray(bars).save(path)
    with pytest.raises(CodeUnreadable):
        CameraReader(path).read()


def test_a_file_that_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "code.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ReaderUnavailable, match="cannot be read as a picture"):
        CameraReader(path).read()


def test_a_picture_cut_short(tmp_path: Path) -> None:
    path = draw(tmp_path / "code.png")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ReaderUnavailable, match="cannot be read as a picture"):
        CameraReader(path).read()


def test_a_picture_that_would_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ReaderUnavailable, match="cannot be read as a picture"):
        CameraReader(draw(tmp_path / "code.png")).read()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ReaderUnavailable, match="no such picture"):
        CameraReader(tmp_path / "none.png")


def test_a_picture_taken_away(tmp_path: Path) -> None:
    path = draw(tmp_path / "code.png")
    reader = CameraReader(path)
    path.unlink()
    with pytest.raises(ReaderUnavailable):
        reader.read()


def test_a_directory_taken_away(tmp_path: Path) -> None:
    directory = tmp_path / "pictures"
    directory.mkdir()
    reader = CameraReader(directory)
    directory.rmdir()
    with pytest.raises(ReaderUnavailable):
        reader.read(timeout=0)


def test_no_path() -> None:
    with pytest.raises(ReaderUrlError, match="which picture"):
        open_url("")


def test_a_missing_decoder_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    with pytest.raises(ReaderUnavailable, match="pip install zxing-cpp"):
        CameraReader(tmp_path)
