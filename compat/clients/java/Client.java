import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client's program among the clients: see compat/doc.go. */
public final class Client {
    static final Duration PATIENCE = Duration.ofSeconds(40);
    static final long FIRST_STAMP = 1_700_000_000_000L;

    /** What is wrong with the broker, or the client. */
    static final class Wrong extends RuntimeException {
        private static final long serialVersionUID = 1;

        Wrong(String format, Object... args) {
            super(String.format(format, args));
        }
    }

    final String address;
    final String topic;

    Client(String address, String topic) {
        this.address = address;
        this.topic = topic;
    }

    public static void main(String[] args) {
        if (args.length != 3) {
            System.out.println("usage: Client ADDRESS CASE TOPIC");
            System.exit(1);
        }
        try {
            new Client(args[0], args[2]).run(args[1]);
            System.exit(0);
        } catch (UnsupportedOperationException e) {
            System.out.println(e.getMessage());
            System.exit(77);
        } catch (Exception e) {
            e.printStackTrace(System.out);
            Throwable last = e;
            while (last.getCause() != null) {
                last = last.getCause();
            }
            System.out.println((last instanceof Wrong ? last.getMessage() : last.toString()).replace('\n', ' '));
            System.exit(1);
        }
    }

    void run(String name) throws Exception {
        if (name.startsWith("codec-")) {
            produce(lines(500), Map.of("compression.type", name.substring(6), "linger.ms", "20"));
            checkLines(read(0, 500), 0);
        } else if (name.startsWith("acks-")) {
            produce(lines(100), Map.of("acks", name.substring(5), "enable.idempotence", "false"));
            checkLines(read(0, 100), 0);
        } else if (name.startsWith("group-")) {
            new Groups(this).run(name.substring(6));
        } else if (name.startsWith("admin-")) {
            new Admins(this).run(name.substring(6));
        } else {
            other(name);
        }
    }

    private void other(String name) throws Exception {
        switch (name) {
            case "version" -> System.out.println(version());
            case "records" -> {
                produce(recordSet(), Map.of());
                checkRecords(read(0, 20));
            }
            case "write" -> produce(recordSet(), Map.of());
            case "read" -> checkRecords(read(0, 20));
            case "idempotence" -> {
                produce(lines(2000), Map.of("enable.idempotence", "true", "linger.ms", "0", "batch.size", "2000"));
                checkLines(read(0, 2000), 0);
            }
            case "offsets" -> offsets();
            case "seek" -> {
                produce(lines(100), Map.of());
                checkLines(read(42, 58), 42);
            }
            case "large" -> large();
            case "partitions" -> partitions();
            default -> throw new Wrong("no case %s", name);
        }
    }

    private static String version() throws Exception {
        Properties p = new Properties();
        try (var in = KafkaProducer.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            p.load(in);
        }
        return p.getProperty("version");
    }

    Properties settings(Map<String, ?> more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", address);
        p.put("default.api.timeout.ms", String.valueOf(PATIENCE.toMillis()));
        p.put("enable.metrics.push", "false");
        p.putAll(more);
        return p;
    }

