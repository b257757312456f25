"""A member of a consumer group, on skidway_client.py. Protocol: docs/format/wire.md, rules: docs/design/0005-groups.md."""
import signal, sys, time, uuid
from skidway_client import Client, SkidwayError, START, THIN_FETCH

GROUP_HEARTBEAT, COMMIT_OFFSETS, FETCH_OFFSETS = 41, 42, 43
JOIN, LEAVE, FENCED, UNKNOWN_MEMBER = 0, -1, 121, 124


class Member:
    """Reads the partitions that the group gives it. Heartbeats ride on poll: call it more often than the session lasts."""

    def __init__(self, address, group, *topics):
        self.client, self.group, self.topics, self.id = Client(address), group, list(topics), uuid.uuid4().hex
        self.join()

    def join(self):
        self.epoch, self.at = JOIN, {}  # (topic id, partition) -> [topic, next offset]
        self.heartbeat()

    def by_topic(self, entry):
        return [[t, [entry(p, at) for (u, p), (_, at) in self.at.items() if u == t]] for t in {t for t, _ in self.at}]

    def heartbeat(self, epoch=None):
        epoch = self.epoch if epoch is None else epoch
        joins, owned = epoch == JOIN, self.by_topic(lambda p, at: p) if epoch > 0 else []
        self.epoch, interval_ms, _, assigns, topics = self.client.call(GROUP_HEARTBEAT, [
            self.group, self.id, epoch, "", "", 0, "", joins, self.topics if joins else [], "", epoch >= 0, owned, 0])
        self.due = time.monotonic() + interval_ms / 1000
        if not assigns:
            return
        mine = {(t, p): name for t, name, partitions in topics for p in partitions}
        if self.at.keys() - mine.keys():
            self.due = 0  # what is let go is said with the next heartbeat, at once
        fresh = [[t, [p for u, p in mine.keys() - self.at.keys() if u == t]] for t in {t for t, _ in mine}]
        [committed] = self.client.call(FETCH_OFFSETS, [self.group, "", -1, False, fresh])
        start = {(t, p): offset for t, _, partitions in committed for p, _, offset, *_ in partitions}
        self.at = {k: self.at.get(k) or [name, start[k] if start[k] >= 0 else START] for k, name in mine.items()}

    def poll(self, wait_ms=100):
        """Yields [topic, partition, offset, key, value] of what is there; what was yielded may be committed then."""
        try:
            if time.monotonic() >= self.due:
                self.heartbeat()
        except SkidwayError as e:
            if e.code not in (FENCED, UNKNOWN_MEMBER):
                raise
            self.join()  # all that it had is others' now
        for (_, partition), place in list(self.at.items()):
            *_, after, records = self.client.call(THIN_FETCH, [*place[:1], partition, place[1], 100, 0, wait_ms])
            for offset, _, key, value, _ in records:
                yield [place[0], partition, offset, key, value]
            place[1] = after

    def commit(self):
        """Stores how far it has come: what a member reads next, whoever it is."""
        body = self.by_topic(lambda p, at: [p, at, -1, ""])
        [topics] = self.client.call(COMMIT_OFFSETS, [self.group, self.id, self.epoch, body])
        for _, partitions in topics:
            for _, error in partitions:
                if error:
                    raise SkidwayError(*error)

    def leave(self):
        self.heartbeat(LEAVE)


if __name__ == "__main__":  # ADDRESS GROUP TOPIC [COUNT]: prints records until Ctrl-C, or COUNT of them
    member, left, stop = Member(*sys.argv[1:4]), int(sys.argv[4]) if len(sys.argv) > 4 else -1, []
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))  # not in the middle of an answer
    while left != 0 and not stop:
        for topic, partition, offset, key, value in member.poll():
            print(partition, offset, value, flush=True)
            left -= 1
        member.commit()
    member.leave()
