import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** The cases of consumer groups. */
final class Groups {
    private final Client client;

    Groups(Client client) {
        this.client = client;
    }

    /** A consumer of the group, which polls on a thread of its own. */
    final class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final Set<Integer> owns = new TreeSet<>();
        final List<String> values = new ArrayList<>();
        int moves;
        private Exception error;
        private boolean commit;
        private boolean stop;
        private final Thread thread;

        Member(Map<String, ?> more) {
            Map<String, Object> settings = new HashMap<>(more);
            settings.put("group.id", client.topic);
            consumer = client.consumer(settings);
            consumer.subscribe(List.of(client.topic), this);
            thread = new Thread(this::poll);
            thread.setDaemon(true);
            thread.start();
        }

        private void poll() {
            try {
                for (;;) {
                    var records = consumer.poll(Duration.ofMillis(50));
                    boolean now;
                    synchronized (this) {
                        records.forEach(r -> values.add(Client.text(r.value())));
                        now = commit;
                        if (stop) {
                            break;
                        }
                    }
                    if (now) {
                        consumer.commitSync();
                        synchronized (this) {
                            commit = false;
                        }
                    }
                }
                consumer.close();
            } catch (Exception e) {
                synchronized (this) {
                    error = e;
                }
            }
        }

        @Override
        public synchronized void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            moves += partitions.isEmpty() ? 0 : 1;
            partitions.forEach(p -> owns.add(p.partition()));
        }

        @Override
        public synchronized void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            moves += partitions.isEmpty() ? 0 : 1;
            partitions.forEach(p -> owns.remove(p.partition()));
        }

        synchronized Set<Integer> owned() {
            return new TreeSet<>(owns);
        }

        synchronized List<String> read() {
            return new ArrayList<>(values);
        }

        synchronized int moved() {
            return moves;
        }

        synchronized boolean committed() {
            return !commit;
        }

        void commit() {
            synchronized (this) {
                commit = true;
            }
            await("a member has committed", this::committed, this);
        }

        void leave() throws InterruptedException {
            synchronized (this) {
                stop = true;
            }
            thread.join(Client.PATIENCE.toMillis());
        }

        synchronized String said() {
            return String.format("; a member owns %s, read %d, last error %s", owns, values.size(), error);
        }
    }

    static void await(String what, BooleanSupplier is, Member... members) {
        long deadline = System.nanoTime() + Client.PATIENCE.toNanos();
        while (!is.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                StringBuilder said = new StringBuilder("no end of waiting until " + what);
                for (Member m : members) {
                    said.append(m.said());
                }
                throw new Client.Wrong("%s", said);
            }
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    Member join(Map<String, ?> more) {
        return new Member(more);
    }

    void run(String kind) throws Exception {
        Map<String, String> classic = Map.of("heartbeat.interval.ms", "300");
        String assignors = "org.apache.kafka.clients.consumer.";
        switch (kind) {
            case "eager" -> group(with(classic, "partition.assignment.strategy", assignors + "RangeAssignor"));
            case "cooperative" -> group(with(classic, "partition.assignment.strategy", assignors + "CooperativeStickyAssignor"));
            case "consumer" -> group(Map.of("group.protocol", "consumer"));
            case "static" -> statically(with(classic, "partition.assignment.strategy", assignors + "RangeAssignor"));
            default -> throw new Client.Wrong("no case group-%s", kind);
        }
    }

    private static Map<String, String> with(Map<String, String> settings, String name, String value) {
        Map<String, String> more = new HashMap<>(settings);
        more.put(name, value);
        return more;
    }

    private static boolean share(Member a, Member b) {
        Set<Integer> all = a.owned();
        Set<Integer> more = b.owned();
        if (all.size() != 2 || more.size() != 2) {
            return false;
        }
        all.addAll(more);
        return all.equals(Set.of(0, 1, 2, 3));
    }

    /** Writes 25 records to each of the 4 partitions, the first of them numbered from. */
    void fill(int from) throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = from; i < from + 25; i++) {
            for (int p = 0; p < 4; p++) {
                records.add(new ProducerRecord<>(client.topic, p, null, Client.bytes(p + ":" + i)));
            }
        }
        client.produce(records, Map.of());
    }

    /** Holds that values are those of a fill, each once. */
    private static void exactly(String what, List<String> values, int from) {
        Map<String, Integer> seen = new HashMap<>();
        values.forEach(v -> seen.merge(v, 1, Integer::sum));
        for (int i = from; i < from + 25; i++) {
            for (int p = 0; p < 4; p++) {
                Integer times = seen.remove(p + ":" + i);
                if (times == null || times != 1) {
                    throw new Client.Wrong("%s: %d:%d was read %s times", what, p, i, times);
                }
            }
        }
        if (!seen.isEmpty()) {
            throw new Client.Wrong("%s: %s were read, too", what, seen.keySet());
        }
    }

    /** One member, two, one again, and one that resumes. */
    private void group(Map<String, ?> settings) throws Exception {
        fill(0);
        Member a = join(settings);
        await("the first member owns 4 and has read 100", () -> a.owned().size() == 4 && a.read().size() >= 100, a);
        a.commit();
        Member b = join(settings);
        await("two members share", () -> share(a, b), a, b);
        exactly("before the rebalance", a.read(), 0);
        fill(25);
        await("both have read 100", () -> a.read().size() + b.read().size() >= 200, a, b);
        List<String> both = a.read();
        both.addAll(b.read());
        exactly("shared", both.subList(100, both.size()), 25);
        a.commit();
        b.commit();
        b.leave();
        await("the first member owns all again", () -> a.owned().size() == 4, a);
        a.commit();
        a.leave();
        fill(50);
        Member c = join(settings);
        await("the third has read 100", () -> c.read().size() >= 100, c);
        exactly("resumed", c.read(), 50);
        c.leave();
    }

    /** A member that comes back under its instance id gets its partitions, and the other hears nothing of it. */
    private void statically(Map<String, String> settings) throws Exception {
        Map<String, String> patient = with(settings, "session.timeout.ms", "30000");
        Member a = join(with(patient, "group.instance.id", "one"));
        await("the first member owns all", () -> a.owned().size() == 4, a);
        Member b = join(with(patient, "group.instance.id", "two"));
        await("two members share", () -> share(a, b), a, b);
        Set<Integer> had = b.owned();
        int moves = a.moved();
        b.leave();
        Member back = join(with(patient, "group.instance.id", "two"));
        await("the second is back", () -> back.owned().size() == 2, a, back);
        if (!back.owned().equals(had)) {
            throw new Client.Wrong("the static member had %s and came back to %s", had, back.owned());
        }
        fill(0);
        await("both have read 100", () -> a.read().size() + back.read().size() >= 100, a, back);
        if (a.moved() != moves) {
            throw new Client.Wrong("the other member's partitions moved when a static member came back");
        }
    }
}
