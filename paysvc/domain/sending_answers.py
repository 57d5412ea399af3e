"""What a bank's answer to a file means, and what to tell when it gave none."""

from __future__ import annotations

from paysvc.domain.errors import ConnectorUnavailable, Waiting

#: A bank that says "I have this already" (ISO 20022 ExternalStatusReason: a duplicate file, message, block,
#: transaction, EndToEndId or InstrId) does not refuse the payments: it has the file.
ALREADY_THERE = frozenset({"DUPL", "AM05", "DU01", "DU02", "DU03", "DU04", "DU05"})

#: ISO 20022: the reason is in free text.
_FREE_TEXT = "NARR"


#: Why a payment goes into no file: two officers answered for the one that it left in.
PAID_BY_HAND = "It left in a file before the database was restored, and officers answer for that one by hand."


def reason_of_refusal(words: str) -> str:
    """The code at the start of a bank's refusal (2 to 35 letters and digits), or NARR."""
    first = words.split(" ", 1)[0]
    return first if first.isascii() and first.isalnum() and 2 <= len(first) <= 35 else _FREE_TEXT


def unreachable(bank_code: str, message_id: str, verb: str) -> ConnectorUnavailable:
    """Nothing left us; it may be sent any time."""
    return ConnectorUnavailable(
        "bank_unreachable",
        f"Bank {bank_code} could not be reached; the file {message_id} did not leave.",
        next_step=f"Run {verb} again later; the same bytes will be sent.",
    )


def no_answer(bank_code: str, message_id: str, verb: str, while_asking: str = "") -> Waiting:
    """The bank may have the file and has not said so; `verb` asks it again, `while_asking` names what
    went wrong when it was asked."""
    why = f" ({while_asking})" if while_asking else ""
    return Waiting(
        "outcome_unknown",
        f"Bank {bank_code} may have the file {message_id}; it has not said so{why}.",
        next_step=f"Run {verb} again to ask the bank; a file of the bank that answers it settles it as well.",
    )


def says_nothing(bank_code: str, message_id: str) -> Waiting:
    """The bank had the file, its day is over, and nothing came back of it."""
    return Waiting(
        "bank_says_nothing",
        f"Bank {bank_code} has the file {message_id}, and has said nothing of its payments days after they were due.",
        next_step="Ask the bank for its status file and its statements; nothing is taken for paid or for failed.",
    )


def needs_a_person(bank_code: str, message_id: str, why: str) -> Waiting:
    """The bank may have the file, and no program can find out safely."""
    return Waiting(
        "outcome_needs_a_person",
        f"Bank {bank_code} may have the file {message_id}, and {why}.",
        next_step="Ask the bank by telephone. Its status file, its statement or its letter (propose-letter) settles it;"
        " nothing is sent until then.",
    )


def lost_file_open(message_id: str, cycle_code: str) -> Waiting:
    """Nothing new may leave: people may be in a file that this database does not know yet."""
    of_cycle = f" of cycle {cycle_code}" if cycle_code else ""
    return Waiting(
        "lost_file_open",
        f"The file {message_id}{of_cycle} left before the database was restored, and no plan says again what it says;"
        " nothing new is sent until one does.",
        next_step="Plan that cycle again under its code, have it approved and run submit-batches for it;"
        " docs/operations.md, 'A lost file'.",
    )
