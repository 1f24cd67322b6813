"""The professional's software reduced to its trust decisions: acquire, secure session, verify."""

from reader_drivers.terminal.verdict import Reason, Verdict

__all__ = ["Reason", "Verdict"]
