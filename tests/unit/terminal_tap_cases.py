"""What can be wrong with a tap, and the reasons each must give, no more and no fewer."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable

from terminal_fakes import (
    CHILD,
    CHILD_INDEX,
    DAY,
    DELEGATED_INDEX,
    GRANT_INDEX,
    NOW,
    OWN,
    OWN_INDEX,
    TODAY,
    identity,
    new_key,
)
from terminal_tap_bench import (
    AGREEMENT,
    FORGED_CA,
    FUND,
    FUND_CA,
    SIGNATURE,
    STRANGERS,
    Bench,
    agreement,
    answer_plain,
    bend,
    broken_file,
    card_says_delegation,
    cut_answer,
    expired_card,
    expired_own_card,
    flip_answer,
    foreign_signature,
    forged_files,
    forget_code,
    future_card,
    issue,
    oppose,
    oppose_now,
    overcovered_files,
    raise_on,
    regrant,
    resign,
    rights_end,
    set_entry,
    set_proprietary,
    set_status,
    set_wallet,
    signer,
    swapped_entry,
    tampered_file,
    token,
    uncovered_file,
    unknown_data_key,
)

from card_formats.data_objects import IDENTITY, RIGHTS, Rights
from card_formats.grant import roles_bitmap
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import (
    CodeState,
    Fid,
    LifeCycle,
    Marker,
    RefusalReason,
    Role,
)
from card_formats.selection import ProfileVersion
from reader_drivers.api import CardRemoved, CommunicationFault
from reader_drivers.terminal.verdict import Reason

R = Reason
YESTERDAY = TODAY - datetime.timedelta(days=1)
CASES: dict[str, tuple[Callable[[Bench], object], set[Reason]]] = {
    # reader and link
    "no card": (bend(present=False), {R.CARD_ABSENT}),
    "removed in mid-session": (
        bend(before=raise_on(0xB0, CardRemoved("gone"))),
        {R.CARD_REMOVED},
    ),
    "mute": (bend(before=raise_on(0x82, CommunicationFault("mute"))), {R.COMMUNICATION_FAULT}),
    "half an answer": (bend(mutate_wire=cut_answer(0xA4)), {R.COMMUNICATION_FAULT}),
    "altered in session": (bend(mutate_wire=flip_answer(0xB0)), {R.COMMUNICATION_FAULT}),
    # SELECT
    "locked phone": (bend(select_sw=0x6985), {R.PHONE_LOCKED}),
    "another card": (bend(select_sw=0x6A82), {R.NOT_AN_E_CARTE}),
    "class refused": (bend(select_sw=0x6E00), {R.NOT_AN_E_CARTE}),
    "not our FCI": (bend(mutate_wire=flip_answer(0xA4)), {R.NOT_AN_E_CARTE}),
    "warning with an FCI": (bend(select_sw=0x6300), {R.NOT_AN_E_CARTE}),
    "another application": (
        lambda b: setattr(b.card, "fci", dataclasses.replace(b.card.fci, aid=bytes(8))),
        {R.NOT_AN_E_CARTE},
    ),
    "another profile": (
        lambda b: set_proprietary(b, version=ProfileVersion(2, 0)),
        {R.NOT_AN_E_CARTE},
    ),
    "opposed by SELECT": (bend(select_sw=0x6285), {R.OPPOSED}),
    "suspended by SELECT": (bend(select_sw=0x6283), {R.SUSPENDED}),
    "opposed in the FCI alone": (
        lambda b: set_proprietary(b, state=LifeCycle.OPPOSED),
        {R.OPPOSED},
    ),
    "suspended in the status alone": (
        lambda b: set_status(b, state=LifeCycle.SUSPENDED),
        {R.SUSPENDED},
    ),
    "test card in production": (lambda b: setattr(b, "mode", "production"), {R.TEST_CARD}),
    # handshake
    "agreement key of a stranger": (
        lambda b: agreement(
            b, STRANGERS.leaf("x", STRANGERS.issuing, AGREEMENT), STRANGERS.issuing.certificate
        ),
        {R.BAD_ISSUER_SIGNATURE},
    ),
    "agreement key of an unknown name": (
        lambda b: agreement(
            b, FUND.leaf("x", FUND.terminal_ca, AGREEMENT), FUND.terminal_ca.certificate
        ),
        {R.UNKNOWN_ISSUER},
    ),
    "agreement certificate forged": (
        lambda b: agreement(b, STRANGERS.leaf("x", FORGED_CA, AGREEMENT), FUND_CA),
        {R.BAD_ISSUER_SIGNATURE},
    ),
    "agreement certificate for signatures": (
        lambda b: agreement(b, issue(SIGNATURE), FUND_CA),
        {R.UNKNOWN_ISSUER},
    ),
    "agreement certificate expired": (
        lambda b: agreement(b, issue(AGREEMENT, ends=NOW - 1), FUND_CA),
        {R.EXPIRED},
    ),
    "agreement certificate not yet valid": (
        lambda b: agreement(b, issue(AGREEMENT, begins=NOW + 60), FUND_CA),
        {R.NOT_YET_VALID},
    ),
    "no certificate at all": (bend(agreement_chain=[]), {R.UNKNOWN_ISSUER}),
    "no key left": (bend(refuse={0xCA: 0x6A88}), {R.REFUSED_BY_CARD}),
    "terminal refused": (bend(refuse={0x2A: 0x6982}), {R.REFUSED_BY_CARD}),
    "clone without the key": (bend(wrong_receipt=True), {R.BAD_PHONE_SIGNATURE}),
    # code
    "no code": (lambda b: b.tap.update(code=None), {R.CODE_NEEDED}),
    "code withheld": (lambda b: b.tap.update(code=lambda: None), {R.CODE_NEEDED}),
    "code on the phone": (lambda b: set_status(b, code_on_phone=True), {R.CODE_NEEDED}),
    "wrong code": (lambda b: b.tap.update(code="111111"), {R.CODE_WRONG}),
    "code of three digits": (lambda b: b.tap.update(code="123"), {R.CODE_WRONG}),
    "code of nine digits": (lambda b: b.tap.update(code="123456789"), {R.CODE_WRONG}),
    "code with a letter": (lambda b: b.tap.update(code="12345a"), {R.CODE_WRONG}),
    "last try": (
        lambda b: (bend(tries=1)(b), b.tap.update(code="111111")),
        {R.CODE_WRONG, R.CODE_BLOCKED},
    ),
    "blocked": (bend(tries=0), {R.CODE_BLOCKED}),
    "blocked in the status": (
        lambda b: set_status(b, code=CodeState.BLOCKED),
        {R.CODE_BLOCKED},
    ),
    "VERIFY refused": (bend(refuse={0x20: 0x6984}), {R.REFUSED_BY_CARD}),
    # data
    "status refused": (
        lambda b: answer_plain(b, 0xCA, lambda: (b"", 0x6A82)),
        {R.REFUSED_BY_CARD},
    ),
    "status malformed": (
        lambda b: answer_plain(b, 0xCA, lambda: (b"\x80\x01", 0x9000)),
        {R.COMMUNICATION_FAULT},
    ),
    "code forgotten": (
        lambda b: answer_plain(b, 0xB0, lambda: forget_code(b)),
        {R.CODE_NEEDED},
    ),
    "opposed in mid-session": (
        lambda b: answer_plain(b, 0xB0, lambda: oppose_now(b)),
        {R.OPPOSED},
    ),
    "refused as opposed, by a card that says it is operational": (
        lambda b: (
            setattr(b.card, "last_refusal", RefusalReason.OPPOSED),
            set_status(b, last_refusal=RefusalReason.OPPOSED),
            answer_plain(b, 0xB0, lambda: (b"", 0x6982)),
        ),
        {R.REFUSED_BY_CARD},
    ),
    "signature refused without a reason": (
        lambda b: answer_plain(b, 0x2A, lambda: (b"", 0x6985)),
        {R.REFUSED_BY_CARD},
    ),
    "expired, and the grant too": (
        lambda b: (
            set_status(b, expired=True),
            card_says_delegation(RefusalReason.DELEGATION_EXPIRED)(b),
        ),
        {R.EXPIRED, R.DELEGATION_EXPIRED},
    ),
    "wallet malformed": (
        lambda b: answer_plain(b, 0xB0, lambda: (b"\xe0\x05", 0x9000)),
        {R.TAMPERED_DATA},
    ),
    "own card is not the first": (lambda b: set_wallet(b, 1, index=4), {R.TAMPERED_DATA}),
    "tampered file": (tampered_file, {R.TAMPERED_DATA}),
    "broken file": (broken_file, {R.TAMPERED_DATA}),
    "file signature forged": (forged_files, {R.BAD_FUND_SIGNATURE}),
    "file signature by an unknown key": (
        unknown_data_key,
        {R.UNKNOWN_ISSUER},
    ),
    "file not covered": (uncovered_file, {R.TAMPERED_DATA}),
    "one file too many covered": (overcovered_files, {R.TAMPERED_DATA}),
    "file signature broken": (
        lambda b: b.card.entries[1].update({Fid.SIGNATURE: b"\xe5\x00"}),
        {R.TAMPERED_DATA},
    ),
    "file missing": (lambda b: b.card.entries[1].pop(Fid.RIGHTS), {R.REFUSED_BY_CARD}),
    "no such entry": (lambda b: set_entry(b, 9), {R.REFUSED_BY_CARD}),
    "wallet without own card": (lambda b: b.card.wallet.pop(0), {R.TAMPERED_DATA}),
    "wallet and identity disagree": (
        lambda b: set_wallet(b, 1, valid_until=TODAY + datetime.timedelta(days=999)),
        {R.TAMPERED_DATA},
    ),
    "another card's files": (swapped_entry, {R.CARD_SUBSTITUTED}),
    "another card's identity, signed": (
        lambda b: resign(b, identity=IDENTITY.build(identity(CHILD))),
        {R.CARD_SUBSTITUTED},
    ),
    "another card's signature": (foreign_signature, {R.CARD_SUBSTITUTED}),
    "another card than before": (
        lambda b: b.tap.update(expected_serial=CHILD),
        {R.CARD_SUBSTITUTED},
    ),
    # validity and rights
    "expired by its data": (expired_card, {R.EXPIRED}),
    "expired by its status": (lambda b: set_status(b, expired=True), {R.EXPIRED}),
    "own card expired": (expired_own_card, {R.EXPIRED}),
    "not yet valid": (future_card, {R.NOT_YET_VALID}),
    "rights ended": (rights_end(YESTERDAY), {R.RIGHTS_ENDED}),
    "no rights": (
        lambda b: resign(b, rights=RIGHTS.build(Rights(TODAY, ()))),
        {R.RIGHTS_ENDED},
    ),
    # opposition list
    "opposed in the list": (lambda b: oppose(b, OWN_INDEX), {R.OPPOSED}),
    "suspended in the list": (
        lambda b: oppose(b, OWN_INDEX, status=Status.SUSPENDED),
        {R.SUSPENDED},
    ),
    "reserved status in the list": (
        lambda b: oppose(b, OWN_INDEX, status=Status.RESERVED),
        {R.OPPOSED},
    ),
    "own card opposed": (lambda b: (set_entry(b, 2), oppose(b, OWN_INDEX)), {R.OPPOSED}),
    "child's card opposed": (lambda b: (set_entry(b, 2), oppose(b, CHILD_INDEX)), {R.OPPOSED}),
    "no list": (lambda b: b.lists.clear(), {R.LIST_MISSING}),
    "forged list": (
        lambda b: setattr(b, "lists", [FUND.opposition_list(key=STRANGERS.opposition.key)]),
        {R.LIST_UNTRUSTED},
    ),
    "stale list": (
        lambda b: setattr(b, "lists", [FUND.opposition_list(issued_at=NOW - 2 * DAY - 1)]),
        {R.LIST_STALE},
    ),
    # delegation
    "delegation expired": (lambda b: regrant(b, valid_until=NOW), {R.DELEGATION_EXPIRED}),
    "delegation to come": (
        lambda b: regrant(b, valid_from=NOW + 1),
        {R.DELEGATION_NOT_YET_VALID},
    ),
    "delegation too long": (
        lambda b: regrant(b, valid_from=NOW - 25 * DAY, valid_until=NOW + 5 * DAY + 1),
        {R.DELEGATION_TOO_LONG},
    ),
    "delegation for others": (
        lambda b: regrant(b, roles=roles_bitmap(Role.PHYSICIAN)),
        {R.DELEGATION_OUT_OF_SCOPE},
    ),
    "delegation of another card": (
        lambda b: regrant(b, entries=(CHILD,)),
        {R.DELEGATION_OUT_OF_SCOPE},
    ),
    "delegation to another": (
        lambda b: regrant(b, delegate=CHILD),
        {R.DELEGATION_WRONG_DELEGATE},
    ),
    "delegation revoked": (
        lambda b: (regrant(b), oppose(b, GRANT_INDEX)),
        {R.DELEGATION_REVOKED},
    ),
    "delegator's card opposed": (
        lambda b: (regrant(b), oppose(b, DELEGATED_INDEX)),
        {R.OPPOSED},
    ),
    "grant forged": (
        lambda b: regrant(b, key=STRANGERS.data.key),
        {R.BAD_FUND_SIGNATURE},
    ),
    "grant by an unknown key": (
        lambda b: regrant(b, fund_key_id=b"\x98" * 8),
        {R.UNKNOWN_ISSUER},
    ),
    "grant cut short": (
        lambda b: (set_entry(b, 3), b.card.entries[3].update({Fid.GRANT: b"\x01\xa1"})),
        {R.TAMPERED_DATA},
    ),
    "grant with another index": (
        lambda b: (set_entry(b, 3), set_wallet(b, 3, grant_index=13)),
        {R.TAMPERED_DATA},
    ),
    "the card says expired grant": (
        card_says_delegation(RefusalReason.DELEGATION_EXPIRED),
        {R.DELEGATION_EXPIRED},
    ),
    "the card says early grant": (
        card_says_delegation(RefusalReason.DELEGATION_NOT_YET_VALID),
        {R.DELEGATION_NOT_YET_VALID},
    ),
    "the card says revoked grant": (
        card_says_delegation(RefusalReason.DELEGATION_REVOKED),
        {R.DELEGATION_REVOKED},
    ),
    "the card says out of scope": (
        card_says_delegation(RefusalReason.OUT_OF_SCOPE),
        {R.DELEGATION_OUT_OF_SCOPE},
    ),
    # presence
    "token by another key": (bend(signing_key=new_key()), {R.BAD_PHONE_SIGNATURE}),
    "token by a stranger": (
        lambda b: signer(
            b,
            STRANGERS.leaf("x", STRANGERS.issuing, SIGNATURE, serial=OWN),
            STRANGERS.issuing.certificate,
        ),
        {R.BAD_ISSUER_SIGNATURE},
    ),
    "token by a key for agreement": (
        lambda b: signer(b, issue(AGREEMENT, serial=OWN), FUND_CA),
        {R.UNKNOWN_ISSUER},
    ),
    "token by another card's key": (
        lambda b: signer(b, issue(SIGNATURE, serial=CHILD), FUND_CA),
        {R.CARD_SUBSTITUTED},
    ),
    "certificate without a serial": (
        lambda b: signer(b, issue(SIGNATURE), FUND_CA),
        {R.CARD_SUBSTITUTED},
    ),
    "certificates unreadable": (bend(certificates=b"\x30\x05abc"), {R.UNKNOWN_ISSUER}),
    "old challenge": (token(challenge=bytes(16)), {R.REPLAYED}),
    "another professional": (token(professional="99999999999"), {R.REPLAYED}),
    "another role": (token(role=Role.PHYSICIAN), {R.REPLAYED}),
    "token of another entry": (token(entry_serial=CHILD), {R.CARD_SUBSTITUTED}),
    "token of another phone": (token(signer=CHILD), {R.CARD_SUBSTITUTED}),
    "token of another marker": (token(marker=Marker.DEMONSTRATION), {R.TAMPERED_DATA}),
    "token says delegated": (token(delegated=True), {R.TAMPERED_DATA}),
    "token names a grant": (token(grant_id=b"\x01" * 8), {R.TAMPERED_DATA}),
    "token of another grant": (
        lambda b: (set_entry(b, 3), token(grant_id=b"\xa2" * 8)(b)),
        {R.TAMPERED_DATA},
    ),
    "token from the future": (token(time=NOW + 31), {R.NOT_YET_VALID}),
    "token obsolete": (token(time=NOW - 1201), {R.OBSOLETE}),
    "token cut short": (bend(cut_token=True), {R.TAMPERED_DATA}),
    "token refused": (bend(refuse={0x2A: 0x6985}), {R.REFUSED_BY_CARD}),
    # several at once
    "expired, opposed, without rights": (
        lambda b: (expired_card(b), rights_end(YESTERDAY)(b), oppose(b, OWN_INDEX)),
        {R.EXPIRED, R.RIGHTS_ENDED, R.OPPOSED},
    ),
    "tampered, stale list, old token": (
        lambda b: (
            tampered_file(b),
            setattr(b, "lists", [FUND.opposition_list(expires_at=NOW)]),
            token(time=NOW - 2000)(b),
        ),
        {R.TAMPERED_DATA, R.LIST_STALE, R.OBSOLETE},
    ),
}
