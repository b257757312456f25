package broker

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skidway/skidway/kv"
)

// collector gives the metrics that are asked for when someone scrapes.
type collector struct {
	b *Broker
	m *metrics

	buildInfo, connections, refused, topics, partitions, opened, logSize, recordsIn, recordsOut, polling *prometheus.Desc

	fsync, stalls, compactions, compactedBytes, flushedBytes, walBytes, commits, items, corruptions *prometheus.Desc
	diskFree, diskTotal, diskFull, storeSize                                                        *prometheus.Desc
	answersUsed, answersMax, queuedUsed, clockPaused, ready, damagedPartitions                      *prometheus.Desc
	cluster                                                                                         clusterDescs
	groups, groupMembers, groupRebalances, groupLagRecords, groupLagSeconds                         *prometheus.Desc
}

// maxTopicSeries bounds the number of topics that have series of their own (I-20); the largest have, the others share
// the one named otherTopics.
const (
	maxTopicSeries = 500
	otherTopics    = "(others)"
)

func newCollector(b *Broker, m *metrics) *collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("skidway_"+name, help, labels, nil)
	}
	return &collector{
		b: b, m: m, cluster: newClusterDescs(d),
		buildInfo:   d("build_info", "The broker's version; always 1.", "version", "commit", "go"),
		connections: d("connections", "Open connections.", "listener"),
		refused:     d("connections_refused_total", "Connections turned away because there were too many."),
		topics:      d("topics", "Topics."),
		partitions:  d("partitions", "Partitions, by this broker's role in them.", "role"),
		opened:      d("partitions_open", "Partitions whose logs are open."),
		logSize:     d("log_size_bytes", "Size of a topic's record batches.", "topic"),
		recordsIn:   d("records_in_total", "Records appended."),
		recordsOut:  d("records_out_total", "Records answered to fetches."),
		polling:     d("fetches_waiting", "Fetches that wait for records."),

		fsync:          d("fsync_duration_seconds", "Time that syncs of the write-ahead log took."),
		stalls:         d("storage_write_stalls_total", "How often writes had to wait for flushes."),
		compactions:    d("storage_compactions_total", "Compactions of the store."),
		compactedBytes: d("storage_compacted_bytes_total", "Bytes written by compactions."),
		flushedBytes:   d("storage_flushed_bytes_total", "Bytes written by flushes."),
		walBytes:       d("storage_wal_written_bytes_total", "Bytes written to the write-ahead log."),
		commits:        d("storage_commits_total", "Batches written to the store: each is one sync."),
		items:          d("storage_commit_items_total", "Changes folded into those batches."),
		corruptions:    d("storage_corruptions_total", "Damage that the store has met."),
		diskFree:       d("disk_free_bytes", "Free space of the store's disk."),
		diskTotal:      d("disk_size_bytes", "Size of the store's disk."),
		diskFull:       d("disk_full", "1 while records are refused for lack of space."),
		storeSize:      d("storage_size_bytes", "What the store's files take of the disk."),

		answersUsed: d("answer_memory_bytes", "Memory held by answers under way."),
		answersMax:  d("answer_memory_limit_bytes", "Bound of the memory held by answers under way."),
		queuedUsed:  d("append_memory_bytes", "Memory held by records that are not on disk yet."),
		clockPaused: d("retention_clock_paused", "1 while nothing is deleted by age because the clock jumped."),
		ready:       d("ready", "1 while clients should be sent here, as /readyz says."),
		damagedPartitions: d("damaged_reads_total",
			"Reads that met damaged data; see the log for topic, partition and offset."),

		groups:          d("groups", "Consumer groups, by what they are doing.", "state"),
		groupMembers:    d("group_members", "Members of all consumer groups."),
		groupRebalances: d("group_rebalances_total", "Changes that called for a new assignment, by reason.", "reason"),
		groupLagRecords: d("group_lag_records", "Records that a group has not committed yet.", "group", "topic"),
		groupLagSeconds: d("group_lag_seconds", "Age of the oldest record that a group has not committed yet.",
			"group", "topic"),
	}
}

