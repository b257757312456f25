"""confluent-kafka's program among the clients: see compat/doc.go."""

import random
import sys
import threading
import time
import traceback

import confluent_kafka
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

PATIENCE = 40
FIRST_STAMP = 1_700_000_000_000
address, case, topic = sys.argv[1:]


class Wrong(Exception):
    """What is wrong with the broker, or the client."""



def record_set():
    for i in range(20):
        yield {
            "key": None if i % 4 == 0 else b"key-%d" % i,
            "value": None if i % 5 == 0 else b"" if i % 5 == 1 else f"value-{i}-ü".encode(),
            "timestamp": FIRST_STAMP + 1000 * i,
            "headers": [("name", b"header-%d" % i), ("name", b"again"), ("empty", b""), ("none", None)] if i % 2 else [],
        }


def line(i):
    return b"line %d " % i + b"x" * 100


def produce(records, **settings):
    wrong = []
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "message.timeout.ms": PATIENCE * 1000, **settings})
    for r in records:
        producer.produce(topic, partition=r.get("partition", 0), on_delivery=lambda e, m: e and wrong.append(e),
                         **{k: v for k, v in r.items() if k != "partition"})
    left = producer.flush(PATIENCE)
    if left or wrong:
        raise Wrong(f"producing: {left} records are left, errors {wrong[:1]}")


def consumer(**settings):
    return confluent_kafka.Consumer({
        "bootstrap.servers": address, "group.id": topic, "enable.auto.commit": False, "auto.offset.reset": "earliest",
        **settings})


def read(start, n, partitions=(0,)):
    c = consumer()
    c.assign([TopicPartition(topic, p, start) for p in partitions])
    got, deadline = [], time.monotonic() + PATIENCE
    while len(got) < n:
        if time.monotonic() > deadline:
            raise Wrong(f"read {len(got)} records of {n}")
        m = c.poll(0.2)
        if m is None:
            continue
        if m.error():
            raise Wrong(f"reading: {m.error()}")
        got.append(m)
    c.close()
    return got


def check_records(got):
    for i, (m, want) in enumerate(zip(got, record_set(), strict=True)):
        is_ = {"key": m.key(), "value": m.value(), "timestamp": m.timestamp()[1], "headers": m.headers() or []}
        if m.offset() != i or is_ != want:
            raise Wrong(f"record {i}: read {is_} instead of {want}")


def check_lines(got, start):
    for i, m in enumerate(got, start):
        if m.offset() != i or m.value() != line(i):
            raise Wrong(f"offset {m.offset()} holds {m.value()} instead of {line(i)}")


def lines(n):
    return [{"value": line(i)} for i in range(n)]


def offsets():
    c = consumer()
    marks = c.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE)
    if marks != (0, 20):
        raise Wrong(f"earliest and latest are {marks} instead of (0, 20)")
    for stamp, want in ((0, 0), (7000, 7), (7001, 8), (60000, -1)):
        [at] = c.offsets_for_times([TopicPartition(topic, 0, FIRST_STAMP + stamp)], timeout=PATIENCE)
        if at.error or at.offset != want:
            raise Wrong(f"at +{stamp} ms there is {at} instead of {want}")
    c.close()
    admin = AdminClient({"bootstrap.servers": address})
    newest = admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.max_timestamp()})
    for f in newest.values():
        if f.result().offset != 19:
            raise Wrong(f"the newest timestamp is at {f.result().offset} instead of 19")


def large():
    r = random.Random(1)
    records = [{"value": r.randbytes(900_000)} for _ in range(5)]
    produce(records)
    for i, m in enumerate(read(0, 5)):
        if m.value() != records[i]["value"]:
            raise Wrong(f"record {i} came back otherwise, with {len(m.value())} bytes")


def partitions():
    produce([{"partition": p, "value": b"%d:%d" % (p, i)} for i in range(10) for p in range(100)])
    for m in read(0, 1000, range(100)):
        if m.value() != b"%d:%d" % (m.partition(), m.offset()):
            raise Wrong(f"offset {m.offset()} of partition {m.partition()} holds {m.value()}")


