"""kafka-python's program among the clients: see compat/doc.go."""

import random
import sys
import threading
import time
import traceback

import kafka
from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import TopicAlreadyExistsError

PATIENCE = 40
FIRST_STAMP = 1_700_000_000_000
address, case, topic = sys.argv[1:]


class Wrong(Exception):
    """What is wrong with the broker, or the client."""


class NotApplicable(Exception):
    """What the client does not have."""


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
    producer = KafkaProducer(bootstrap_servers=address, delivery_timeout_ms=PATIENCE * 1000, request_timeout_ms=30000,
                             **settings)
    sent = [producer.send(topic, value=r["value"], key=r.get("key"), headers=r.get("headers"),
                          partition=r.get("partition", 0), timestamp_ms=r.get("timestamp")) for r in records]
    producer.flush(PATIENCE)
    for f in sent:
        f.get(PATIENCE)
    producer.close()


def consumer(**settings):
    return KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest", **settings)


def read(start, n, partitions=(0,)):
    c = consumer()
    c.assign([TopicPartition(topic, p) for p in partitions])
    for p in partitions:
        c.seek(TopicPartition(topic, p), start)
    got, deadline = [], time.monotonic() + PATIENCE
    while len(got) < n:
        if time.monotonic() > deadline:
            raise Wrong(f"read {len(got)} records of {n}")
        for records in c.poll(200).values():
            got += records
    c.close()
    return got


def check_records(got, records):
    for i, (m, want) in enumerate(zip(got, records, strict=True)):
        is_ = {"key": m.key, "value": m.value, "timestamp": m.timestamp, "headers": list(m.headers)}
        if m.offset != i or is_ != want:
            raise Wrong(f"record {i}: read {is_} instead of {want}")


def check_lines(got, start):
    for i, m in enumerate(got, start):
        if m.offset != i or m.value != line(i):
            raise Wrong(f"offset {m.offset} holds {m.value} instead of {line(i)}")


def lines(n):
    return [{"value": line(i)} for i in range(n)]


def offsets():
    c, partition = consumer(), TopicPartition(topic, 0)
    marks = c.beginning_offsets([partition])[partition], c.end_offsets([partition])[partition]
    if marks != (0, 20):
        raise Wrong(f"earliest and latest are {marks} instead of (0, 20)")
    for stamp, want in ((0, 0), (7000, 7), (7001, 8), (60000, None)):
        at = c.offsets_for_times({partition: FIRST_STAMP + stamp})[partition]
        if (at and at.offset) != want:
            raise Wrong(f"at +{stamp} ms there is {at} instead of {want}")
    c.close()


def large():
    r = random.Random(1)
    records = [{"value": r.randbytes(900_000)} for _ in range(5)]
    produce(records)
    for i, m in enumerate(read(0, 5)):
        if m.value != records[i]["value"]:
            raise Wrong(f"record {i} came back otherwise, with {len(m.value)} bytes")


def partitions():
    produce([{"partition": p, "value": b"%d:%d" % (p, i)} for i in range(10) for p in range(100)])
    for m in read(0, 1000, range(100)):
        if m.value != b"%d:%d" % (m.partition, m.offset):
            raise Wrong(f"offset {m.offset} of partition {m.partition} holds {m.value}")


class Member(ConsumerRebalanceListener):
    """A consumer of the group, which polls on a thread of its own."""

    def __init__(self, settings):
        self.owns, self.values, self.moves, self.error = set(), [], 0, None
        self.wanted, self.stop = None, False
        self.consumer = consumer(group_id=topic, **settings)
        self.consumer.subscribe([topic], listener=self)
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()

    def on_partitions_assigned(self, assigned):
        self.moves += bool(assigned)
        self.owns = self.owns | {p.partition for p in assigned}

    def on_partitions_revoked(self, revoked):
        self.moves += bool(revoked)
        self.owns = self.owns - {p.partition for p in revoked}

    def poll(self):
        try:
            while not self.stop:
                for records in self.consumer.poll(50).values():
                    self.values += [m.value.decode() for m in records]
                if self.wanted:
                    self.consumer.commit()
                    self.wanted.set()
                    self.wanted = None
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


CLASSIC = {"heartbeat_interval_ms": 300, "partition_assignment_strategy": [RangePartitionAssignor]}


def static():
    patient = {**CLASSIC, "session_timeout_ms": 30000}
    a = Member({**patient, "group_instance_id": "one"})
    await_("the first member owns all", lambda: len(a.owns) == 4, a)
    b = Member({**patient, "group_instance_id": "two"})
    await_("two members share", lambda: share(a, b), a, b)
    had, moves = set(b.owns), a.moves
    b.leave()
    b = Member({**patient, "group_instance_id": "two"})
    await_("the second is back", lambda: len(b.owns) == 2, a, b)
    if b.owns != had:
        raise Wrong(f"the static member had {had} and came back to {b.owns}")
    fill(0)
    await_("both have read 100", lambda: len(a.values) + len(b.values) >= 100, a, b)
    if a.moves != moves:
        raise Wrong("the other member's partitions moved when a static member came back")


