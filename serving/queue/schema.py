"""The tables of the queue. Times are milliseconds of the Unix clock, by the database's clock."""

from enum import StrEnum
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

#: SQLite counts up only a plain INTEGER primary key
_Serial: Final = BigInteger().with_variant(Integer, "sqlite")


class State(StrEnum):
    """Where an item stands; WAITING and LEASED are open."""

    WAITING = "waiting"
    LEASED = "leased"
    ANSWERED = "answered"
    #: nothing to answer
    CLOSED = "closed"
    #: its messages went into another item
    MERGED = "merged"


OPEN: Final = (State.WAITING, State.LEASED)


class EventKind(StrEnum):
    """What happened to an item."""

    CREATED = "created"
    FOLLOW_UP = "follow_up"
    COPY = "copy"
    SCORED = "scored"
    WENT_PUBLIC = "went_public"
    CLAIMED = "claimed"
    RENEWED = "renewed"
    RELEASED = "released"
    LEASE_EXPIRED = "lease_expired"
    ANSWERED = "answered"
    CLOSED = "closed"
    MERGED = "merged"
    CORRECTED = "corrected"
    FORGOTTEN = "forgotten"
    PRUNED = "pruned"


#: what is answered at once: one customer's open matter
item: Final = Table(
    "item",
    METADATA,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("brand", String, nullable=False),
    Column("channel", String(16)),
    Column("team", String),
    Column("state", String(10), nullable=False),
    #: arrival of the first unanswered message
    Column("age_from", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("is_public", Boolean, nullable=False),
    #: a private case that its author took to the public
    Column("went_public", Boolean, nullable=False),
    Column("messages", Integer, nullable=False),
    #: messages of others that say the same
    Column("copies", Integer, nullable=False),
    #: largest audience of a public message
    Column("reach", BigInteger, nullable=False),
    #: minutes within which an ordinary question is due there, the shortest of its messages
    Column("target", Float, nullable=False),
    #: (6,) float64: the classes of the policy, of all its messages; NULL: not scored
    Column("posterior", LargeBinary),
    #: expected number of later messages that ask for something
    Column("follow_ups", Float, nullable=False),
    Column("intent", String(16)),
    Column("review", String),
    #: name of the model that scored its latest message
    Column("model", String),
    #: fingerprint of the policy that posterior, target and follow_ups were made with
    Column("policy", String(12)),
    #: who answered this customer last
    Column("preferred_agent", String),
    Column("owner", String),
    #: counts changes: of two readings the one with the greater is the later
    Column("version", BigInteger, nullable=False),
    #: counts claims: a holder of an older one is refused
    Column("generation", Integer, nullable=False),
    Column("lease_until", BigInteger),
    #: the latest message that is no copy
    Column("latest", BigInteger, nullable=False),
    #: the last message that the holder was given
    Column("seen", BigInteger),
    Column("claimed_at", BigInteger),
    Column("finished_at", BigInteger),
    Index("ix_item_open", "state", "age_from"),
)

message: Final = Table(
    "message",
    METADATA,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("item", BigInteger, ForeignKey("item.id"), nullable=False, index=True),
    Column("brand", String, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("external_id", String, nullable=False),
    Column("thread", String),
    Column("author", String),
    Column("customer", String),
    Column("is_public", Boolean, nullable=False),
    Column("reach", BigInteger),
    Column("text", Text, nullable=False),
    #: by the source
    Column("created_at", BigInteger),
    Column("received_at", BigInteger, nullable=False),
    #: the earlier of both: what waiting is counted from
    Column("arrived_at", BigInteger, nullable=False),
    Column("is_copy", Boolean, nullable=False),
    #: (16,) float32 and (3,) float32, calibrated; NULL: not scored
    Column("need", LargeBinary),
    Column("sentiment", LargeBinary),
    Column("language", String(8)),
    Column("review", String(16)),
    Column("model", String),
    #: whether a lesser model scored it, so that it is to be scored again
    Column("provisional", Boolean, nullable=False),
    UniqueConstraint("brand", "channel", "external_id"),
    Index("ix_message_author", "author"),
    Index("ix_message_unscored", "provisional", "seq"),
)

#: hashes of what ties a later message to an item: its thread, author, customer, what it says
item_key: Final = Table(
    "item_key",
    METADATA,
    Column("key", String(32), primary_key=True),
    Column("item", BigInteger, nullable=False, index=True),
    Column("last_at", BigInteger, nullable=False),
)

#: append-only; no text in it
event: Final = Table(
    "event",
    METADATA,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("item", BigInteger, nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String),
    Column("generation", Integer),
    #: of PostgreSQL: the transaction, since numbers become visible in another order than they rise
    Column("xid", BigInteger),
    # A number that was removed is never given again: whoever reads on from it would miss the next.
    sqlite_autoincrement=True,
)

#: labels that people gave, and what must be forgotten, in the order in which training learns it
correction: Final = Table(
    "correction",
    METADATA,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("brand", String, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("external_id", String, nullable=False),
    #: of the message, for as long as the labels are kept
    Column("author", String, index=True),
    #: a record of ``replyrank.data.label_records``
    Column("record", Text, nullable=False),
    Column("xid", BigInteger),
    Index("ix_correction_message", "brand", "channel", "external_id"),
    sqlite_autoincrement=True,
)

#: messages that were forgotten: the platform may send them again
tombstone: Final = Table(
    "tombstone",
    METADATA,
    Column("brand", String, primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("external_id", String, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

api_key: Final = Table(
    "api_key",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("name", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", String, nullable=False),
    Column("team", String),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

#: ever made and ever removed: what must equal the items that are there
tally: Final = Table(
    "tally",
    METADATA,
    Column("name", String(16), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
