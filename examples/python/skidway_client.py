"""A Skidway client for Python, on the msgpack package alone. Protocol: docs/format/wire.md."""
import socket, struct, sys
import msgpack

HELLO, CREATE_TOPICS, THIN_PRODUCE, THIN_FETCH, START, TOPIC_EXISTS = 0, 10, 30, 31, -2, 111


class SkidwayError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{message} [E{code}]")
        self.code, self.message = code, message


class Client:
    def __init__(self, address, timeout=10):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host.strip("[]"), int(port)), timeout)
        self.stream, self.last = self.sock.makefile("rb"), 0
        self.call(HELLO, ["skidway_client.py", "1"])

    def call(self, api, body):
        """Sends one request, version 1, and returns the body of its answer."""
        self.last += 1
        frame = msgpack.packb([api, 1, self.last, body])
        self.sock.sendall(struct.pack(">I", len(frame)) + frame)
        _, error, answer = msgpack.unpackb(self.read(struct.unpack(">I", self.read(4))[0]))
        if error:
            raise SkidwayError(*error)
        return answer

    def read(self, n):
        data = self.stream.read(n)
        if len(data) < n:
            raise ConnectionError("the broker closed the connection")
        return data

    def create_topic(self, name, partitions=1):
        [[[_, error, *_]]] = self.call(CREATE_TOPICS, [[[name, partitions, 0, []]], False])
        if error and error[0] != TOPIC_EXISTS:
            raise SkidwayError(*error)

    def produce(self, topic, records, partition=-1, acks=-1):
        """Appends (key, value) pairs, each bytes, str or None; returns their partition and first offset."""
        return self.call(THIN_PRODUCE, [topic, partition, acks, [[k, v, [], 0] for k, v in records]])

    def consume(self, topic, partition=0, offset=START, wait_ms=0):
        """Yields [offset, timestamp_ms, key, value, headers] until the end of the partition."""
        while True:
            _, end, offset, records = self.call(THIN_FETCH, [topic, partition, offset, 0, 0, wait_ms])
            yield from records
            if offset >= end:
                return


if __name__ == "__main__":
    client, topic = Client(sys.argv[1]), sys.argv[2]
    client.create_topic(topic)
    partition, first = client.produce(topic, [("a", "one"), ("b", "two"), (None, "three")])
    for offset, timestamp, key, value, headers in client.consume(topic, partition, first):
        print(partition, offset, timestamp, key, value)
