package broker

import (
	"context"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// describe_topics tells everything about some topics: every setting with its value and where that comes from, and
// every partition with its bounds and size. A topic that is absent is answered with E110, a partition whose log cannot
// be opened with its error.
//
// Not done: rights.
func (b *Broker) describeTopics(
	ctx context.Context, req *wire.DescribeTopicsRequest,
) (*wire.DescribeTopicsResponse, error) {
	resp := &wire.DescribeTopicsResponse{Topics: make([]wire.TopicDescription, len(req.Names))}
	for i, name := range req.Names {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if t := b.topics.name(name); t != nil {
			resp.Topics[i] = b.description(t)
		} else {
			resp.Topics[i] = wire.TopicDescription{Name: name, Error: unknownTopic(name)}
		}
	}
	return resp, nil
}

func (b *Broker) description(t *topic) wire.TopicDescription {
	state := t.state.Load()
	parts := t.partitions()
	d := wire.TopicDescription{
		Name: t.name, ID: t.id, CreatedMs: max(state.meta.Created, 0), Replicas: state.meta.Replicas,
		Settings: b.settingValues(state), Partitions: make([]wire.PartitionDescription, len(parts)),
	}
	for i, p := range parts {
		d.Partitions[i] = b.describePartition(p)
	}
	return d
}

func (b *Broker) describePartition(p *partition) wire.PartitionDescription {
	l := b.leadership(p)
	out := wire.PartitionDescription{
		Index: p.index, Leader: l.leader, LeaderEpoch: l.epoch, Replicas: l.replicas, ISR: l.inSync,
		MinInSync: l.minInSync, ELR: l.elr, Adding: l.adding, Removing: l.removing,
		Start: -1, End: -1, Bytes: -1, HighWatermark: -1, LastEpoch: -1,
	}
	log, err := b.localLog(p)
	switch {
	case err != nil:
		out.Error = b.logError(p, err)
		return out
	case log == nil:
		out.Error = b.replicas.notLeader(p.id())
		return out
	}
	st := log.Stats()
	out.Start, out.End, out.Bytes, out.HighWatermark = st.Start, st.End, st.Bytes, st.End
	if b.replicas != nil {
		b.describeReplica(&out, p)
	}
	return out
}

// describeReplica tells how far this broker's copy of a partition is, and, if it leads it, how far the others are.
func (b *Broker) describeReplica(out *wire.PartitionDescription, p *partition) {
	r := b.replicas.replica(p.id())
	if r == nil {
		return
	}
	status, followers := r.progress()
	out.End, out.HighWatermark, out.LastEpoch = status.Durable, status.HighWatermark, status.LastEpoch
	for _, f := range followers {
		lag := wire.FollowerLag{Broker: f.Broker, Lag: -1, LagMs: -1}
		if f.Durable >= 0 {
			lag.Lag, lag.LagMs = max(status.Durable-f.Durable, 0), f.Behind.Milliseconds()
		}
		out.Followers = append(out.Followers, lag)
	}
}

// settingValues are all settings of a topic, in the order of metadata's table.
func (b *Broker) settingValues(state *topicState) []wire.SettingValue {
	names := metadata.SettingNames()
	values := make([]wire.SettingValue, len(names))
	for i, name := range names {
		text, _ := state.settings.Value(name)
		origin := wire.OriginDefault
		if _, own := state.meta.Settings[name]; own {
			origin = wire.OriginTopic
		} else if _, broker := b.cfg.TopicDefaults.Settings[name]; broker {
			origin = wire.OriginBroker
		}
		values[i] = wire.SettingValue{Name: name, Value: text, Origin: origin}
	}
	return values
}