class Member:
    """A consumer of the group, which polls on a thread of its own."""

    def __init__(self, settings):
        self.owns, self.values, self.moves, self.error = set(), [], 0, None
        self.wanted, self.stop = None, False
        self.consumer = consumer(**settings)
        self.consumer.subscribe([topic], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.revoked)
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()

    def assigned(self, _, given):
        self.moves += bool(given)
        self.owns = self.owns | {p.partition for p in given}

    def revoked(self, _, taken):
        self.moves += bool(taken)
        self.owns = self.owns - {p.partition for p in taken}

    def poll(self):
        try:
            while not self.stop:
                m = self.consumer.poll(0.05)
                if self.wanted:
                    self.consumer.commit(asynchronous=False)
                    self.wanted.set()
                    self.wanted = None
                if m is None:
                    continue
                if m.error():
                    self.error = m.error()
                else:
                    self.values.append(m.value().decode())
            self.consumer.close()
        except Exception as e:  # told by await_
            self.error = e

    def commit(self):
        done = threading.Event()
        self.wanted = done
        await_("a member has committed", done.is_set, self)

    def leave(self):
        self.stop = True
        self.thread.join(PATIENCE)


def await_(what, is_, *members):
    deadline = time.monotonic() + PATIENCE
    while not is_():
        if time.monotonic() > deadline:
            said = [f"; a member owns {m.owns}, read {len(m.values)}, last error {m.error}" for m in members]
            raise Wrong(f"no end of waiting until {what}" + "".join(said))
        time.sleep(0.02)


def fill(start):
    produce([{"partition": p, "value": b"%d:%d" % (p, i)} for i in range(start, start + 25) for p in range(4)])


def exactly(what, values, start):
    want = sorted(f"{p}:{i}" for i in range(start, start + 25) for p in range(4))
    if sorted(values) != want:
        odd = sorted(set(values) ^ set(want))
        raise Wrong(f"{what}: {len(values)} records were read instead of 100; these should not, or should: {odd[:5]}")


def share(a, b):
    return len(a.owns) == 2 and len(b.owns) == 2 and a.owns | b.owns == {0, 1, 2, 3}


def group(**settings):
    fill(0)
    a = Member(settings)
    await_("the first member owns 4 and has read 100", lambda: len(a.owns) == 4 and len(a.values) >= 100, a)
    a.commit()
    b = Member(settings)
    await_("two members share", lambda: share(a, b), a, b)
    exactly("before the rebalance", a.values, 0)
    fill(25)
    await_("both have read 100", lambda: len(a.values) + len(b.values) >= 200, a, b)
    exactly("shared", a.values[100:] + b.values, 25)
    a.commit()
    b.commit()
    b.leave()
    await_("the first member owns all again", lambda: len(a.owns) == 4, a)
    a.leave()
    fill(50)
    c = Member(settings)
    await_("the third has read 100", lambda: len(c.values) >= 100, c)
    exactly("resumed", c.values, 50)
    c.leave()


CLASSIC = {"heartbeat.interval.ms": 300, "partition.assignment.strategy": "range"}


def static():
    patient = {**CLASSIC, "session.timeout.ms": 30000}
    a = Member({**patient, "group.instance.id": "one"})
    await_("the first member owns all", lambda: len(a.owns) == 4, a)
    b = Member({**patient, "group.instance.id": "two"})
    await_("two members share", lambda: share(a, b), a, b)
    had, moves = set(b.owns), a.moves
    b.leave()
    b = Member({**patient, "group.instance.id": "two"})
    await_("the second is back", lambda: len(b.owns) == 2, a, b)
    if b.owns != had:
        raise Wrong(f"the static member had {had} and came back to {b.owns}")
    fill(0)
    await_("both have read 100", lambda: len(a.values) + len(b.values) >= 100, a, b)
    if a.moves != moves:
        raise Wrong("the other member's partitions moved when a static member came back")


def each(futures):
    return [f.result(PATIENCE) for f in futures.values()]


