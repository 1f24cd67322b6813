"""The application ``e_carte`` on its operating system: everything wired together (profile 4)."""

from __future__ import annotations

from collections.abc import Callable

from card_formats.apdu import SHORT_MAX_LE, CommandApdu
from card_formats.historical import (
    HISTORICAL,
    TAG_CAPABILITIES,
    CompactObject,
    Historical,
)
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Profile
from card_formats.status_words import SW
from firmware_sim.card.access import Access, Loss
from firmware_sim.card.authentication import Authentication
from firmware_sim.card.code_commands import CodeCommands
from firmware_sim.card.delegation import Delegation
from firmware_sim.card.dispatch import CardOs
from firmware_sim.card.files import Files
from firmware_sim.card.holder import Holder
from firmware_sim.card.key_pool import KeyPool
from firmware_sim.card.presence import Presence
from firmware_sim.card.reading import Reading
from firmware_sim.card.reply import PowerCut, Reply, StatusError
from firmware_sim.card.scp11 import KeyAgreement
from firmware_sim.card.secret_code import SecretCode
from firmware_sim.card.selection import BY_AID, Selection
from firmware_sim.card.state import CardState
from firmware_sim.card.terminal_chain import TerminalChain
from firmware_sim.seam import Clock, RandomBytes

CAPABILITIES = b"\xc0\x01\xc0"
"""Selection by full and partial DF name; data coding byte; chaining, extended Lc and Le."""


class ECarte(CardOs):
    """An e-carte as its link sees it (:class:`firmware_sim.seam.Card`).

    Each concern is a small object in an attribute, and every step of it a method looked up when
    it is needed, so that a fault is a method replaced on one instance.

    Args:
        state: what the card remembers; changed in place, and then committed.
        commit: writes the state. Any exception is a power cut: :meth:`transmit` raises
            ``ConnectionError`` and the card is dead until the next :meth:`power_on`.
        holder: the phone and the person holding it.
        clock: the phone's time.
        random_bytes: ephemeral keys and challenges.
        profile: names and numbers.
    """

    def __init__(
        self,
        state: CardState,
        commit: Callable[[], None],
        holder: Holder,
        clock: Clock,
        random_bytes: RandomBytes,
        profile: Profile = ECV_SIM_1,
    ) -> None:
        super().__init__(profile.max_apdu)
        self.state = state
        self.profile = profile
        self.holder = holder
        self.clock = clock
        self.random_bytes = random_bytes
        self._write = commit
        self.code = SecretCode(state, self.commit, profile)
        self.delegation = Delegation(clock)
        self.files = Files(state)
        self.access = Access(
            state, profile, self.secure_channel, self.code, self.delegation, holder, clock
        )
        self.selection = Selection(state, profile, self.files, self.access)
        self.reading = Reading(self.files, self.selection, self.access)
        self.code_commands = CodeCommands(profile, self.code, self.access, holder)
        self.key_pool = KeyPool(state, self.commit)
        self.terminal_chain = TerminalChain(state, clock)
        self.key_agreement = KeyAgreement(random_bytes)
        self.authentication = Authentication(
            state,
            profile,
            self.secure_channel,
            self.key_pool,
            self.terminal_chain,
            self.key_agreement,
            self.access,
            self.code,
            holder,
            lambda cause: self.end_session(cause),
        )
        self.presence = Presence(state, profile, self.commit, self.access, self.delegation, clock)
        self._fill_table()

    def _fill_table(self) -> None:
        # Lambdas: the method is looked up at each call, so that it can be replaced.
        self.commands.update(
            {
                (False, 0x20): lambda c: self.code_commands.verify(c),
                (False, 0x24): lambda c: self.code_commands.change(c),
                (False, 0x2A): lambda c: self.presence.compute_signature(c),
                (False, 0x2C): lambda c: self.code_commands.reset_retry_counter(c),
                (False, 0x70): lambda c: self.manage_channel(c),
                (False, 0x84): lambda c: self.get_challenge(c),
                (False, 0xA4): lambda c: self.select(c),
                (False, 0xB0): lambda c: self.reading.read_binary(c),
                (False, 0xB1): lambda c: self.reading.read_binary_odd(c),
                # Plain GET RESPONSE never comes here: under secure messaging nothing waits.
                (False, 0xC0): lambda c: self.response_queue.get_response(c),
                (False, 0xCA): lambda c: self.authentication.get_data(c),
                (False, 0xCB): lambda c: self.reading.get_data_objects(c),
                (True, 0x2A): lambda c: self.authentication.verify_certificate(c),
                (True, 0x82): lambda c: self.authentication.mutual_authenticate(c),
                (True, 0x88): lambda c: self.authentication.internal_authenticate(c),
                (True, 0xCA): lambda c: self.authentication.get_data(c),
            }
        )

    # --- power ---

    def power_on(self) -> bytes:
        """Field on: begin anew; return the historical bytes."""
        self.forget()
        self.key_pool.release()
        self.access.power_on()
        self.powered = True
        return HISTORICAL.build(Historical((CompactObject(TAG_CAPABILITIES, CAPABILITIES),)))

    def reset(self) -> bytes:
        """Warm reset: the same as :meth:`power_on`."""
        return self.power_on()

    def power_off(self) -> None:
        """Field lost or deselect: everything volatile is forgotten."""
        self.forget()
        self.key_pool.release()
        self.powered = False

    def commit(self) -> None:
        """Write the state.

        Raises:
            PowerCut: it could not be written.
        """
        try:
            self._write()
        except Exception as error:
            raise PowerCut("the power failed while the card was writing") from error

    # --- what the operating system asks ---

    def before_command(self) -> None:
        """The code is lost after 30 s, everything when the phone was locked."""
        self.access.touch()
        if self.holder.screen_locked:
            self.lose_everything(Loss.LOCKED)

    def is_selected(self) -> bool:
        """Whether the application is selected."""
        return self.selection.application

    def end_session(self, cause: Loss) -> None:
        """End the session; the code goes with it."""
        super().end_session(cause)
        self.access.forget_code(cause)

    def forget(self) -> None:
        """Everything volatile is lost."""
        super().forget()
        self.lose_everything(Loss.POWER)

    def lose_everything(self, cause: Loss) -> None:
        """Session, code, selection and the terminal's chain."""
        self.end_session(cause)
        self.selection.clear()
        self.terminal_chain.forget()

    # --- commands of the application as a whole ---

    def select(self, command: CommandApdu) -> Reply:
        """SELECT, by AID or of a file (profile 4.3)."""
        if command.p1 != BY_AID:
            if not self.is_selected():
                raise StatusError(SW.CONDITIONS_NOT_SATISFIED)
            return self.selection.select_file(command)
        self.end_session(Loss.SELECT)
        self.terminal_chain.forget()
        if self.holder.screen_locked:
            raise StatusError(SW.CONDITIONS_NOT_SATISFIED)
        return self.selection.select_application(command)

    def get_challenge(self, command: CommandApdu) -> Reply:
        """GET CHALLENGE: 1 to 256 random bytes; 6A86, 6700."""
        if command.p1 or command.p2:
            raise StatusError(SW.WRONG_P1_P2)
        if command.data or command.le is None or command.le > SHORT_MAX_LE:
            raise StatusError(SW.WRONG_LENGTH)
        return Reply(self.random_bytes(command.le))

    def manage_channel(self, command: CommandApdu) -> Reply:
        """MANAGE CHANNEL: there is one channel."""
        raise StatusError(SW.FUNCTION_NOT_SUPPORTED)
