package broker

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// touch is how the broker's touch with the cluster's metadata store stands.
type touch struct {
	registered bool
	suspect    bool // the store was not heard of for long
	since      time.Time
}

// stands tells whether the broker is registered, and the store was heard of lately. nil: it never was.
func (t *touch) stands() bool { return t != nil && t.registered && !t.suspect }

// noteTouch notes what has changed, and says so where it is lost.
func (h *replicas) noteTouch(registered, suspect bool) {
	before := h.touched.Load()
	now := touch{registered, suspect, time.Now()}
	if before != nil && before.registered == registered && before.suspect == suspect {
		return
	}
	h.touched.Store(&now)
	switch {
	case registered && suspect:
		h.b.log.Error("E301: ZooKeeper does not answer; this broker serves no partition but those that all in sync follow",
			"servers", h.b.cfg.Cluster.ZooKeeper)
	case !registered && before != nil:
		h.b.log.Error("E301: the session with ZooKeeper is lost; this broker leads nothing until it has another",
			"servers", h.b.cfg.Cluster.ZooKeeper)
	case registered && before != nil:
		h.b.log.Info("the session with ZooKeeper stands", "lost_for", now.since.Sub(before.since))
	}
}

// zooKeeperCheck is whether the broker is in touch with the cluster's metadata. If not, it leads nothing, or only what
// all replicas in sync follow.
func (b *Broker) zooKeeperCheck() check {
	c := check{Name: "zookeeper", blocks: true}
	t := b.replicas.touched.Load()
	servers := fmt.Sprintf("%d servers", len(b.cfg.Cluster.ZooKeeper))
	switch {
	case t == nil:
		c.Detail = "not registered yet; " + servers
	case !t.registered:
		c.Detail = fmt.Sprintf("E301: no session since %s; %s", t.since.UTC().Format(time.RFC3339), servers)
	case t.suspect:
		c.Detail = fmt.Sprintf("E301: no answer since about %s; %s", t.since.UTC().Format(time.RFC3339), servers)
	default:
		c.OK = true
		c.Detail = fmt.Sprintf("session 0x%x since %s; %s", b.member.SessionID(), t.since.UTC().Format(time.RFC3339), servers)
	}
	return c
}

// replicationCheck is whether all copies that this broker holds are in sync.
func (b *Broker) replicationCheck() check {
	t := b.member.Tally()
	c := check{Name: "replication", OK: t.Behind == 0}
	c.Detail = fmt.Sprintf("leads %d partitions, follows %d", t.Leaders, t.Followers)
	if t.Behind > 0 {
		c.Detail = fmt.Sprintf("%d of %d copies that follow are not in sync", t.Behind, t.Followers)
	}
	return c
}

// clusterDescs are the metrics of a broker of a cluster.
type clusterDescs struct {
	underReplicated, offline, moving, elections, expands, shrinks, lag         *prometheus.Desc
	sessionUp, suspect, controller, links, peerIn, peerOut, caughtUp, connects *prometheus.Desc
}

type descFunc func(name, help string, labels ...string) *prometheus.Desc

func newClusterDescs(d descFunc) clusterDescs {
	return clusterDescs{
		underReplicated: d("under_replicated_partitions",
			"Partitions that this broker leads and that have fewer replicas in sync than they are to have."),
		offline:   d("offline_partitions", "Partitions of the whole cluster that have no leader, as this broker sees it."),
		moving:    d("reassigning_partitions", "Partitions of the whole cluster that are being moved."),
		elections: d("leader_elections_total", "Leaderships that this broker took up."),
		expands:   d("isr_expands_total", "Replicas that joined the replicas in sync of partitions that this broker leads."),
		shrinks:   d("isr_shrinks_total", "Changes by this broker that took replicas out of those in sync."),
		lag: d("replica_lag_records",
			"Records that the slowest follower lacks, of partitions that this broker leads; only where one does.",
			"topic", "partition"),
		sessionUp:  d("zookeeper_session_up", "1 while the broker is registered and ZooKeeper answers."),
		suspect:    d("zookeeper_silent", "1 while the broker's session may stand and ZooKeeper does not answer."),
		controller: d("controller", "1 while this broker controls the cluster."),
		links:      d("peer_connections", "Connections with other brokers."),
		connects:   d("peer_connects_total", "Connections with other brokers that came up."),
		peerIn:     d("peer_bytes_in_total", "Bytes received from other brokers."),
		peerOut:    d("peer_bytes_out_total", "Bytes sent to other brokers."),
		caughtUp:   d("catch_up_bytes_total", "Bytes of records read to be shipped to replicas that are not in sync."),
	}
}

// collectCluster gives what concerns a broker of a cluster. It asks nothing of single partitions, but with metrics of
// them.
func (c *collector) collectCluster(gauge, counter sendFunc) {
	b, d := c.b, &c.cluster
	t := b.member.Tally()
	gauge(c.partitions, float64(t.Leaders), "leader")
	gauge(c.partitions, float64(t.Followers), "follower")
	gauge(d.underReplicated, float64(t.UnderReplicated))
	gauge(d.offline, float64(t.Offline))
	gauge(d.moving, float64(t.Moving))
	h := b.replicas
	counter(d.elections, float64(h.elections.Load()))
	counter(d.expands, float64(h.expands.Load()))
	counter(d.shrinks, float64(h.shrinks.Load()))
	counter(d.caughtUp, float64(h.caughtUp.Load()))
	touch := h.touched.Load()
	gauge(d.sessionUp, oneIf(touch.stands()))
	gauge(d.suspect, oneIf(touch != nil && touch.registered && touch.suspect))
	control, there := b.member.Controller()
	gauge(d.controller, oneIf(there && control.Broker == b.cfg.NodeID && h.epoch.Load() == control.BrokerEpoch))
	peers := b.peers.Stats()
	gauge(d.links, float64(peers.Links))
	counter(d.connects, float64(peers.Connects))
	counter(d.peerIn, float64(peers.BytesIn))
	counter(d.peerOut, float64(peers.BytesOut))
	if b.cfg.PartitionMetrics {
		c.collectLag(gauge)
	}
}

// collectLag gives how far the followers of each partition are that this broker leads, where one is behind.
func (c *collector) collectLag(gauge sendFunc) {
	for _, r := range c.b.replicas.all() {
		if !r.leads.Load() {
			continue
		}
		t := c.b.topics.id(r.id.Topic)
		status, followers := r.progress()
		var lag int64
		for _, f := range followers {
			lag = max(lag, status.End-max(f.Durable, status.LogStart))
		}
		if t != nil && lag > 0 {
			gauge(c.cluster.lag, float64(lag), t.name, strconv.Itoa(int(r.id.Index)))
		}
	}
}