// Describe sends nothing, which registers the collector unchecked: a collection at registration is saved.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks for everything once.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	b := c.b
	gauge, counter := sender(ch, prometheus.GaugeValue), sender(ch, prometheus.CounterValue)
	gauge(c.buildInfo, 1, buildLabels(b.cfg.Version)...)
	if phase(b.health.phase.Load()) == phaseStarting { // there is no store yet
		gauge(c.ready, 0)
		return
	}
	gauge(c.connections, float64(c.m.connections.Load()), "client")
	gauge(c.connections, float64(c.m.kafka.connections.Load()), "kafka")
	counter(c.refused, float64(c.m.refused.Load()))
	topics, partitions := b.topics.count()
	gauge(c.topics, float64(topics))
	if b.replicas != nil {
		c.collectCluster(gauge, counter)
	} else {
		gauge(c.partitions, float64(partitions), "leader")
	}
	gauge(c.polling, float64(b.polling.Load()))
	c.collectLogs(gauge, counter)
	c.collectStore(ch, gauge, counter)
	gauge(c.answersUsed, float64(b.answers.inUse()))
	gauge(c.answersMax, float64(b.answers.total))
	gauge(c.queuedUsed, float64(b.queued.inUse()))
	paused, _ := b.clock.paused()
	gauge(c.clockPaused, oneIf(paused))
	gauge(c.ready, oneIf(b.report().ready()))
	counter(c.damagedPartitions, float64(b.health.damages.Load()))
	c.collectGroups(gauge, counter)
}

type sendFunc func(d *prometheus.Desc, value float64, labels ...string)

func sender(ch chan<- prometheus.Metric, kind prometheus.ValueType) sendFunc {
	return func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// collectLogs gives what the open logs hold.
func (c *collector) collectLogs(gauge, counter sendFunc) {
	sizes := make(map[string]int64)
	opened := c.b.opened.snapshot()
	for _, p := range opened {
		sizes[p.topic.name] += p.log.Load().Stats().Bytes
	}
	gauge(c.opened, float64(len(opened)))
	in, out := c.b.retired.in.Load(), c.b.retired.out.Load()
	for _, t := range c.b.topics.all() {
		in += t.counters.recordsIn.Load()
		out += t.counters.recordsOut.Load()
	}
	counter(c.recordsIn, float64(in))
	counter(c.recordsOut, float64(out))
	names := make([]string, 0, len(sizes))
	for name := range sizes {
		names = append(names, name)
	}
	if len(names) > maxTopicSeries {
		slices.SortFunc(names, func(x, y string) int {
			return cmp.Or(cmp.Compare(sizes[y], sizes[x]), cmp.Compare(x, y))
		})
		var rest int64
		for _, name := range names[maxTopicSeries:] {
			rest += sizes[name]
		}
		gauge(c.logSize, float64(rest), otherTopics)
		names = names[:maxTopicSeries]
	}
	for _, name := range names {
		gauge(c.logSize, float64(sizes[name]), name)
	}
}

// collectStore gives the store's figures.
func (c *collector) collectStore(ch chan<- prometheus.Metric, gauge, counter sendFunc) {
	m, space := c.b.store.Metrics(), c.b.store.Space()
	ch <- fsyncHistogram(c.fsync, m.Fsync)
	counter(c.stalls, float64(m.Stalls))
	counter(c.compactions, float64(m.Compactions))
	counter(c.compactedBytes, float64(m.CompactedBytes))
	counter(c.flushedBytes, float64(m.FlushedBytes))
	counter(c.walBytes, float64(m.WALWrittenBytes))
	counter(c.commits, float64(m.Commits))
	counter(c.items, float64(m.Items))
	counter(c.corruptions, float64(m.Corruptions))
	gauge(c.diskFree, float64(space.FreeBytes))
	gauge(c.diskTotal, float64(space.TotalBytes))
	gauge(c.diskFull, oneIf(space.Full))
	gauge(c.storeSize, float64(m.DiskBytes))
}

// fsyncHistogram is the store's histogram as Prometheus has it.
func fsyncHistogram(d *prometheus.Desc, h kv.Histogram) prometheus.Metric {
	buckets := make(map[float64]uint64, len(h.Bounds))
	for i, bound := range h.Bounds {
		buckets[bound.Seconds()] = uint64(h.Counts[i])
	}
	return prometheus.MustNewConstHistogram(d, uint64(h.Count), h.Sum.Seconds(), buckets)
}
