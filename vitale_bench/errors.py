"""Turns what can go wrong into one line for a person and an exit code for a program."""

from __future__ import annotations

import traceback

from vitale_bench.exit_codes import ExitCode


def explain(error: Exception) -> tuple[str, int]:
    """Return the line to print and the exit code."""
    if isinstance(error, _refusals()):
        return str(error), ExitCode.REFUSED
    if isinstance(error, _wrong_use()):
        return str(error), ExitCode.USAGE
    if isinstance(error, _bad_inputs()):
        return str(error), ExitCode.UNUSABLE_INPUT
    if isinstance(error, OSError):
        return f"{error.filename or ''}: {error.strerror}".lstrip(": "), ExitCode.UNUSABLE_INPUT
    traceback.print_exception(error)
    return "this is a defect of vitale-bench; please report the lines above", ExitCode.INCOMPLETE


def _refusals() -> tuple[type[Exception], ...]:
    from firmware_sim.fund.errors import FundRefusal
    from firmware_sim.phone.errors import PhoneRefusal

    return (FundRefusal, PhoneRefusal)


def _wrong_use() -> tuple[type[Exception], ...]:
    from conformance.mutants import MutantError
    from conformance.runner import SelectionError

    return (SelectionError, MutantError)


def _bad_inputs() -> tuple[type[Exception], ...]:
    from card_formats.core import FormatError
    from conformance.report import ReportError
    from firmware_sim.fund.errors import FundFileError
    from firmware_sim.phone.errors import PhoneFileError
    from reader_drivers.api import ReaderError
    from reader_drivers.terminal.errors import TerminalError
    from vitale_bench.home import HomeError

    return (
        FormatError,
        FundFileError,
        PhoneFileError,
        ReaderError,
        TerminalError,
        HomeError,
        ReportError,
    )