def admin_topics(admin):
    made = topic + "-made"

    def count():
        return len(admin.describe_topics([made])[0]["partitions"]) if made in admin.list_topics() else 0

    wanted = {made: {"num_partitions": 3, "replication_factor": 1, "configs": {"retention.ms": "3600000"}}}
    admin.create_topics(wanted)
    try:
        admin.create_topics(wanted)
        raise Wrong("a topic was created twice")
    except TopicAlreadyExistsError:
        pass
    await_("3 partitions are there", lambda: count() == 3)
    admin.create_partitions({made: 5})
    await_("5 partitions are there", lambda: count() == 5)
    admin.delete_topics([made])
    await_("the topic is gone", lambda: count() == 0)


def admin_configs(admin):
    def value():
        described = admin.describe_configs([ConfigResource("topic", topic)], config_filter="all")
        return described["topic"][topic]["retention.ms"]["value"]

    if value() != "-1":
        raise Wrong(f"retention.ms is described as {value()} instead of -1")
    admin.alter_configs([ConfigResource("topic", topic, {"retention.ms": "7200000"})])
    await_("retention.ms is altered", lambda: value() == "7200000")
    admin.reset_configs([ConfigResource("topic", topic, ["retention.ms"])])
    await_("retention.ms is the default", lambda: value() == "604800000")


def admin_records(admin):
    produce(lines(100))
    partition = TopicPartition(topic, 0)
    deleted = admin.delete_records({partition: 60})
    if deleted[partition]["low_watermark"] != 60:
        raise Wrong(f"the answer is {deleted} instead of a low watermark of 60")
    check_lines(read(60, 40), 60)


def admin_groups(admin):
    fill(0)
    m = Member(CLASSIC)
    await_("the member has read 100", lambda: len(m.values) >= 100, m)
    m.commit()
    listed = admin.list_groups()
    if topic not in [g["group_id"] for g in listed]:
        raise Wrong(f"the group is not listed: {listed}")
    described = admin.describe_groups([topic])[topic]
    if described["group_state"] != "Stable" or len(described["members"]) != 1:
        raise Wrong(f"the group is described as {described}")
    if "NonEmptyGroupError" not in repr(admin.delete_groups([topic])):
        raise Wrong("a group with a member was deleted")
    m.leave()
    committed = {p.partition: o.offset for p, o in admin.list_group_offsets(topic)[topic].items()}
    if committed != {0: 25, 1: 25, 2: 25, 3: 25}:
        raise Wrong(f"committed is {committed}")
    deleted = admin.delete_groups([topic])
    if "Error" in repr(deleted).replace("NoError", ""):
        raise Wrong(f"deleting the group: {deleted}")


def main():
    name, _, kind = case.partition("-")
    match name:
        case "version":
            print(kafka.__version__)
        case "records":
            records = list(record_set())[1:]  # the first has neither key nor value, which kafka-python refuses
            for r in records:  # and it refuses headers without a value
                r["headers"] = [h for h in r["headers"] if h[1] is not None]
            produce(records)
            check_records(read(0, 19), records)
        case "write":
            raise NotApplicable("kafka-python writes no record without key and value, and no header without a value")
        case "read":
            check_records(read(0, 20), record_set())
        case "codec":
            produce(lines(500), compression_type=None if kind == "none" else kind)
            check_lines(read(0, 500), 0)
        case "acks":
            produce(lines(100), acks=kind if kind == "all" else int(kind), enable_idempotence=False)
            check_lines(read(0, 100), 0)
        case "idempotence":
            produce(lines(2000), enable_idempotence=True, batch_size=2000)
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
                    group(**CLASSIC | {"partition_assignment_strategy": [CooperativeStickyAssignor]})
                case "consumer":
                    raise NotApplicable("kafka-python does not know the protocol of KIP-848")
                case "static":
                    static()
        case "admin":
            admin = KafkaAdminClient(bootstrap_servers=address)
            {"topics": admin_topics, "configs": admin_configs, "records": admin_records, "groups": admin_groups}[kind](admin)
        case _:
            raise Wrong(f"no case {case}")


try:
    main()
except NotApplicable as e:
    print(e)
    sys.exit(77)
except Exception as e:
    traceback.print_exc()
    sys.stderr.flush()
    print(" ".join((str(e) if isinstance(e, Wrong) else repr(e)).split()), flush=True)
    sys.exit(1)
