"""Seeded faults: what could be wrong in a service like this one, and has to be noticed.

Each is a change of the source of one or two functions, built into the processes of a run and
nowhere else: `./run prove --bug NAME` has to fail. A test sees to it that the text that is
changed is still there, so that no fault quietly becomes none.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType
from typing import Any

from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class Edit:
    """In this function (`Class.method` or a name of the module), `old` reads `new`."""

    module: str
    function: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """One fault; `what` says it in a sentence. `schema` names what is taken out of the tables once they are made:
    an index, a trigger, or the columns of a UNIQUE constraint."""

    name: str
    what: str
    edits: tuple[Edit, ...] = ()
    schema: str = ""
    #: In which levels of the proving ground it is known to show, and on which databases it can be built in.
    levels: tuple[str, ...] = ("month",)
    databases: tuple[str, ...] = ("sqlite", "postgresql")

    @property
    def is_of_slots(self) -> bool:
        """Whether it changes something of the little that runs in the level of slots."""
        return any(edit.module in _OF_SLOTS for edit in self.edits)


_OF_SLOTS = ("paysvc.scheduler", "paysvc.store.schedules", "paysvc.store.leases")
_HANDING = "paysvc.handing_over"
_TAKING = "paysvc.store.statement_taking"

_ALL = (
    Bug(
        "new-ids-on-retry",
        "A file is sent a second time under a new message id and new end-to-end ids.",
        (
            Edit(
                _HANDING,
                "send",
                "    outcome, detail",
                "    if claim.number > 1:\n"
                "        import re\n"
                "        fresh = re.sub(rb'(P[0-9A-Z]{14})[0-9A-Z]', rb'\\g<1>0', content)\n"
                "        other = outgoing.message_id[:-1] + '0'\n"
                "        fresh = fresh.replace(outgoing.message_id.encode(), other.encode())\n"
                "        name = outgoing.name.replace(outgoing.message_id, other)\n"
                "        leaving = BankFile(name, fresh, other, leaving.totals)\n"
                "    outcome, detail",
            ),
            Edit(
                _HANDING,
                "_believe",
                "not _is_noticed(able, first or now, now)",
                "False",
            ),
        ),
    ),
    Bug(
        "sent-before-noted",
        "The file leaves first, and the attempt is noted when the bank has answered.",
        (
            Edit(
                _HANDING,
                "send",
                "    try:\n        claim",
                "    adapter.send(BankFile(outgoing.name, content, outgoing.message_id, outgoing.totals))\n"
                "    reach('answered')\n"
                "    try:\n        claim",
            ),
        ),
    ),
    Bug(
        "time-out-is-refusal",
        "A sending without an answer is taken for a refusal, and the people for unpaid.",
        (
            Edit(
                "paysvc.store.sending",
                "record_unknown",
                "    moved = batches.move_batch(connection, one, BatchState.UNKNOWN)\n",
                "    return record_refused(connection, one, one.created_at, 'TIME')\n"
                "    moved = batches.move_batch(connection, one, BatchState.UNKNOWN)\n",
            ),
        ),
    ),
    Bug(
        "unknown-expires",
        "What is unknown for an hour is taken for refused.",
        (
            Edit(
                _HANDING,
                "_ask",
                "    if not able.can_enquire:\n",
                "    with desk.database.write() as connection:\n"
                "        now = desk.clock.now()\n"
                "        if outgoing.attempts.first_at(connection, outgoing.attempts_of) < now - timedelta(hours=1):\n"
                "            return outgoing.move(connection, Stage.REFUSED, now, 'TIME')\n"
                "    if not able.can_enquire:\n",
            ),
        ),
    ),
    Bug(
        "regenerated-on-retry",
        "The file is made anew for a second sending, and differs.",
        (
            Edit(
                _HANDING,
                "send",
                "    outcome, detail",
                "    content += b'\\n' * claim.number\n"
                "    leaving = BankFile(outgoing.name, content, outgoing.message_id, leaving.totals)\n"
                "    outcome, detail",
            ),
        ),
    ),
    Bug(
        "refusal-overlooked",
        "A bank's refusal of a file is noted as its acceptance.",
        (
            Edit(
                _HANDING,
                "_note_answer",
                "        if outcome is AttemptOutcome.SENT and",
                "        if outcome in (AttemptOutcome.SENT, AttemptOutcome.REFUSED) and",
            ),
            Edit(
                "paysvc.store.status_taking",
                "_rows",
                " or group.status in REFUSALS]",
                "]",
            ),
        ),
    ),
    Bug(
        "batched-twice",
        "A run of submit-batches also takes payments that are in a batch already.",
        (
            Edit(
                "paysvc.store.batches",
                "read_planned",
                "columns.state == InstructionState.PLANNED.value",
                "columns.state.in_(['PLANNED', 'BATCHED', 'SENT'])",
            ),
        ),
    ),
    Bug(
        "wrong-account",
        "The accounts in a file are shifted by one row against the people.",
        (
            Edit(
                "paysvc.store.payment_batches",
                "_opened",
                '"creditor_account": accounts,',
                '"creditor_account": TextColumn.of([*accounts.to_list()[1:], *accounts.to_list()[:1]]),',
            ),
        ),
    ),
    Bug(
        "money-stays-reserved",
        "When a bank refuses a file, the money is not given back to the fund.",
        (
            Edit(
                "paysvc.store.sending",
                "record_refused",
                "    ledger.post(connection,",
                "    postings or ledger.post(connection,",
            ),
        ),
    ),
    Bug(
        "statement-twice",
        "A statement that comes again under another id is booked again.",
        (
            Edit(_TAKING, "_says_what_was_said", "            return True\n", "            return has_its_id\n"),
            Edit(_TAKING, "_require_continuity", "    answer = fit(", "    return\n    answer = fit("),
        ),
    ),
    Bug(
        "matched-by-amount",
        "A line is matched to a payment of the same amount, whatever its reference.",
        (
            Edit(
                _TAKING,
                "_take",
                '    positions = find_positions(TextColumn.of(known["end_to_end_id"]), entries.reference)\n',
                "    of_amount = {amount: row for row, amount in enumerate(known['amount_vnd'])}\n"
                "    amounts = entries.amount_vnd.tolist()\n"
                "    positions = np.array([of_amount.get(one, -1) for one in amounts], dtype=np.int32)\n",
            ),
        ),
    ),
    Bug(
        "float-money",
        "Amounts pass through a floating-point number on their way into the books.",
        (
            Edit(
                _TAKING,
                "_joined",
                "        after[name] = (np.array(known[name], dtype=np.int64) + getattr(added, name)).tolist()\n",
                "        more = [int(int(new) * 1.1 / 1.1) for new in getattr(added, name)]\n"
                "        after[name] = [old + new for old, new in zip(known[name], more)]\n",
            ),
        ),
    ),
    Bug(
        "second-debit-unseen",
        "A second debit of the bank for one payment is taken without a word.",
        (
            Edit(
                "paysvc.store.money_moves",
                "_note",
                "    found = verdicts.discrepancies(tally)\n",
                "    found = {}\n",
            ),
        ),
    ),
    Bug(
        "return-is-refusal",
        "Money that came back counts as never having left.",
        (
            Edit(
                "paysvc.core.standing",
                "states",
                "found[outcomes == verdicts.RETURNED] = _RETURNED",
                "found[outcomes == verdicts.RETURNED] = _REJECTED",
            ),
        ),
    ),
    Bug(
        "same-file-again",
        "A file that was fetched under another name is noted once more.",
        (Edit("paysvc.store.returns", "store_file", "    if file_id is None:\n", "    if True:\n"),),
    ),
    Bug(
        "parked-forgotten",
        "A file that has to wait for another is never looked at again.",
        (
            Edit(
                "paysvc.store.returns",
                "list_undecided",
                "[FileState.STORED.value, FileState.PARKED.value]",
                "[FileState.STORED.value]",
            ),
            Edit(
                "paysvc.services.reconcile_returns",
                "reconcile_returns",
                "        queue = _reread(",
                "        queue = []\n        _reread(",
            ),
        ),
    ),
    Bug(
        "noted-before-kept",
        "A fetched file is noted first, and its bytes are kept afterwards.",
        (
            Edit(
                "paysvc.services.collect_returns",
                "_fetch",
                "vault.put(fetched.content), len(fetched.content)))",
                "__import__('hashlib').sha256(fetched.content).digest(), len(fetched.content)))\n"
                "        globals().setdefault('_late', []).append(fetched.content)",
            ),
            Edit(
                "paysvc.services.collect_returns",
                "collect_returns",
                "actor, bank.settings.code, kept)\n",
                "actor, bank.settings.code, kept)\n"
                "            for content in globals().pop('_late', []):\n"
                "                vault.put(content)\n",
            ),
        ),
    ),
    Bug(
        "file-visible-too-early",
        "A file is written under its own name at once, instead of beside it.",
        (
            Edit(
                "paysvc.store.vault",
                "Vault.put",
                "        temporary = path.with_name(",
                "        temporary = path\n        (",
            ),
            Edit(
                "paysvc.store.vault",
                "Vault.put",
                '            file.flush()\n            reach("written")\n',
                '            reach("written")\n            file.flush()\n',
            ),
        ),
        levels=("drill",),
    ),
    Bug(
        "somebody-left-out",
        "The last enrolment of a long list is not planned, and nobody is told.",
        (
            Edit(
                "paysvc.services.plan_payments",
                "_read_facts",
                "enrolments=plan_facts.read_enrolments(connection, codes, months[-1]),",
                "enrolments={name: column[:-1] if len(column) > 16 else column for name, column in\n"
                "            plan_facts.read_enrolments(connection, codes, months[-1]).items()},",
            ),
        ),
    ),
    Bug(
        "dead-are-paid",
        "Matching does not look whether the population database says that somebody died.",
        (Edit("paysvc.domain.matching", "_outcome", 'situation.population != "alive"', 'situation.population == "?"'),),
    ),
    Bug(
        "another-holder",
        "An account is taken whoever its holder is, when the number is that of the person.",
        (Edit("paysvc.domain.matching", "_outcome", "return Outcome.NAME_MISMATCH", "return Outcome.MATCHED"),),
    ),
    Bug(
        "event-outside",
        "What happened is written into the trail after the transaction, with the next one.",
        (
            Edit(
                "paysvc.store.audit_trail",
                "append",
                "    event_id = next_ids(",
                "    late = globals().setdefault('_late', [])\n"
                "    late.append((at, actor, verb, subject, detail))\n"
                "    if len(late) == 1:\n"
                "        return\n"
                "    at, actor, verb, subject, detail = late.pop(0)\n"
                "    event_id = next_ids(",
            ),
        ),
    ),
    Bug(
        "index-key-forgotten",
        "Each start draws another key for the blind index, so a person is not found again.",
        (
            Edit(
                "paysvc.sealing",
                "Sealer.blind_index",
                '        block = self.index_key.ljust(64, b"\\x00")\n',
                "        import os\n        block = (b'%d' % os.getpid()).ljust(64, b\"\\x00\")\n",
            ),
        ),
    ),
    Bug(
        "slot-unclaimed",
        "A slot is run without being claimed first.",
        (
            Edit(
                "paysvc.scheduler",
                "Ticker._run_slot",
                "if not schedules.claim(connection, slot, self._holder, token, wiring.clock.now()):",
                "if False:",
            ),
        ),
    ),
    Bug(
        "lease-without-fence",
        "Who slept while another took over goes on with its slots: nobody looks at the token of its lease.",
        (
            Edit(
                "paysvc.store.schedules",
                "claim",
                "    if not leases.is_held(connection, LEASE, token):\n",
                "    if False:\n",
            ),
            Edit(
                "paysvc.store.schedules",
                "claim",
                "where(of_slot, run.c.state == CLAIMED, run.c.token < token)",
                "where(of_slot, run.c.state == CLAIMED)",
            ),
            Edit("paysvc.store.schedules", "finish", "            run.c.token == token,\n", ""),
        ),
        schema="run_claimed_in_turn",
        levels=("slots",),
    ),
    Bug(
        "lease-for-everybody",
        "Whoever asks for the lease has it, whether another works under it or not.",
        (
            Edit(
                "paysvc.store.leases",
                "take",
                "taken_over.where(or_(lease.c.until <= now, ",
                "taken_over.where(or_(True, ",
            ),
            Edit("paysvc.store.leases", "take", "    if held is not None:\n", "    if False:\n"),
        ),
        levels=("slots",),
    ),
    Bug(
        "restored-database-trusted",
        "A database that is older than what was done with it is worked with as if nothing were.",
        (
            Edit(
                "paysvc.store.witness",
                "Witness.doubt",
                "        said = self._said()\n",
                "        return None\n        said = self._said()\n",
            ),
        ),
        levels=("put-back",),
    ),
    Bug(
        "silence-is-consent",
        "A bank that took a file and says nothing of it is never asked.",
        (
            Edit(
                "paysvc.outgoing_batches",
                "_ask_why_silent",
                "        if not batches",
                "        if True or not batches",
            ),
        ),
        levels=("month", "drill"),
    ),
    Bug(
        "double-in-a-sealed-file-leaves",
        "A file that nobody has yet leaves with a payment of which it is known that another was made in its stead.",
        (
            Edit(
                "paysvc.store.dissolving",
                "find_overtaken",
                "    if not doubles:\n",
                "    if True or not doubles:\n",
            ),
        ),
        levels=("drill",),
    ),
    Bug(
        "dissolved-file-leaves-again",
        "After an older database was put back, a file that was dissolved leaves beside the one with its payments.",
        (
            Edit("paysvc.store.lost_files", "find_written_again", "        if left:\n", "        if False and left:\n"),
            Edit("paysvc.store.lost_files", "_is_written_again", "first() is not None", "first() is False"),
        ),
        levels=("drill",),
    ),
    Bug(
        "report-of-earlier-days",
        "A report shows how things stood twelve days before the moment that it names.",
        (
            Edit(
                "paysvc.services.publish_report",
                "_read",
                "    as_of = wanted.as_of\n",
                "    from datetime import timedelta\n    as_of = wanted.as_of - timedelta(days=12)\n",
            ),
        ),
    ),
    Bug(
        "signed-before-complete",
        "A report is signed before the digests of its files are in it.",
        (
            Edit(
                "paysvc.domain.report",
                "sign",
                "signer.sign(content)",
                "signer.sign(report.body)",
            ),
        ),
    ),
    Bug(
        "no-rule-u1",
        "The database takes a second obligation of one person for one month.",
        schema="obligation (programme_code, period, beneficiary_id, component)",
    ),
    Bug(
        "no-rule-u2",
        "The database takes a second live payment of one entitlement.",
        schema="uq_instruction_live",
    ),
    Bug(
        "postings-may-change",
        "The database lets a posting be changed that was posted.",
        schema="posting_stands",
    ),
    Bug(
        "no-sync",
        "The database is told not to wait until the disk has what it writes.",
        (Edit("paysvc.store.engine", "_open_sqlite", '"synchronous = FULL"', '"synchronous = OFF"'),),
        levels=("calls",),
        databases=("sqlite",),
    ),
)

BUGS = {bug.name: bug for bug in _ALL}


def build_in(name: str) -> None:
    """Build the fault of this name into this process; "" builds in none. Raises KeyError."""
    if name:
        for edit in BUGS[name].edits:
            apply(edit)


def apply(edit: Edit) -> None:
    """Change the function for everybody in this process. Raises ValueError when the text is not there once."""
    owner, name, original, source = changed_source(edit)
    module = import_module(edit.module)
    changed = _compiled(source, original, module, name)
    _SOURCES[f"{edit.module}.{edit.function}"] = source
    before = getattr(owner, name)
    setattr(owner, name, changed)
    if owner is module:
        _replace_everywhere(before, changed)


def changed_source(edit: Edit) -> tuple[Any, str, Callable[..., Any], str]:
    """Where the function is, its name, the function itself, and its source with the change in it.

    Raises ValueError when the text to be changed is not there exactly once.
    """
    owner: Any = import_module(edit.module)
    *owners, name = edit.function.split(".")
    for one in owners:
        owner = getattr(owner, one)
    original = inspect.unwrap(inspect.getattr_static(owner, name))
    source = _SOURCES.get(f"{edit.module}.{edit.function}") or textwrap.dedent(inspect.getsource(original))
    old, new = (_moved_left(text) if owners else text for text in (edit.old, edit.new))
    if source.count(old) != 1:
        raise ValueError(f"{edit.module}.{edit.function}: the text to be changed is there {source.count(old)} times")
    return owner, name, original, source.replace(old, new)


def damage(engine: Engine, name: str) -> None:
    """Take out of the tables what the fault of this name leaves out."""
    what = BUGS[name].schema if name else ""
    if not what:
        return
    with engine.begin() as connection:
        table, _, columns = what.partition(" ")
        if columns:
            _drop_unique(connection, table, columns)
            _let_replace(connection, table)
        elif what.startswith("uq_"):
            connection.exec_driver_sql(f"DROP INDEX {what}")
            _let_replace(connection, what.split("_")[1])
        elif connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TRIGGER {what}")
        else:
            connection.exec_driver_sql(f"DROP FUNCTION rule_{what}() CASCADE")


def _let_replace(connection: Connection, table: str) -> None:
    """On SQLite a trigger says beforehand what the constraint would say."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"DROP TRIGGER {table}_never_replaced")
        connection.exec_driver_sql(f"DROP TRIGGER {table}_never_replaced_by_update")