    void produce(List<ProducerRecord<byte[], byte[]>> records, Map<String, ?> more) throws Exception {
        Properties p = settings(more);
        p.put("max.block.ms", "30000");
        p.put("delivery.timeout.ms", "40000");
        p.put("request.timeout.ms", "20000");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<byte[], byte[]>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (var r : records) {
                sent.add(producer.send(r));
            }
            producer.flush();
            for (var f : sent) {
                f.get();
            }
        }
    }

    KafkaConsumer<byte[], byte[]> consumer(Map<String, ?> more) {
        Properties p = settings(more);
        p.putIfAbsent("enable.auto.commit", "false");
        p.putIfAbsent("auto.offset.reset", "earliest");
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Reads so many records of partition 0 from an offset on. */
    List<ConsumerRecord<byte[], byte[]>> read(long from, int n) {
        return readPartitions(Map.of(new TopicPartition(topic, 0), from), n);
    }

    private List<ConsumerRecord<byte[], byte[]>> readPartitions(Map<TopicPartition, Long> from, int n) {
        List<ConsumerRecord<byte[], byte[]>> got = new ArrayList<>();
        try (var consumer = consumer(Map.of())) {
            consumer.assign(from.keySet());
            from.forEach(consumer::seek);
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (got.size() < n) {
                if (System.nanoTime() > deadline) {
                    throw new Wrong("read %d records of %d", got.size(), n);
                }
                consumer.poll(Duration.ofMillis(200)).forEach(got::add);
            }
        }
        if (got.size() > n) {
            throw new Wrong("read %d records instead of %d", got.size(), n);
        }
        return got;
    }

    static byte[] bytes(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] b) {
        return b == null ? null : new String(b, StandardCharsets.UTF_8);
    }

    private List<ProducerRecord<byte[], byte[]>> recordSet() {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            List<Header> headers = i % 2 == 0 ? List.of() : List.of(
                    new RecordHeader("name", bytes("header-" + i)), new RecordHeader("name", bytes("again")),
                    new RecordHeader("empty", new byte[0]), new RecordHeader("none", (byte[]) null));
            String key = i % 4 == 0 ? null : "key-" + i;
            String value = i % 5 == 0 ? null : i % 5 == 1 ? "" : "value-" + i + "-ü";
            records.add(new ProducerRecord<>(topic, 0, FIRST_STAMP + 1000L * i, bytes(key), bytes(value), headers));
        }
        return records;
    }

    private void checkRecords(List<ConsumerRecord<byte[], byte[]>> got) {
        var wanted = recordSet();
        for (int i = 0; i < wanted.size(); i++) {
            var want = wanted.get(i);
            var is = got.get(i);
            boolean fine = is.offset() == i && is.timestamp() == want.timestamp() && Arrays.equals(is.key(), want.key())
                    && Arrays.equals(is.value(), want.value())
                    && Arrays.equals(is.headers().toArray(), want.headers().toArray());
            if (!fine) {
                throw new Wrong("record %d: read %s, %s=%s", i, is, text(is.key()), text(is.value()));
            }
        }
    }

    static String line(int i) {
        return "line " + i + " " + "x".repeat(100);
    }

    List<ProducerRecord<byte[], byte[]>> lines(int n) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            records.add(new ProducerRecord<>(topic, 0, null, bytes(line(i))));
        }
        return records;
    }

    static void checkLines(List<ConsumerRecord<byte[], byte[]>> got, int from) {
        for (int i = 0; i < got.size(); i++) {
            var r = got.get(i);
            if (r.offset() != from + i || !line(from + i).equals(text(r.value()))) {
                throw new Wrong("offset %d holds %s instead of %s", r.offset(), text(r.value()), line(from + i));
            }
        }
    }

    private void offsets() throws Exception {
        var partition = new TopicPartition(topic, 0);
        try (var consumer = consumer(Map.of())) {
            long first = consumer.beginningOffsets(List.of(partition)).get(partition);
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            if (first != 0 || end != 20) {
                throw new Wrong("earliest and latest are %d and %d instead of 0 and 20", first, end);
            }
            Map<Long, Long> wanted = new HashMap<>(Map.of(FIRST_STAMP, 0L, FIRST_STAMP + 7000, 7L, FIRST_STAMP + 7001, 8L));
            wanted.put(FIRST_STAMP + 60_000, null);
            wanted.forEach((stamp, want) -> {
                OffsetAndTimestamp at = consumer.offsetsForTimes(Map.of(partition, stamp)).get(partition);
                if (want == null ? at != null : at == null || at.offset() != want || at.timestamp() != FIRST_STAMP + 1000 * want) {
                    throw new Wrong("at %d there is %s instead of %s", stamp, at, want);
                }
            });
        }
        try (var admin = Admin.create(settings(Map.of()))) {
            ListOffsetsResult listed = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp()));
            long newest = listed.partitionResult(partition).get().offset();
            if (newest != 19) {
                throw new Wrong("the newest timestamp is at %d instead of 19", newest);
            }
        }
    }

    private void large() throws Exception {
        Random random = new Random(1);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            byte[] value = new byte[900_000];
            random.nextBytes(value);
            records.add(new ProducerRecord<>(topic, 0, null, value));
        }
        produce(records, Map.of());
        var got = read(0, 5);
        for (int i = 0; i < 5; i++) {
            if (!Arrays.equals(got.get(i).value(), records.get(i).value())) {
                throw new Wrong("record %d came back otherwise, with %d bytes", i, got.get(i).value().length);
            }
        }
    }

    private void partitions() throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        Map<TopicPartition, Long> from = new HashMap<>();
        for (int i = 0; i < 10; i++) {
            for (int p = 0; p < 100; p++) {
                records.add(new ProducerRecord<>(topic, p, null, bytes(p + ":" + i)));
                from.put(new TopicPartition(topic, p), 0L);
            }
        }
        Collections.shuffle(records.subList(0, 100), new Random(1));
        produce(records, Map.of());
        for (var r : readPartitions(from, 1000)) {
            if (!text(r.value()).equals(r.partition() + ":" + r.offset())) {
                throw new Wrong("offset %d of partition %d holds %s", r.offset(), r.partition(), text(r.value()));
            }
        }
    }
}
