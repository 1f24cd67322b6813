"""Every reason of profile 11 is produced by a case of a tap or of a scan."""

from __future__ import annotations

import terminal_scan_cases
import terminal_tap_cases

from reader_drivers.terminal import Reason


def test_every_reason_has_a_case() -> None:
    expected = [reasons for _, reasons in terminal_tap_cases.CASES.values()]
    expected += [reasons for _, reasons in terminal_scan_cases.CASES.values()]
    expected += [reasons for _, _, reasons in terminal_scan_cases.ONE_FORM.values()]
    # test_what_is_no_token_is_unreadable is a table of texts.
    produced = set().union(*expected) | {Reason.QR_UNREADABLE}
    assert set(Reason) - produced == set()
