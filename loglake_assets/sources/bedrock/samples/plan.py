"""The plan: which invocation happens when, and in which object its record lies. No record is written here."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from random import Random

from loglake_assets.sources.bedrock.samples.bodies import is_converse
from loglake_assets.sources.bedrock.samples.conversations import Conversation
from loglake_assets.sources.bedrock.samples.deliveries import UNREADABLE, Delivery
from loglake_assets.sources.bedrock.samples.invocations import Invocation
from loglake_assets.sources.bedrock.samples.oneoffs import CONVERSATIONS, SINGLES, OneOff
from loglake_assets.sources.bedrock.samples.records import body_key
from loglake_assets.sources.bedrock.samples.world import (
    AGENTS,
    CONVERSE_MODEL,
    EMBEDDING_MODEL,
    MODELS,
    NATIVE,
    NATIVE_STREAM,
    OPERATIONS,
    SOMEBODYS_AGENT,
    TEXT_MODEL,
    Agent,
)
from loglake_assets.sources.cloudtrail.samples.identifiers import hex_digits, uuid_text
from loglake_assets.sources.cloudtrail.samples.model_calls import InvokedModel
from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS, GROUP_WEIGHTS, GROUPS, PEOPLE

MIN_EVENTS = 500
DAY_SECONDS = 86_400
_SHARE, _LEAST, _LEAST_UNTRAILED = 10, 100, 60
_LAST_SECOND_A_DAY = 2
_WINDOW_SECONDS = 1800
_LAG_SECONDS = 30  # a record of a window's last seconds comes with the next window's, of midnight on the next day
_DUPLICATE_SHARE = 0.01
_CHAIN_SECONDS, _LONGEST_CHAIN = 6 * 3600, 5
_CONVERSATION_SECONDS = 900
_SOMEBODYS_SHARE = 0.15
_OPEN_SHARE = 0.3
_PARALLEL_SHARE = 0.2
_ERROR_SHARE = 0.06
_RETRY_SHARE = 0.2
_VERY_LATE_RECORDS = 25


@dataclass(frozen=True)
class Faults:
    """How often each fault occurs. `very_late` adds an object beyond the look-ahead, to `late_objects()` only."""

    corrupt: int = 1
    truncated: int = 0
    without_timestamp: int = 1
    not_json: int = 1
    very_late: int = 0


class Plan:
    """Each invocation, each conversation, and the deliveries. Made in one pass from one dice."""

    def __init__(
        self, first_day: date, days: int, events: int, seed: int, faults: Faults, invoked: list[InvokedModel]
    ) -> None:
        self.rng = Random(f"{seed}:bedrock-plan")
        self.start = int(datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC).timestamp())
        self.days, self.faults = days, faults
        self.end = self.start + days * DAY_SECONDS
        self.usable = max(_LEAST, events // _SHARE, len(invoked) + _LEAST_UNTRAILED + 4 * days)
        self.invocations: list[Invocation] = []
        self.conversations: list[Conversation] = []
        self.deliveries: list[Delivery] = []
        self.late_deliveries: list[Delivery] = []
        self.repeated: set[int] = set()
        self._add_one_offs()
        self.ordinary_from = len(self.invocations)
        self._add_invocations(invoked)
        self._add_others()
        self._deliver()
        self._repeat(max(2, round(self.usable * _DUPLICATE_SHARE)))
        self._make_unreadable()
        self._add_odd_objects()
        self._add_without_timestamp()
        self._add_very_late()
        self._finish(seed)

    def _add_one_offs(self) -> None:
        for one_off in CONVERSATIONS:
            if one_off.oddity != "across_midnight" or self.days > 1:
                self._add_one_off_conversation(one_off)
        for single in SINGLES:
            at = self._some_time()
            invocation = self._of_person(at, single.kind, single.operation)
            invocation.error, invocation.stored, invocation.absent = single.error, single.stored, single.absent
        for day in range(self.days):
            for second in range(1, _LAST_SECOND_A_DAY + 1):
                self._of_person(self.start + (day + 1) * DAY_SECONDS - second, "chat", self.rng.choice(OPERATIONS))

    def _add_one_off_conversation(self, one_off: OneOff) -> None:
        account, region = self._place()
        conversation = self._converse(one_off.agent, one_off.asks, one_off.oddity)
        time = self._some_time()
        if one_off.oddity == "across_midnight":
            time = self.start + DAY_SECONDS - 12
        if one_off.oddity == "from_the_middle":  # its first turn was before these days
            time = self.start + 20
        model, arn = self._model(one_off.operation), one_off.agent.arn(account)
        for turn in range(one_off.oddity == "from_the_middle", len(one_off.asks)):
            for error in ("ThrottlingException", "") if one_off.oddity == "retried" and turn else ("",):
                invocation = self._add(time, account, region, arn, one_off.operation, model, "turn")
                invocation.conversation, invocation.turn, invocation.error = conversation, turn, error
                time += self.rng.randint(9, 20)
                if one_off.oddity == "output_elsewhere" and turn == 0:
                    invocation.stored = ("output",)

    def _add_invocations(self, invoked: list[InvokedModel]) -> None:
        """What CloudTrail knows of: neighbours of one identity and place are a conversation, some alone begin one."""
        room = self.usable - len(self.invocations) - len(invoked)
        for chain in _chains(invoked):
            first = len(self.invocations)
            for event in chain:
                invocation = self._add(
                    event.time, event.account, event.region, event.arn, event.event_name, event.model, "chat"
                )
                invocation.request_id = event.request_id
                invocation.in_readable_trail = event.is_readable
            if len(chain) == 1 and chain[0].arn and self.rng.random() < _SOMEBODYS_SHARE:
                more = min(room, self.rng.randint(0, 3))
                room -= self._go_on(self.invocations[-1], more)
            elif len(chain) == 1:
                continue
            turns = self.invocations[first:]
            conversation = self._converse(SOMEBODYS_AGENT, self._asks(len(turns)))
            for turn, invocation in enumerate(turns):
                invocation.kind, invocation.conversation, invocation.turn = "turn", conversation, turn

    def _go_on(self, begun: Invocation, more: int) -> int:
        """Add as many invocations of the same kind as asked for, none after the last day; their number."""
        time = begun.time
        for number in range(more):
            time += self.rng.randint(3, 60)
            if time >= self.end:
                return number
            self._add(time, begun.account, begun.region, begun.arn, begun.operation, begun.model, "turn")
        return more

    def _add_others(self) -> None:
        """What no trail knows of: conversations of the named agents, and people's single questions."""
        while (room := self.usable - len(self.invocations)) > 0:
            if self.rng.random() < 0.3 and room > 1:
                self._add_conversation(min(room, self.rng.randint(2, 5)))
            else:
                kind = self.rng.choices(("chat", "embedding", "text", "hostile"), (10, 4, 3, 1))[0]
                operation = _OPERATIONS_OF_KIND.get(kind, OPERATIONS)
                self._of_person(self._some_time(), kind, self.rng.choice(operation))

    def _add_conversation(self, size: int) -> None:
        agent, operation = self.rng.choice(AGENTS), self.rng.choice(OPERATIONS)
        account, region = self._place()
        model, time = self._model(operation), self._some_time()
        failed = size - 1 if size > 2 and self.rng.random() < _RETRY_SHARE else size
        conversation = self._converse(agent, self._asks(min(size, failed)))
        for number in range(size):
            invocation = self._add(time, account, region, agent.arn(account), operation, model, "turn")
            invocation.conversation, invocation.turn = conversation, number - (number >= failed)
            if number == failed - 1 and failed < size:  # throttled, and asked again
                invocation.error = "ThrottlingException"
            time += self.rng.randint(3, 60)

    def _of_person(self, time: int, kind: str, operation: str) -> Invocation:
        account, region = self._place()
        arn = f"arn:aws:iam::{account}:user/{self.rng.choice(PEOPLE)}"
        model = {"embedding": EMBEDDING_MODEL, "text": TEXT_MODEL}.get(kind) or self._model(operation)
        invocation = self._add(time, account, region, arn, operation, model, kind)
        if kind == "chat" and self.rng.random() < _ERROR_SHARE:
            invocation.error = self.rng.choice(("ThrottlingException", "ValidationException"))
        return invocation

    def _add(self, time: int, account: str, region: str, arn: str, operation: str, model: str, kind: str) -> Invocation:
        model = model.format(account=account, region=region)
        request_id = uuid_text(self.rng)
        self.invocations.append(Invocation(time, account, region, arn, request_id, operation, model, kind))
        return self.invocations[-1]

    def _place(self) -> tuple[str, str]:
        account, region = self.rng.choices(GROUPS, GROUP_WEIGHTS)[0]
        return ACCOUNTS[account][1], region

    def _some_time(self) -> int:
        return self.start + self.rng.randrange(self.days * DAY_SECONDS - _CONVERSATION_SECONDS)

    def _model(self, operation: str) -> str:
        return self.rng.choice((*MODELS, CONVERSE_MODEL) if is_converse(operation) else MODELS)

    def _converse(self, agent: Agent, asks: tuple[int, ...], oddity: str = "") -> Conversation:
        self.conversations.append(Conversation(len(self.conversations), agent, asks, oddity))
        return self.conversations[-1]

    def _asks(self, turns: int) -> tuple[int, ...]:
        """How many tools each turn asks for; the last asks for none, or for one whose result nobody sees."""
        asks = [1 + (self.rng.random() < _PARALLEL_SHARE) for _ in range(turns - 1)]
        return (*asks, int(turns == 1 or self.rng.random() < _OPEN_SHARE))

    def _deliver(self) -> None:
        """What an account and Region gathered in half an hour is one object, delivered within that half hour."""
        gathered: dict[tuple[int, str], list[int]] = defaultdict(list)
        for index, invocation in enumerate(self.invocations):
            window = (invocation.time + _LAG_SECONDS) // _WINDOW_SECONDS
            gathered[window, invocation.region_folder].append(index)
        for (window, folder), indices in sorted(gathered.items()):
            time = (window + 1) * _WINDOW_SECONDS - self.rng.randint(1, _LAG_SECONDS - 1)
            self.deliveries.append(Delivery(folder, time, indices))

    def _repeat(self, wanted: int) -> None:
        """Some records come again, in an object some minutes later."""
        originals = list(self.deliveries)
        while wanted > 0:
            original = self.rng.choice(originals)
            copied = self.rng.sample(original.invocations, min(wanted, len(original.invocations), 3))
            self.repeated.update(copied)
            self.deliveries.append(Delivery(original.folder, original.time + self.rng.randint(60, 600), copied))
            wanted -= len(copied)

    def _make_unreadable(self) -> None:
        """Plain objects of the days themselves: rather those of several records, and with part of a conversation."""
        kinds = [kind for kind in UNREADABLE for _ in range(getattr(self.faults, kind))]
        eligible = [d for d in self.deliveries if d.time < self.end and self._is_plain(d)]
        if len(eligible) < len(kinds):
            raise ValueError(
                f"{len(kinds)} objects are to be unreadable and {len(eligible)} are plain: ask for more events"
            )
        eligible.sort(
            key=lambda d: (-self._has_part(d) - (len(d.invocations) > 1), -len(d.invocations), d.time, d.folder)
        )
        chosen = self.rng.sample(eligible[: max(len(kinds), len(eligible) // 8)], len(kinds))
        for kind, delivery in zip(kinds, chosen, strict=True):
            delivery.kind = kind

    def _is_plain(self, delivery: Delivery) -> bool:
        """Whether each of its records is there once only, and none of them is a one-off."""
        return min(delivery.invocations) >= self.ordinary_from and not self.repeated & set(delivery.invocations)

    def _has_part(self, delivery: Delivery) -> bool:
        """Whether a conversation begins in it and goes on elsewhere."""
        inside = [self.invocations[index] for index in delivery.invocations]
        turns = {i.conversation.number: i for i in inside if i.conversation}
        asked = {i.conversation.number for i in inside if i.conversation and i.turn == 0}
        return any(n in asked and i.conversation and i.turn + 1 < len(i.conversation.asks) for n, i in turns.items())

    def _add_odd_objects(self) -> None:
        for index, invocation in enumerate(self.invocations):
            for part in sorted(set(invocation.stored) - set(invocation.absent)):
                key = body_key(invocation, part)
                body = Delivery(invocation.region_folder, invocation.time, [index], "body", part=part, body_key=key)
                self.deliveries.append(body)
        folders = sorted({i.region_folder for i in self.invocations})
        for account_folder, group in groupby(folders, key=lambda folder: folder.rpartition("/")[0]):
            del account_folder
            self.deliveries.append(Delivery(next(group), self.start - DAY_SECONDS, kind="permission_check"))
        for hour, kind in ((9, "zero_byte"), (10, "folder_marker"), (11, "unknown_key")):
            self.deliveries.append(Delivery(folders[-1], self.start + hour * 3600, kind=kind))

    def _add_without_timestamp(self) -> None:
        """Records that can be no row, delivered on the days themselves: building those days accounts for them."""
        logs = [d for d in self.deliveries if d.kind == "log" and d.time < self.end]
        for delivery in self.rng.choices(logs, k=self.faults.without_timestamp):
            beside = self.invocations[delivery.invocations[0]]
            delivery.invocations = [*delivery.invocations, len(self.invocations)]
            self._add(delivery.time, beside.account, beside.region, beside.arn, NATIVE, MODELS[0], "without_timestamp")

    def _add_very_late(self) -> None:
        noon_of_the_fourth_day = self.start + 3 * DAY_SECONDS + 12 * 3600
        for _ in range(self.faults.very_late):
            first = len(self.invocations)
            account, region = self._place()
            for _ in range(_VERY_LATE_RECORDS):
                time = self.start + self.rng.randrange(DAY_SECONDS)
                arn = f"arn:aws:iam::{account}:user/{self.rng.choice(PEOPLE)}"
                self._add(time, account, region, arn, self.rng.choice(OPERATIONS), MODELS[0], "chat")
            folder = self.invocations[-1].region_folder
            records = list(range(first, len(self.invocations)))
            self.late_deliveries.append(Delivery(folder, noon_of_the_fourth_day, records))

    def _finish(self, seed: int) -> None:
        """Names, the order of the records in an object, and the order of delivery."""
        for number, delivery in enumerate([*self.deliveries, *self.late_deliveries]):
            delivery.unique = hex_digits(Random(f"{seed}:bedrock-object:{number}"), 16)
            delivery.invocations.sort(key=lambda index: (self.invocations[index].time, index))
        self.deliveries.sort(key=lambda d: (d.time, d.key))


_OPERATIONS_OF_KIND = {"embedding": (NATIVE,), "text": (NATIVE, NATIVE_STREAM)}


def _chains(invoked: list[InvokedModel]) -> list[list[InvokedModel]]:
    """Events of one identity, account and Region, each within some hours of the one before; time only ever grows."""
    by_identity: dict[tuple[str, str, str], list[InvokedModel]] = defaultdict(list)
    for event in invoked:
        by_identity[event.account, event.region, event.arn].append(event)
    chains = []
    for (_, _, arn), events in sorted(by_identity.items()):
        chain = [events[0]]
        for before, event in pairwise(events):
            if arn and len(chain) < _LONGEST_CHAIN and 0 < event.time - before.time <= _CHAIN_SECONDS:
                chain.append(event)
                continue
            chains.append(chain)
            chain = [event]
        chains.append(chain)
    return chains
