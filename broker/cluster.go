package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
	"github.com/skidway/skidway/peer"
	"github.com/skidway/skidway/replication"
)

// openSessions reaches the cluster's metadata store, and finds out, or decides, which cluster it is of and what it
// knows of this broker's store: both are held against the store as that is opened.
func (b *Broker) openSessions(ctx context.Context) (id string, claim *kv.Claim, err error) {
	k := b.cfg.Cluster
	sessions := k.sessions
	if sessions == nil {
		if b.zk, err = openZooKeeper(ctx, zk.Config{
			Servers: k.ZooKeeper, Chroot: k.Chroot, SessionTimeout: k.SessionTimeout, Logger: b.log,
		}); err != nil {
			return "", nil, err
		}
		sessions = b.zk
	}
	b.sessions, b.meta = sessions, sessions
	id, err = metadata.Bootstrap(ctx, b.meta, "")
	if errors.Is(err, metadata.ErrClusterMismatch) { // there is no cluster yet
		if err := b.mayMakeCluster(); err != nil {
			return "", nil, err
		}
		id, err = metadata.Bootstrap(ctx, b.meta, kv.NewClusterID())
		if errors.Is(err, metadata.ErrClusterMismatch) { // another broker was faster
			id, err = metadata.Bootstrap(ctx, b.meta, "")
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("broker: preparing the metadata: %w", err)
	}
	claim, err = cluster.ReadClaim(ctx, b.meta, b.cfg.NodeID)
	if err != nil {
		return "", nil, fmt.Errorf("broker: %w", err)
	}
	if claim == nil {
		claim = &kv.Claim{}
	}
	return id, claim, nil
}

// mayMakeCluster is nil for a broker that has no store yet. Whose store is there already was of a cluster, which has to
// be found, or stood alone, and has to be adopted: neither is served by making a cluster with nothing in it.
func (b *Broker) mayMakeCluster() error {
	there, err := kv.Exists(b.cfg.DataDir, b.cfg.Storage.FS)
	if err == nil && there {
		err = &NoClusterError{DataDir: b.cfg.DataDir, ZooKeeper: b.cfg.Cluster.ZooKeeper, Chroot: b.cfg.Cluster.Chroot}
	}
	return err
}

// openZooKeeper reaches the metadata store of a cluster, whose first broker makes the chroot.
func openZooKeeper(ctx context.Context, c zk.Config) (*zk.Store, error) {
	s, err := zk.Open(ctx, c)
	if !errors.Is(err, metadata.ErrNoNode) {
		return s, err
	}
	if err := zk.CreateChroot(ctx, c); err != nil {
		return nil, err
	}
	return zk.Open(ctx, c)
}

// joinCluster opens the listener for other brokers and registers this one. It is called when clients can connect.
func (b *Broker) joinCluster() error {
	k := b.cfg.Cluster
	self := replication.Member{Broker: b.cfg.NodeID, Storage: b.store.Identity().StorageID}
	peers, err := peer.Start(peer.Options{
		Listen: k.Listen, Secret: k.Secret, Cluster: b.cluster, Logger: b.log,
		Self: peer.Incarnation{Broker: self.Broker, Epoch: peer.Unregistered, Storage: self.Storage},
	})
	if err != nil {
		var listen *net.OpError
		if errors.As(err, &listen) {
			return &ListenError{Field: "Cluster.Listen", Address: k.Listen, Err: err}
		}
		return fmt.Errorf("broker: %w", err)
	}
	b.peers = peers
	b.member = cluster.New(b.sessions, b.store, cluster.Options{
		Self: self, Client: b.advertise, Peer: advertised(k.Advertise, peers.Addr()), Rack: k.Rack,
		Kafka: b.kafka.address(), Defaults: b.defaults, Logger: b.log, Preferred: k.PreferredEvery,
		SessionTimeout: k.SessionTimeout,
	})
	b.replicas = newReplicas(b, b.member, peers, self)
	return nil
}

// awaitJoined returns when a broker of a cluster is registered and knows what there is.
func (b *Broker) awaitJoined(ctx context.Context) error {
	if b.member == nil {
		return nil
	}
	select {
	case <-b.joined:
		return nil
	case <-b.done: // it cannot be of its cluster
		return b.err
	case <-ctx.Done():
		stopping, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return errors.Join(fmt.Errorf("broker: joining the cluster: %w", context.Cause(ctx)), b.Shutdown(stopping))
	}
}

// runMember keeps the broker registered. It returns when ctx ends, or stops the broker when it cannot be of the
// cluster.
func (b *Broker) runMember(ctx context.Context) {
	if err := b.member.Run(ctx); err != nil {
		b.log.Error("this broker cannot be of its cluster; it stops", "error", err)
		go func() { _ = b.stop(context.Background(), fmt.Errorf("broker: %w", err)) }()
	}
}

// takeTopics makes the topics that clients see those of the cluster, and tells whether these are all.
func (b *Broker) takeTopics(ctx context.Context) (complete bool) {
	topics, loaded := b.member.Topics()
	b.adminMu.Lock()
	defer b.adminMu.Unlock()
	there := make(map[uint64]bool, len(topics))
	var marked []metadata.Topic
	for _, t := range topics {
		switch {
		case b.deleted.has(t.ID): // the view may be older than that
			continue
		case t.Deleting: // its tombstone was written together with that (R6)
			marked = append(marked, t)
			continue
		}
		there[t.ID] = true
		if known := b.topics.id(t.ID); known != nil && metadataEqual(known.state.Load().meta, t) {
			continue
		}
		if err := b.show(t); err != nil {
			b.log.Error("a topic of the cluster cannot be served", "topic", t.Name, "error", err)
		}
	}
	if err := b.deleteMarked(ctx, marked); err != nil && ctx.Err() == nil {
		b.log.Warn("deleting topics failed; it is tried again", "error", err)
	}
	if !loaded {
		return false
	}
	for _, t := range b.topics.all() {
		if !there[t.id] {
			b.hide(t)
		}
	}
	return true
}

// metadataEqual tells whether two descriptions of a topic are the same.
func metadataEqual(a, b metadata.Topic) bool {
	return string(metadata.EncodeTopic(a)) == string(metadata.EncodeTopic(b))
}

// deletedSet holds the topics that are deleted for certain, and whose records this broker has deleted. Safe for
// concurrent use.
type deletedSet struct {
	mu  sync.RWMutex // guards ids
	ids map[uint64]bool
}

func (s *deletedSet) has(topic uint64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids[topic]
}

func (s *deletedSet) add(topic uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = make(map[uint64]bool)
	}
	s.ids[topic] = true
}
