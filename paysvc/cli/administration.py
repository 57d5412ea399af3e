"""Commands that set an installation up and keep it running."""

from __future__ import annotations

from datetime import timedelta

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, show_one, show_rows
from paysvc.domain.officers import Role, require
from paysvc.services import manage_officers, manage_schedules
from paysvc.store import officers, schedules, schema

PEOPLE = [role.value for role in Role if role is not Role.SYSTEM]


@click.group(epilog=examples("paysvc db upgrade", "paysvc db status"))
def db() -> None:
    """Bring the database up to date, or see which state it is in."""


@db.command("upgrade")
@pass_office
def db_upgrade(office: Office) -> None:
    """Make the schema, or bring it up to this program's version. Safe to repeat."""
    with office.open(require_schema=False) as wiring:
        schema.upgrade(wiring.database)
        messages.print(
            f"{wiring.database.description}: schema {schema.current_revision(wiring.database)}", markup=False
        )


@db.command("status")
@pass_office
@output_option
def db_status(office: Office, output: str) -> None:
    """Which database, which version, which schema."""
    with office.open(require_schema=False) as wiring:
        revision = schema.current_revision(wiring.database)
        show_one({"database": wiring.database.description, "schema": revision or "none"}, output)


@click.group(epilog=examples("paysvc officer add chief --role administrator", "paysvc officer token create lan"))
def officer() -> None:
    """Who may do what."""


@officer.command("add", epilog=examples("paysvc officer add lan --role maker"))
@click.argument("officer_id")
@click.option("--role", type=click.Choice(PEOPLE), required=True, help="What the officer may do.")
@pass_office
def officer_add(office: Office, officer_id: str, role: str) -> None:
    """Add an officer. The very first one is an administrator, needs no token, and is given one."""
    with office.open() as wiring:
        with wiring.database.read() as connection:
            is_first = officers.count_officers(connection) == 0
        if is_first:
            first = manage_officers.FIRST_START
            added = manage_officers.add_officer(
                wiring.database, wiring.clock, first, officer_id=officer_id, role=Role(role)
            )
            messages.print(f"Added {officer_id}, the first administrator. This token is shown once:")
            click.echo(manage_officers.create_token(wiring.database, wiring.clock, added, officer_id=officer_id))
            return
    with office.signed_in() as (wiring, actor):
        manage_officers.add_officer(wiring.database, wiring.clock, actor, officer_id=officer_id, role=Role(role))
        messages.print(f"Added {officer_id}. Next: paysvc officer token create {officer_id}", markup=False)


@officer.command("list")
@pass_office
@output_option
def officer_list(office: Office, output: str) -> None:
    """All officers."""
    with office.signed_in() as (wiring, actor):
        require(actor, "manage-officers")
        with wiring.database.read() as connection:
            rows = [
                {"officer": one.officer_id, "role": one.role.value, "created_at": made, "disabled_at": ended}
                for one, made, ended in officers.list_officers(connection)
            ]
    show_rows(rows, output)


@officer.command("disable")
@click.argument("officer_id")
@pass_office
def officer_disable(office: Office, officer_id: str) -> None:
    """End an officer's access at once."""
    with office.signed_in() as (wiring, actor):
        manage_officers.disable_officer(wiring.database, wiring.clock, actor, officer_id=officer_id)
        messages.print(f"Disabled {officer_id}.", markup=False)


@officer.group("token")
def officer_token() -> None:
    """Bearer tokens of officers."""


@officer_token.command("create", epilog=examples("paysvc officer token create lan --days 30 > lan.token"))
@click.argument("officer_id")
@click.option("--days", type=click.IntRange(1, manage_officers.MAX_TOKEN_DAYS), default=90, show_default=True)
@pass_office
def token_create(office: Office, officer_id: str, days: int) -> None:
    """Make a token and print it, once."""
    with office.signed_in() as (wiring, actor):
        click.echo(manage_officers.create_token(wiring.database, wiring.clock, actor, officer_id=officer_id, days=days))


@click.group(epilog=examples("paysvc schedule set nightly --verb collect-returns --every 3600", "paysvc schedule list"))
def schedule() -> None:
    """What runs by itself."""


@schedule.command("set")
@click.argument("schedule_id")
@click.option("--verb", type=click.Choice(manage_schedules.SCHEDULABLE), required=True)
@click.option("--every", type=click.IntRange(10), required=True, metavar="SECONDS")
@click.option("--disabled", is_flag=True, help="Keep it, but do not run it.")
@pass_office
def schedule_set(office: Office, schedule_id: str, verb: str, every: int, disabled: bool) -> None:
    """Add a schedule, or replace what it says."""
    with office.signed_in() as (wiring, actor):
        manage_schedules.set_schedule(
            wiring.database,
            wiring.clock,
            actor,
            schedule_id=schedule_id,
            verb=verb,
            every=timedelta(seconds=every),
            enabled=not disabled,
        )
        messages.print(f"Schedule {schedule_id} is set.", markup=False)


@schedule.command("list")
@pass_office
@output_option
def schedule_list(office: Office, output: str) -> None:
    """All schedules, and what ran last."""
    with office.signed_in() as (wiring, actor):
        require(actor, "read")
        with wiring.database.read() as connection:
            rows = [
                {key: row[key] for key in ("id", "verb", "every_seconds", "first_due_at", "enabled")}
                for row in schedules.list_schedules(connection)
            ]
    show_rows(rows, output)


@schedule.command("runs")
@pass_office
@output_option
def schedule_runs(office: Office, output: str) -> None:
    """The latest runs, newest first."""
    with office.signed_in() as (wiring, actor):
        require(actor, "read")
        with wiring.database.read() as connection:
            rows = [
                {key: row[key] for key in ("schedule_id", "due_at", "state", "finished_at", "detail")}
                for row in schedules.recent_runs(connection)
            ]
    show_rows(rows, output)
