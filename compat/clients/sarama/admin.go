package main

import (
	"errors"

	"github.com/IBM/sarama"
)

func (s session) admin(name string) {
	adm, err := sarama.NewClusterAdmin([]string{s.address}, config())
	check("connecting", err)
	defer adm.Close()
	switch name {
	case "admin-topics":
		s.adminTopics(adm)
	case "admin-configs":
		s.adminConfigs(adm)
	case "admin-records":
		s.adminRecords(adm)
	case "admin-groups":
		s.adminGroups(adm)
	}
}

func (s session) adminTopics(adm sarama.ClusterAdmin) {
	topic, retention := s.topic+"-made", "3600000"
	count := func() int {
		described, err := adm.DescribeTopics([]string{topic})
		check("describe", err)
		return len(described[0].Partitions)
	}
	detail := &sarama.TopicDetail{
		NumPartitions: 3, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention},
	}
	check("create", adm.CreateTopic(topic, detail, false))
	if err := adm.CreateTopic(topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		fail("a second topic of the name: %v", err)
	}
	await("3 partitions are there", func() bool { return count() == 3 })
	check("grow", adm.CreatePartitions(topic, 5, nil, false))
	await("5 partitions are there", func() bool { return count() == 5 })
	check("delete", adm.DeleteTopic(topic))
	await("the topic is gone", func() bool { return count() == 0 })
}

func (s session) adminConfigs(adm sarama.ClusterAdmin) {
	value := func() string {
		entries, err := adm.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: s.topic})
		check("describe", err)
		for _, e := range entries {
			if e.Name == "retention.ms" {
				return e.Value
			}
		}
		fail("retention.ms is not described")
		return ""
	}
	if value() != "-1" {
		fail("retention.ms is described as %s instead of -1", value())
	}
	retention := "7200000"
	set := map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &retention},
	}
	check("alter", adm.IncrementalAlterConfig(sarama.TopicResource, s.topic, set, false))
	await("retention.ms is altered", func() bool { return value() == retention })
	check("reset", adm.AlterConfig(sarama.TopicResource, s.topic, map[string]*string{}, false))
	await("retention.ms is the default", func() bool { return value() == "604800000" })
}

func (s session) adminRecords(adm sarama.ClusterAdmin) {
	s.produce(lines(s.topic, 100), config())
	check("delete records", adm.DeleteRecords(s.topic, map[int32]int64{0: 60}))
	cl, err := sarama.NewClient([]string{s.address}, config())
	check("connecting", err)
	defer cl.Close()
	if start, err := cl.GetOffset(s.topic, 0, sarama.OffsetOldest); err != nil || start != 60 {
		fail("the start is %d instead of 60: %v", start, err)
	}
	checkLines(s.read(60, 40), 60)
}

func (s session) adminGroups(adm sarama.ClusterAdmin) {
	s.fill(0)
	m := s.join(config())
	await("the member has read 100", func() bool { _, v := m.state(); return len(v) >= 100 }, m)
	m.commit()
	listed, err := adm.ListConsumerGroups()
	check("list", err)
	if _, there := listed[s.topic]; !there {
		fail("the group is not in the list %v", listed)
	}
	described, err := adm.DescribeConsumerGroups([]string{s.topic})
	check("describe", err)
	if d := described[0]; d.State != "Stable" || len(d.Members) != 1 {
		fail("described as %q with %d members: %v", d.State, len(d.Members), d.Err)
	}
	if err := adm.DeleteConsumerGroup(s.topic); !errors.Is(err, sarama.ErrNonEmptyGroup) {
		fail("deleting a group with a member: %v", err)
	}
	m.leave()
	committed, err := adm.ListConsumerGroupOffsets(s.topic, nil)
	check("committed offsets", err)
	for p := range int32(4) {
		if at := committed.GetBlock(s.topic, p); at == nil || at.Offset != 25 {
			fail("partition %d is committed at %+v instead of 25", p, at)
		}
	}
	check("delete an offset", adm.DeleteConsumerGroupOffset(s.topic, s.topic, 0))
	check("delete", adm.DeleteConsumerGroup(s.topic))
}
