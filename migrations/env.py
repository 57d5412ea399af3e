"""How Alembic reaches the database: through the connection that `paysvc db` hands over."""

from __future__ import annotations

from alembic import context

from paysvc.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run 'paysvc db upgrade': it opens the database with the settings of the installation.")

context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
