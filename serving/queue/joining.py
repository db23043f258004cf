"""Which open item a message belongs to, decided inside the transaction that takes it in.

The rules are those of ``replyrank.pipeline.threads``, kept up message by message: a thread ties for
good, an author or a customer within the policy's window. What says the same as an open public item
of somebody else, the same numbers among it, joins it as a copy: it is counted, and adds nothing to
what is known of the matter.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from replyrank.data.near_copies import THRESHOLD, similarity
from replyrank.data.vocabulary import Visibility
from replyrank.pipeline.policy import Policy
from replyrank.serving.queue.inbound import Inbound, Keys
from replyrank.serving.queue.schema import OPEN, EventKind, State, item, item_key, message
from replyrank.serving.queue.statements import among, insert_rows, reserve, upsert_keys

_HOUR: int = 3_600_000
#: a message that claims to be older is a mistake of its source
_OLDEST: int = 3_660 * 24 * _HOUR


@dataclass(slots=True)
class Draft:
    """An item as this transaction will leave it."""

    brand: str
    channel: str | None
    team: str | None
    age_from: int
    last_at: int
    is_public: bool
    target: float
    first_text: str
    #: None until it is inserted
    id: int | None = None
    state: State = State.WAITING
    went_public: bool = False
    messages: int = 0
    copies: int = 0
    reach: int = 0
    latest: int = 0
    preferred_agent: str | None = None
    changed: bool = False
    #: another draft that took this one in
    merged_into: "Draft | None" = None

    def survivor(self) -> "Draft":
        """The draft that stands for it now."""
        draft = self
        while draft.merged_into is not None:
            draft = draft.merged_into
        return draft


@dataclass(slots=True)
class _Key:
    draft: Draft | None
    last_at: int
    #: who answered the item that the key led to, if it is not open any more
    answered_by: str | None = None


@dataclass(slots=True)
class Placed:
    """A message and where it went."""

    seq: int
    inbound: Inbound
    draft: Draft
    arrived_at: int
    is_public: bool
    is_copy: bool
    happened: EventKind


@dataclass
class Joining:
    """Joins the messages of one transaction.

    Args:
        connection: of the transaction.
        policy: the window, and what an unknown visibility counts as.
        now: by the database's clock, milliseconds.
        team: of whoever hands the messages in.
    """

    connection: Connection
    policy: Policy
    now: int
    team: str | None
    placed: list[Placed] = field(default_factory=list)
    _keys: dict[str, _Key] = field(default_factory=dict)
    _drafts: dict[int, Draft] = field(default_factory=dict)
    _new: list[Draft] = field(default_factory=list)
    _merged: list[Draft] = field(default_factory=list)

    def join(self, messages: Sequence[Inbound], keys: Sequence[Keys], seqs: Sequence[int]) -> None:
        """Give every message its item, in order.

        Args:
            messages: new ones.
            keys: what ties each.
            seqs: the number of each.
        """
        self._load({key for own in keys for key in own.all})
        for seq, inbound, own in zip(seqs, messages, keys, strict=True):
            self._place(seq, inbound, own)

    def write(self) -> frozenset[int]:
        """Write items and keys; returns the items that changed. Messages are the caller's."""
        if self._new:
            values = [_values(draft) for draft in self._new]
            ids = reserve(self.connection, item, len(values))
            for draft, number in zip(self._new, ids, strict=True):
                draft.id = number
            rows = [{"id": number, **one} for number, one in zip(ids, values, strict=True)]
            insert_rows(self.connection, item, rows)
        # In the order of their numbers, as everywhere: two writers wait, and never for each other.
        old = sorted(
            (draft for draft in self._drafts.values() if draft.changed), key=lambda one: one.id or 0
        )
        if old:
            changing = (
                update(item).where(item.c.id == bindparam("_id")).values(version=item.c.version + 1)
            )
            self.connection.execute(changing, [{"_id": d.id, **_values(d)} for d in old])
        self._write_merged()
        upsert_keys(
            self.connection,
            [
                {"key": name, "item": key.draft.survivor().id, "last_at": key.last_at}
                for name, key in self._keys.items()
                if key.draft is not None and key.draft.survivor().changed
            ],
        )
        return frozenset(d.id for d in (*self._new, *old) if d.id is not None)

    @property
    def merged(self) -> Sequence[Draft]:
        """Items that went into others."""
        return self._merged

    @property
    def created(self) -> int:
        """How many items are new."""
        return len(self._new)

    def _write_merged(self) -> None:
        for draft in self._merged:
            into = draft.survivor().id
            for table in (message, item_key):
                self.connection.execute(
                    update(table).where(table.c.item == draft.id).values(item=into)
                )
            self.connection.execute(
                update(item).where(item.c.id == draft.id).values(state=State.MERGED)
            )

    def _load(self, names: Iterable[str]) -> None:
        """The keys that are known, and the items that they lead to.

        The items are locked: what is decided of them here holds until it is written.
        """
        known = select(item_key.c.key, item_key.c.last_at, item_key.c.item)
        found = self.connection.execute(
            known.where(among(self.connection, item_key.c.key, names))
        ).all()
        first = (
            select(message.c.text)
            .where(message.c.item == item.c.id)
            .order_by(message.c.seq)
            .limit(1)
            .scalar_subquery()
        )
        query = (
            select(item, first.label("first_text"))
            .where(among(self.connection, item.c.id, {row.item for row in found}))
            .order_by(item.c.id)
            .with_for_update(of=item)
        )
        rows = {row["id"]: row for row in self.connection.execute(query).mappings()}
        for key, last_at, number in found:
            row = rows.get(number)
            if row is None:
                continue
            if row["state"] in OPEN:
                draft = self._drafts.setdefault(number, _draft(row))
                self._keys[key] = _Key(draft, last_at)
            else:
                self._keys[key] = _Key(None, last_at, row["owner"])

    def _place(self, seq: int, inbound: Inbound, keys: Keys) -> None:
        given = inbound.message
        visibility = self.policy.visibility(given.channel, given.visibility)
        is_public = visibility is Visibility.PUBLIC
        target = self.policy.target_minutes(given.channel, visibility)
        arrived = self.now
        if given.created_at is not None:
            created = int(given.created_at.timestamp() * 1_000)
            arrived = min(max(created, self.now - _OLDEST), self.now)
        found = self._tied(keys, arrived)
        copied = None if found else self._copied(inbound, keys, arrived)
        draft, happened = found or copied, EventKind.FOLLOW_UP if found else EventKind.COPY
        if draft is None:
            happened = EventKind.CREATED
            draft = Draft(
                inbound.brand,
                inbound.channel,
                self.team,
                arrived,
                arrived,
                is_public,
                target,
                given.text,
                preferred_agent=self._answered_by(keys, arrived),
            )
            self._new.append(draft)
        if found and is_public and not draft.is_public:
            draft.went_public, happened = True, EventKind.WENT_PUBLIC
        self._grow(draft, arrived, is_public=is_public, target=target, reach=given.reach or 0)
        if happened is EventKind.COPY:
            draft.copies += 1
        else:
            draft.messages += 1
            draft.latest = max(draft.latest, seq)
            # Whoever only passes on what another wrote may yet have a matter of his own.
            self._tie(draft, keys, arrived, is_new=happened is EventKind.CREATED)
        self.placed.append(
            Placed(seq, inbound, draft, arrived, is_public, happened is EventKind.COPY, happened)
        )

    def _grow(
        self, draft: Draft, arrived: int, *, is_public: bool, target: float, reach: int
    ) -> None:
        draft.changed = True
        draft.age_from = min(draft.age_from, arrived)
        draft.last_at = max(draft.last_at, arrived)
        draft.target = min(draft.target, target)
        draft.is_public = draft.is_public or is_public
        if is_public:
            draft.reach = max(draft.reach, reach)

    def _tie(self, draft: Draft, keys: Keys, arrived: int, *, is_new: bool) -> None:
        names = (*keys.always, *keys.within_window, *(keys.copies if is_new else ()))
        for name in names:
            known = self._keys.get(name)
            last = arrived if known is None else max(known.last_at, arrived)
            self._keys[name] = _Key(draft, last)

    def _tied(self, keys: Keys, arrived: int) -> Draft | None:
        """The open item that a message belongs to; where there are several, they become one."""
        found: list[Draft] = []
        for name in (*keys.always, *keys.within_window):
            key = self._keys.get(name)
            if key is None or key.draft is None:
                continue
            if name in keys.within_window and not self._is_recent(key, arrived):
                continue
            draft = key.draft.survivor()
            if draft not in found:
                found.append(draft)
        if not found:
            return None
        return self._one_of(found)

    def _one_of(self, found: list[Draft]) -> Draft:
        """What an agent holds, as it is; else the oldest, which takes the others in."""
        found.sort(key=lambda draft: (draft.state is not State.LEASED, draft.age_from))
        kept = found[0]
        # What would come into a held item behind its holder's back might be answered unread.
        for other in found[1:] if kept.state is State.WAITING else ():
            self._grow(
                kept,
                other.age_from,
                is_public=other.is_public,
                target=other.target,
                reach=other.reach,
            )
            kept.last_at = max(kept.last_at, other.last_at)
            kept.messages += other.messages
            kept.latest = max(kept.latest, other.latest)
            kept.copies += other.copies
            kept.went_public = kept.went_public or other.went_public
            kept.preferred_agent = kept.preferred_agent or other.preferred_agent
            other.merged_into, other.changed = kept, True
            if other.id is None:
                self._new.remove(other)
            else:
                self._merged.append(other)
        return kept

    def _copied(self, inbound: Inbound, keys: Keys, arrived: int) -> Draft | None:
        for name in keys.copies:
            key = self._keys.get(name)
            if key is None or key.draft is None or not self._is_recent(key, arrived):
                continue
            draft = key.draft.survivor()
            alike = similarity(draft.first_text, inbound.message.text) >= THRESHOLD
            if draft.is_public and draft.brand == inbound.brand and alike:
                return draft
        return None

    def _answered_by(self, keys: Keys, arrived: int) -> str | None:
        """Who answered this customer last."""
        for name in (*keys.always, *keys.within_window):
            key = self._keys.get(name)
            if key is not None and key.answered_by and self._is_recent(key, arrived):
                return key.answered_by
        return None

    def _is_recent(self, key: _Key, arrived: int) -> bool:
        # Messages may come late: the one that came first may be the younger.
        return abs(arrived - key.last_at) <= self.policy.threads.window_hours * _HOUR


