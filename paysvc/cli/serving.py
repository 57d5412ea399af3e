"""Commands that stay: the API with its scheduler, or the scheduler alone."""

from __future__ import annotations

from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

from paysvc import scheduler as ticking
from paysvc.cli.office import Office, examples, pass_office
from paysvc.cli.output import messages
from paysvc.config import Settings
from paysvc.domain.errors import Waiting
from paysvc.services import manage_schedules
from paysvc.services.manage_officers import FIRST_START
from paysvc.store import schema
from paysvc.web.app import create_app
from paysvc.web.observing import configure_logging
from paysvc.wiring import wire


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn brings no types
    """gunicorn, threads in one process; the application is made after the fork, never before."""

    def __init__(self, settings: Settings, with_scheduler: bool) -> None:
        self._settings, self._with_scheduler = settings, with_scheduler
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"{self._settings.host}:{self._settings.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._settings.threads,
            # An import of a whole province is answered when it is done.
            "timeout": 900,
            "graceful_timeout": 60,
            "preload_app": False,
            "control_socket_disable": True,
            "accesslog": None,
            "loglevel": "warning",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        configure_logging(self._settings.log_level)
        wiring = wire(self._settings)
        schema.require_current(wiring.database)
        _prepare()  # before the first request, so that none waits for a kernel to be compiled
        if self._with_scheduler:
            try:
                manage_schedules.set_default_schedules(wiring.database, wiring.clock, FIRST_START)
            except Waiting as doubt:
                # A database that was put back is served to readers; no tick runs before it is recovered.
                messages.print(f"{doubt.code}: {doubt.message} {doubt.next_step}", markup=False)
            ticking.start_in_background(wiring)
        return create_app(wiring)


def _prepare() -> None:
    # Imported here: no other command should wait for the compiler to be loaded.
    from paysvc.core.prepare import prepare

    prepare()


@click.command(epilog=examples("paysvc serve", "paysvc --home paysvc-demo/office serve --port 8080"))
@click.option("--host", help="Address to listen on.  [default: PAYSVC_HOST or 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: PAYSVC_PORT or 8000]")
@click.option("--without-scheduler", is_flag=True, help="Only the API; run 'paysvc scheduler' elsewhere.")
@pass_office
def serve(office: Office, host: str | None, port: int | None, without_scheduler: bool) -> None:
    """Run the API and, for the embedded default, the scheduler beside it."""
    from dataclasses import replace

    settings = office.settings()
    settings = replace(settings, host=host or settings.host, port=settings.port if port is None else port)
    with office.open() as wiring:
        messages.print(wiring.database.description, markup=False)
    messages.print(f"Listening on http://{settings.host}:{settings.port} (the API: /openapi.json)", markup=False)
    _Server(settings, with_scheduler=not without_scheduler).run()


@click.command(epilog=examples("paysvc scheduler"))
@pass_office
def scheduler(office: Office) -> None:
    """Run what the database says is due, until interrupted. Several may run: a slot is run once."""
    configure_logging(office.settings().log_level)
    with office.open() as wiring:
        messages.print(f"{wiring.database.description}; ticking every {ticking.TICK.seconds} s", markup=False)
        _prepare()
        ticking.run_forever(wiring)
