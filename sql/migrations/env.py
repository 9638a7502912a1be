"""Alembic's entry: runs the migrations on the connection that `taskyard.core.postgres.database.migrate` hands over."""

from alembic import context

from taskyard.core.postgres.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
