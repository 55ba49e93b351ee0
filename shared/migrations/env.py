"""Alembic runs this file for every command on every history; `alembic_steps.config_of` says on what and how."""

from alembic import context

context.configure(**context.config.attributes["options"])
with context.begin_transaction():
    context.run_migrations()
