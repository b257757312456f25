import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The cases of administration. */
final class Admins {
    private final Client client;

    Admins(Client client) {
        this.client = client;
    }

    /** Something that is asked of the broker. */
    interface Ask<T> {
        T get() throws ExecutionException, InterruptedException;
    }

    void run(String kind) throws Exception {
        try (Admin admin = Admin.create(client.settings(Map.of()))) {
            switch (kind) {
                case "topics" -> topics(admin);
                case "configs" -> configs(admin);
                case "records" -> records(admin);
                case "groups" -> groups(admin);
                default -> throw new Client.Wrong("no case admin-%s", kind);
            }
        }
    }

    /** Holds that something is refused with one kind of error. */
    private static void refused(String what, Class<? extends Exception> why, Ask<?> ask) throws InterruptedException {
        try {
            ask.get();
        } catch (ExecutionException e) {
            if (why.isInstance(e.getCause())) {
                return;
            }
            throw new Client.Wrong("%s is refused with %s instead of %s", what, e.getCause(), why.getSimpleName());
        }
        throw new Client.Wrong("%s is not refused", what);
    }

    private static int partitions(Admin admin, String topic) {
        try {
            return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof UnknownTopicOrPartitionException) {
                return 0;
            }
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private void topics(Admin admin) throws Exception {
        String topic = client.topic + "-made";
        var wanted = new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "3600000"));
        var made = admin.createTopics(List.of(wanted));
        made.all().get();
        if (made.numPartitions(topic).get() != 3) {
            throw new Client.Wrong("create answered %d partitions instead of 3", made.numPartitions(topic).get());
        }
        String retention = made.config(topic).get().get("retention.ms").value();
        if (!"3600000".equals(retention)) {
            throw new Client.Wrong("create answered a retention.ms of %s", retention);
        }
        refused("a second topic of the name", TopicExistsException.class, () -> admin.createTopics(List.of(wanted)).all().get());
        if (!admin.listTopics().names().get().contains(topic)) {
            throw new Client.Wrong("the topic is not listed");
        }
        Groups.await("3 partitions are there", () -> partitions(admin, topic) == 3);
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        Groups.await("5 partitions are there", () -> partitions(admin, topic) == 5);
        admin.deleteTopics(List.of(topic)).all().get();
        Groups.await("the topic is gone", () -> partitions(admin, topic) == 0);
        if (admin.describeCluster().nodes().get().isEmpty()) {
            throw new Client.Wrong("the cluster has no nodes");
        }
    }

    private static String config(Admin admin, ConfigResource of, String name) {
        try {
            return admin.describeConfigs(List.of(of)).all().get().get(of).get(name).value();
        } catch (ExecutionException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private void configs(Admin admin) throws Exception {
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, client.topic);
        String is = config(admin, topic, "retention.ms");
        if (!"-1".equals(is)) {
            throw new Client.Wrong("retention.ms is described as %s instead of -1", is);
        }
        var set = new AlterConfigOp(new ConfigEntry("retention.ms", "7200000"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(topic, List.of(set))).all().get();
        Groups.await("retention.ms is altered", () -> "7200000".equals(config(admin, topic, "retention.ms")));
        var reset = new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE);
        admin.incrementalAlterConfigs(Map.of(topic, List.of(reset))).all().get();
        Groups.await("retention.ms is the default", () -> "604800000".equals(config(admin, topic, "retention.ms")));
        for (var node : admin.describeCluster().nodes().get()) {
            var broker = new ConfigResource(ConfigResource.Type.BROKER, node.idString());
            admin.describeConfigs(List.of(broker)).all().get();
        }
    }

    private void records(Admin admin) throws Exception {
        client.produce(client.lines(100), Map.of());
        var partition = new TopicPartition(client.topic, 0);
        var deleted = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(60)));
        long low = deleted.lowWatermarks().get(partition).get().lowWatermark();
        if (low != 60) {
            throw new Client.Wrong("the answer's low watermark is %d instead of 60", low);
        }
        long start = admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset();
        if (start != 60) {
            throw new Client.Wrong("the start is %d instead of 60", start);
        }
        Client.checkLines(client.read(60, 40), 60);
    }

    private void groups(Admin admin) throws Exception {
        String group = client.topic;
        var groups = new Groups(client);
        groups.fill(0);
        var member = groups.join(Map.of("heartbeat.interval.ms", "300"));
        Groups.await("the member has read 100", () -> member.read().size() >= 100, member);
        member.commit();
        if (admin.listConsumerGroups().all().get().stream().noneMatch(g -> g.groupId().equals(group))) {
            throw new Client.Wrong("the group is not listed");
        }
        var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        if (!"Stable".equals(described.state().toString()) || described.members().size() != 1
                || described.members().iterator().next().assignment().topicPartitions().size() != 4) {
            throw new Client.Wrong("the group is described as %s", described);
        }
        refused("deleting a group with a member", GroupNotEmptyException.class,
                () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        member.leave();
        var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        for (int p = 0; p < 4; p++) {
            var at = offsets.get(new TopicPartition(group, p));
            if (at == null || at.offset() != 25) {
                throw new Client.Wrong("partition %d is committed at %s instead of 25", p, at);
            }
        }
        admin.deleteConsumerGroupOffsets(group, Set.of(new TopicPartition(group, 0))).all().get();
        if (admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(new TopicPartition(group, 0)) != null) {
            throw new Client.Wrong("an offset is there after it was deleted");
        }
        admin.deleteConsumerGroups(List.of(group)).all().get();
    }
}
