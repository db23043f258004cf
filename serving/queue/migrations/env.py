"""Runs the scripts on the connection that ``Database.migrate`` hands over."""

from alembic import context

from replyrank.serving.queue.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite cannot alter a table in place.
    render_as_batch=True,
    # The transaction is the caller's.
    transactional_ddl=False,
)
context.run_migrations()
