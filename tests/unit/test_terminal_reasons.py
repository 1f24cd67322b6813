"""Every reason of profile 11 is produced by a case of a tap or of a scan."""

from __future__ import annotations

import test_terminal_scan
import test_terminal_tap
from reader_drivers.terminal import Reason


def test_every_reason_has_a_case() -> None:
    expected = [reasons for _, reasons in test_terminal_tap.CASES.values()]
    expected += [reasons for _, reasons in test_terminal_scan.CASES.values()]
    expected += [reasons for _, _, reasons in test_terminal_scan.ONE_FORM.values()]
    # test_what_is_no_token_is_unreadable is a table of texts.
    produced = set().union(*expected) | {Reason.QR_UNREADABLE}
    assert set(Reason) - produced == set()
