package main

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
)

func (s session) admin(name string) {
	cl := s.client()
	adm := kadm.NewClient(cl)
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

func (s session) adminTopics(adm *kadm.Client) {
	topic := s.topic + "-made"
	count := func() int {
		listed, err := adm.ListTopics(s.ctx, topic)
		check("describe", err)
		if listed[topic].Err != nil {
			return 0
		}
		return len(listed[topic].Partitions)
	}
	retention := "3600000"
	made, err := adm.CreateTopic(s.ctx, 3, 1, map[string]*string{"retention.ms": &retention}, topic)
	check("create", err)
	if made.NumPartitions != 3 {
		fail("create answered %d partitions instead of 3", made.NumPartitions)
	}
	if _, err := adm.CreateTopic(s.ctx, 3, 1, nil, topic); err == nil {
		fail("a topic was created twice")
	}
	await("3 partitions are there", func() bool { return count() == 3 })
	grown, err := adm.UpdatePartitions(s.ctx, 5, topic)
	check("grow", err)
	check("grow", grown.Error())
	await("5 partitions are there", func() bool { return count() == 5 })
	deleted, err := adm.DeleteTopics(s.ctx, topic)
	check("delete", err)
	check("delete", deleted.Error())
	await("the topic is gone", func() bool { return count() == 0 })
}

func (s session) adminConfigs(adm *kadm.Client) {
	value := func(key string) string {
		described, err := adm.DescribeTopicConfigs(s.ctx, s.topic)
		check("describe", err)
		config, err := described.On(s.topic, nil)
		check("describe", err)
		check("describe", config.Err)
		for _, c := range config.Configs {
			if c.Key == key {
				return c.MaybeValue()
			}
		}
		fail("%s is not described", key)
		return ""
	}
	if is := value("retention.ms"); is != "-1" {
		fail("retention.ms is described as %s instead of -1", is)
	}
	retention := "7200000"
	altered, err := adm.AlterTopicConfigs(s.ctx,
		[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &retention}}, s.topic)
	check("alter", err)
	check("alter", altered[0].Err)
	await("retention.ms is altered", func() bool { return value("retention.ms") == retention })
	altered, err = adm.AlterTopicConfigs(s.ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "retention.ms"}}, s.topic)
	check("reset", err)
	check("reset", altered[0].Err)
	await("retention.ms is the default", func() bool { return value("retention.ms") == "604800000" })
	brokers, err := adm.DescribeBrokerConfigs(s.ctx)
	check("describe brokers", err)
	for _, b := range brokers {
		check("describe broker "+b.Name, b.Err)
	}
}

func (s session) adminRecords(adm *kadm.Client) {
	s.produce(lines(s.topic, 100))
	var before kadm.Offsets
	before.AddOffset(s.topic, 0, 60, -1)
	deleted, err := adm.DeleteRecords(s.ctx, before)
	check("delete records", err)
	got, _ := deleted.Lookup(s.topic, 0)
	check("delete records", got.Err)
	if got.LowWatermark != 60 {
		fail("the answer's low watermark is %d instead of 60", got.LowWatermark)
	}
	start, err := adm.ListStartOffsets(s.ctx, s.topic)
	check("start", err)
	if at, _ := start.Lookup(s.topic, 0); at.Offset != 60 {
		fail("the start is %d instead of 60", at.Offset)
	}
	checkLines(s.read(60, 40), 60)
}

func (s session) adminGroups(adm *kadm.Client) {
	s.fill(0)
	m := s.join()
	await("the member has read 100", func() bool { _, v := m.state(); return len(v) >= 100 }, m)
	m.commit(s)
	listed, err := adm.ListGroups(s.ctx)
	check("list", err)
	if !slices.Contains(listed.Groups(), s.topic) {
		fail("the group is not in the list %v", listed.Groups())
	}
	described, err := adm.DescribeGroups(s.ctx, s.topic)
	check("describe", err)
	if d := described[s.topic]; d.Err != nil || d.State != "Stable" || len(d.Members) != 1 {
		fail("described as %q with %d members: %v", d.State, len(d.Members), d.Err)
	}
	if _, err := adm.DeleteGroup(s.ctx, s.topic); err == nil {
		fail("a group with a member was deleted")
	}
	m.leave()
	committed, err := adm.FetchOffsets(s.ctx, s.topic)
	check("committed offsets", err)
	for p := range int32(4) {
		if at, _ := committed.Lookup(s.topic, p); at.At != 25 {
			fail("partition %d is committed at %d instead of 25", p, at.At)
		}
	}
	gone, err := adm.DeleteOffsets(s.ctx, s.topic, kadm.TopicsSet{s.topic: {0: {}}})
	check("delete offsets", err)
	check("delete offsets", gone.Error())
	committed, err = adm.FetchOffsets(s.ctx, s.topic)
	check("committed offsets", err)
	if at, there := committed.Lookup(s.topic, 0); there && at.At >= 0 {
		fail("the offset %d of partition 0 is there after it was deleted", at.At)
	}
	_, err = adm.DeleteGroup(s.ctx, s.topic)
	check("delete", err)
}
