"""The application: routes from the API, access denied by default, errors as problem details."""

from __future__ import annotations

from flask import Flask, Response
from flask_smorest import Api

from paysvc import __version__
from paysvc.web import access, observing, problems
from paysvc.web.api import (
    books,
    cycles,
    letters,
    matching,
    officers,
    registry,
    reports,
    resubmissions,
    returns,
    rules,
    schedules,
    withdrawals,
)
from paysvc.wiring import Wiring

#: The rooms of the API, in the order in which the documentation shows them.
BLUEPRINTS = (
    rules.blueprint,
    registry.blueprint,
    matching.blueprint,
    cycles.blueprint,
    returns.blueprint,
    letters.blueprint,
    resubmissions.blueprint,
    resubmissions.recalls_blueprint,
    withdrawals.blueprint,
    reports.blueprint,
    officers.blueprint,
    schedules.blueprint,
    books.blueprint,
)

#: The largest body taken: a province's registry file is some 30 MB.
MAX_BODY_BYTES = 512 << 20


class OwnApi(Api):
    """flask-smorest without its own error bodies: ours are problem details everywhere."""

    def _register_error_handlers(self) -> None:
        """Nothing: `problems.install` answers all exceptions."""


def create_app(wiring: Wiring) -> Flask:
    """The WSGI application over this wiring."""
    app = Flask("paysvc", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        API_TITLE="paysvc",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {"description": "A province's public payments, from the registry file to the signed report."},
            "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
            "security": [{"bearer": []}],
        },
    )
    app.extensions["paysvc"] = wiring
    observing.install(app)
    app.before_request(access.guard)
    problems.install(app)
    api = OwnApi(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)

    @app.get("/openapi.json")
    @access.public
    def openapi() -> Response:
        answer = app.json.response(api.spec.to_dict())
        assert isinstance(answer, Response)
        return answer

    return app