def admin_topics(admin):
    made = topic + "-made"

    def count():
        t = admin.list_topics(timeout=PATIENCE).topics.get(made)
        return len(t.partitions) if t and not t.error else 0

    each(admin.create_topics([NewTopic(made, 3, 1, config={"retention.ms": "3600000"})]))
    try:
        each(admin.create_topics([NewTopic(made, 3, 1)]))
        raise Wrong("a topic was created twice")
    except KafkaException as e:
        if e.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise Wrong(f"a second topic of the name is refused with {e}") from e
    await_("3 partitions are there", lambda: count() == 3)
    [described] = each(admin.describe_topics(confluent_kafka.TopicCollection([made])))
    if len(described.partitions) != 3:
        raise Wrong(f"described with {len(described.partitions)} partitions")
    each(admin.create_partitions([NewPartitions(made, 5)]))
    await_("5 partitions are there", lambda: count() == 5)
    each(admin.delete_topics([made]))
    await_("the topic is gone", lambda: count() == 0)


def admin_configs(admin):
    def value():
        [described] = each(admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]))
        return described["retention.ms"].value

    def alter(op, to):
        entry = ConfigEntry("retention.ms", to, incremental_operation=op)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        each(admin.incremental_alter_configs([resource]))

    if value() != "-1":
        raise Wrong(f"retention.ms is described as {value()} instead of -1")
    alter(AlterConfigOpType.SET, "7200000")
    await_("retention.ms is altered", lambda: value() == "7200000")
    alter(AlterConfigOpType.DELETE, None)
    await_("retention.ms is the default", lambda: value() == "604800000")


def admin_records(admin):
    produce(lines(100))
    [deleted] = each(admin.delete_records([TopicPartition(topic, 0, 60)]))
    if deleted.low_watermark != 60:
        raise Wrong(f"the answer's low watermark is {deleted.low_watermark} instead of 60")
    check_lines(read(60, 40), 60)


def admin_groups(admin):
    def committed():
        [got] = each(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(topic)]))
        return {p.partition: p.offset for p in got.topic_partitions}

    fill(0)
    m = Member(CLASSIC)
    await_("the member has read 100", lambda: len(m.values) >= 100, m)
    m.commit()
    listed = admin.list_consumer_groups().result(PATIENCE)
    if topic not in [g.group_id for g in listed.valid]:
        raise Wrong(f"the group is not listed: {listed.valid}")
    [described] = each(admin.describe_consumer_groups([topic]))
    if described.state.name != "STABLE" or len(described.members) != 1:
        raise Wrong(f"the group is described as {described.state} with {len(described.members)} members")
    try:
        each(admin.delete_consumer_groups([topic]))
        raise Wrong("a group with a member was deleted")
    except KafkaException as e:
        if e.args[0].name() != "NON_EMPTY_GROUP":
            raise Wrong(f"deleting a group with a member is refused with {e}") from e
    m.leave()
    if committed() != {0: 25, 1: 25, 2: 25, 3: 25}:
        raise Wrong(f"committed is {committed()}")
    each(admin.delete_consumer_groups([topic]))


def main():
    name, _, kind = case.partition("-")
    match name:
        case "version":
            print(f"{confluent_kafka.version()} (librdkafka {confluent_kafka.libversion()[0]})")
        case "records":
            produce(record_set())
            check_records(read(0, 20))
        case "write":
            produce(record_set())
        case "read":
            check_records(read(0, 20))
        case "codec":
            produce(lines(500), **{"compression.type": kind})
            check_lines(read(0, 500), 0)
        case "acks":
            produce(lines(100), acks=kind)
            check_lines(read(0, 100), 0)
        case "idempotence":
            produce(lines(2000), **{"enable.idempotence": True, "batch.num.messages": 20})
            check_lines(read(0, 2000), 0)
        case "seek":
            produce(lines(100))
            check_lines(read(42, 58), 42)
        case "offsets":
            offsets()
        case "large":
            large()
        case "partitions":
            partitions()
        case "group":
            match kind:
                case "eager":
                    group(**CLASSIC)
                case "cooperative":
                    group(**CLASSIC | {"partition.assignment.strategy": "cooperative-sticky"})
                case "consumer":
                    group(**{"group.protocol": "consumer"})
                case "static":
                    static()
        case "admin":
            admin = AdminClient({"bootstrap.servers": address})
            {"topics": admin_topics, "configs": admin_configs, "records": admin_records, "groups": admin_groups}[kind](admin)
        case _:
            raise Wrong(f"no case {case}")


try:
    main()
except Exception as e:
    traceback.print_exc()
    sys.stderr.flush()
    print(" ".join((str(e) if isinstance(e, Wrong) else repr(e)).split()), flush=True)
    sys.exit(1)