def _draft(row: Mapping[Any, Any]) -> Draft:
    return Draft(
        brand=row["brand"],
        channel=row["channel"],
        team=row["team"],
        age_from=row["age_from"],
        last_at=row["last_at"],
        is_public=row["is_public"],
        target=row["target"],
        first_text=row["first_text"] or "",
        id=row["id"],
        state=State(row["state"]),
        went_public=row["went_public"],
        messages=row["messages"],
        copies=row["copies"],
        reach=row["reach"],
        latest=row["latest"],
        preferred_agent=row["preferred_agent"],
    )


def _values(draft: Draft) -> dict[str, object]:
    values: dict[str, object] = {
        name: getattr(draft, name)
        for name in (
            *("age_from", "last_at", "is_public", "went_public", "messages", "copies", "reach"),
            *("target", "preferred_agent", "latest"),
        )
    }
    if draft.id is None:
        values |= {"brand": draft.brand, "channel": draft.channel, "team": draft.team}
        values |= {"state": State.WAITING, "follow_ups": 0.0, "generation": 0, "version": 1}
    return values


def placed_items(placed: Sequence[Placed]) -> Iterator[int]:
    """The item of every message, once all are written."""
    for one in placed:
        number = one.draft.survivor().id
        assert number is not None  # noqa: S101  written before
        yield number
