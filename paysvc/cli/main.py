"""`paysvc`: the whole command line, its global options, and how it fails."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from paysvc import __version__
from paysvc.cli import (
    administration,
    demo,
    letters,
    payments,
    reconcile,
    registry,
    reports,
    resubmission,
    safekeeping,
    serving,
    verify,
    withdrawal,
)
from paysvc.cli.office import Office, examples
from paysvc.cli.output import messages, show_error
from paysvc.domain.errors import PaysvcError

_REPORT = "Report it with the command; set PAYSVC_TRACE=1 to see where it happened (it may show personal data)."

_EXIT_CODES = """\b
Exit codes:
  0 done            5 conflict               9 does not reconcile
  1 anything else   6 not found             10 signature invalid
  2 usage           7 waiting
  3 file refused    8 bank or database unreachable
  4 not allowed
"""


class _InOrder(click.Group):
    """Lists commands in the order of a month, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EXIT_CODES + "\n" + examples("paysvc demo --people 20000", "paysvc db upgrade", "paysvc serve"),
)
@click.version_option(__version__, prog_name="paysvc")
@click.option("--home", type=click.Path(path_type=Path), help="The installation's folder.  [default: PAYSVC_HOME]")
@click.option("--database", "database_url", metavar="URL", help="The database.  [default: PAYSVC_DATABASE_URL]")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your token, instead of PAYSVC_TOKEN.",
)
@click.pass_context
def paysvc(context: click.Context, home: Path | None, database_url: str | None, token_file: Path | None) -> None:
    """Public payments for a province: match, plan, approve, pay, reconcile, prove."""
    context.obj = Office(home, database_url, token_file)


#: In the order of a month, then what keeps an installation running.
COMMANDS = (
    demo.demo,
    payments.set_rules,
    payments.deposit_fund,
    registry.import_registry,
    registry.match_accounts,
    registry.list_matches,
    registry.review_match,
    registry.resolve_accounts,
    payments.plan_payments,
    payments.submit_plan,
    payments.approve_plan,
    payments.return_plan,
    payments.withdraw_plan,
    payments.hold_payment,
    payments.submit_batches,
    payments.collect_returns,
    payments.reconcile_returns,
    letters.propose_letter,
    letters.list_letters,
    letters.approve_letter,
    letters.decline_letter,
    letters.export_letter,
    resubmission.propose_resubmission,
    resubmission.list_resubmissions,
    resubmission.approve_resubmission,
    resubmission.decline_resubmission,
    resubmission.recall_payments,
    withdrawal.withdraw_payments,
    withdrawal.close_cycle,
    payments.show_cycle,
    reports.publish_report,
    reports.list_reports,
    reports.check,
    reports.acknowledge,
    verify.verify,
    reconcile.reconcile,
    safekeeping.backup,
    safekeeping.restore,
    safekeeping.recover,
    safekeeping.list_lost_files,
    administration.db,
    administration.officer,
    administration.schedule,
    serving.serve,
    serving.scheduler,
)

for command in COMMANDS:
    paysvc.add_command(command)


def main() -> None:
    """Run the command line; every failure is a sentence and an exit code, never a trace."""
    # A province is millions of small values that live until their step is over; looking through
    # all of them for cycles again and again took a tenth of the time and found nothing.
    gc.set_threshold(200_000, 100, 100)
    try:
        # Outside standalone mode click returns what a command gave to `context.exit`.
        exit_code = paysvc(standalone_mode=False)
    except click.ClickException as usage:
        usage.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        messages.print("Interrupted.")
        sys.exit(130)
    except PaysvcError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except SQLAlchemyError as error:
        # The text of a database error holds values; its kind does not.
        kind = type(getattr(error, "orig", None) or error).__name__
        show_error(PaysvcError("database_failed", f"The database refused ({kind}); nothing was half done."))
        sys.exit(1)
    except OSError as error:
        show_error(PaysvcError("file_unusable", f"{error.strerror or error}", place=str(error.filename or "")))
        sys.exit(1)
    except Exception as error:  # a user sees a sentence; the text of the error may hold values
        if os.environ.get("PAYSVC_TRACE") == "1":
            raise
        kind = type(error).__name__
        show_error(
            PaysvcError("unforeseen", f"Something went wrong that was not foreseen ({kind}).", next_step=_REPORT)
        )
        sys.exit(1)
    if isinstance(exit_code, int):
        sys.exit(exit_code)