def _drop_unique(connection: Connection, table: str, columns: str) -> None:
    if connection.dialect.name == "postgresql":
        name = connection.exec_driver_sql(
            f"SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype = 'u'"
        ).scalar_one()
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        return
    # SQLite keeps a constraint as part of the table: the (empty) table is made anew without it.
    rows = connection.exec_driver_sql(
        f"SELECT type, sql FROM sqlite_master WHERE tbl_name = '{table}' AND sql IS NOT NULL"
        " ORDER BY type = 'table' DESC"
    ).all()
    statements = [re.sub(r",\s*CONSTRAINT \w+ UNIQUE \([^)]*\)", "", sql) for _, sql in rows]
    if statements[0] == rows[0][1]:
        raise ValueError(f"{table} has no UNIQUE constraint to take out")
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.exec_driver_sql(f"DROP TABLE {table}")
    for statement in statements:
        connection.exec_driver_sql(statement)


#: Sources as they are after earlier edits of the same function.
_SOURCES: dict[str, str] = {}


def _moved_left(text: str) -> str:
    # A method's source is moved to the left by one step before it is compiled.
    return "\n".join(line.removeprefix("    ") for line in text.split("\n"))


def _compiled(source: str, original: Callable[..., Any], module: Any, name: str) -> Any:
    found: dict[str, Any] = {}
    code = compile("from __future__ import annotations\n" + source, original.__code__.co_filename, "exec")
    exec(code, module.__dict__, found)
    changed = found[name]
    if isinstance(changed, FunctionType):
        changed.__qualname__ = original.__qualname__
        # Failpoints are named after what stands in the code.
        changed.__code__ = changed.__code__.replace(co_qualname=original.__code__.co_qualname)
    return changed


def _replace_everywhere(before: Any, changed: Any) -> None:
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("paysvc"):
            for name, value in list(vars(module).items()):
                if value is before:
                    setattr(module, name, changed)
