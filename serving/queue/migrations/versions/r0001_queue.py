"""The tables of the queue."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts up only a plain INTEGER primary key.
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """To this version."""
    _make_api_key()
    _make_correction()
    _make_event()
    _make_item()
    _make_item_key()
    _make_tally()
    _make_tombstone()
    _make_message()
    _number_transactions()


def downgrade() -> None:
    """To the version before."""
    op.drop_index("ix_message_unscored", table_name="message")
    op.drop_index(op.f("ix_message_item"), table_name="message")
    op.drop_index("ix_message_author", table_name="message")
    op.drop_table("message")
    op.drop_table("tombstone")
    op.drop_table("tally")
    op.drop_index(op.f("ix_item_key_item"), table_name="item_key")
    op.drop_table("item_key")
    op.drop_index("ix_item_open", table_name="item")
    op.drop_table("item")
    op.drop_index(op.f("ix_event_item"), table_name="event")
    op.drop_table("event")
    op.drop_index("ix_correction_message", table_name="correction")
    op.drop_index(op.f("ix_correction_author"), table_name="correction")
    op.drop_table("correction")
    op.drop_table("api_key")


def _make_api_key() -> None:
    """Who may ask, as hashes."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("team", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )


def _make_correction() -> None:
    """Labels that people gave, in the order in which training learns them."""
    op.create_table(
        "correction",
        sa.Column("seq", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("brand", sa.String(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_correction")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_correction_author"), "correction", ["author"], unique=False)
    op.create_index(
        "ix_correction_message", "correction", ["brand", "channel", "external_id"], unique=False
    )


def _make_event() -> None:
    """What happened to items."""
    op.create_table(
        "event",
        sa.Column("seq", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("xid", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_item"), "event", ["item"], unique=False)


def _make_item() -> None:
    """What is answered at once."""
    op.create_table(
        "item",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("brand", sa.String(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=True),
        sa.Column("team", sa.String(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("age_from", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("went_public", sa.Boolean(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("reach", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.Float(), nullable=False),
        sa.Column("posterior", sa.LargeBinary(), nullable=True),
        sa.Column("follow_ups", sa.Float(), nullable=False),
        sa.Column("intent", sa.String(length=16), nullable=True),
        sa.Column("review", sa.String(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("policy", sa.String(length=12), nullable=True),
        sa.Column("preferred_agent", sa.String(), nullable=True),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("latest", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=True),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item")),
    )
    op.create_index("ix_item_open", "item", ["state", "age_from"], unique=False)


def _make_item_key() -> None:
    """What ties a later message to an item."""
    op.create_table(
        "item_key",
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_item_key")),
    )
    op.create_index(op.f("ix_item_key_item"), "item_key", ["item"], unique=False)


def _make_tally() -> None:
    """How many items were ever made and removed."""
    op.create_table(
        "tally",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tally")),
    )


def _make_tombstone() -> None:
    """Messages that were forgotten."""
    op.create_table(
        "tombstone",
        sa.Column("brand", sa.String(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("brand", "channel", "external_id", name=op.f("pk_tombstone")),
    )


def _make_message() -> None:
    """What came in, with its scores."""
    op.create_table(
        "message",
        sa.Column("seq", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.Column("brand", sa.String(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("thread", sa.String(), nullable=True),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("customer", sa.String(), nullable=True),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("reach", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("is_copy", sa.Boolean(), nullable=False),
        sa.Column("need", sa.LargeBinary(), nullable=True),
        sa.Column("sentiment", sa.LargeBinary(), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("review", sa.String(length=16), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["item"], ["item.id"], name=op.f("fk_message_item")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_message")),
        sa.UniqueConstraint(
            "brand", "channel", "external_id", name=op.f("uq_message_brand_channel_external_id")
        ),
    )
    op.create_index("ix_message_author", "message", ["author"], unique=False)
    op.create_index(op.f("ix_message_item"), "message", ["item"], unique=False)
    op.create_index("ix_message_unscored", "message", ["provisional", "seq"], unique=False)


def _number_transactions() -> None:
    """On PostgreSQL numbers become visible in another order than they rise."""
    if op.get_context().dialect.name == "postgresql":
        for table in ("event", "correction"):
            op.execute(
                f"ALTER TABLE {table} ALTER COLUMN xid "
                "SET DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)"
            )
