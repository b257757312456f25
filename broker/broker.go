package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/local"
	"github.com/skidway/skidway/metadata/zk"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/peer"
	"github.com/skidway/skidway/wire"
)

// Broker is one running node. Its methods are safe for concurrent use.
type Broker struct {
	cfg      Config
	log      *slog.Logger
	started  time.Time
	defaults metadata.Settings // what a topic has that overrides nothing

	store   *kv.Store
	logs    *partitionlog.Logs
	meta    metadata.Store
	cluster string // its id
	// What a broker of a cluster has beside; nil: it stands alone.
	zk       *zk.Store
	sessions metadata.Sessions
	member   *cluster.Member
	peers    *peer.Transport
	replicas *replicas
	deleted  deletedSet
	topics   *topicSet
	groups   *coordinator
	opened   openedSet
	ids      producerIDs
	clock    clock
	answers  *memory // what answers under way hold
	queued   *memory // what appends that nobody waits for any more hold
	linger   lingering
	buffers  fetchBuffers
	polling  atomic.Int64                   // fetches that wait for records
	retired  struct{ in, out atomic.Int64 } // records of topics that were deleted, so that the sums never go back
	met      *metrics
	health   health

	server    *wire.Server
	listener  net.Listener
	advertise string
	kafka     *kafkaServer // nil: there is none
	http      *httpServer

	// adminMu serialises changes of topics: the store's and the topic set's go together.
	adminMu sync.Mutex

	draining  chan struct{} // closed when Shutdown begins: long polls end
	joined    chan struct{} // closed when this broker knows what there is in its cluster: clients are served from then on
	drainOnce sync.Once
	stopTasks context.CancelFunc
	tasks     sync.WaitGroup // background goroutines
	serving   chan struct{}  // closed when the server's accept loop has returned

	stopOnce sync.Once
	hurry    context.Context // ends when Shutdown is called once more
	hurryUp  context.CancelFunc
	done     chan struct{} // closed when all is stopped
	err      error         // why the broker ended; read after done
}

// Start opens the store, listens and serves; it returns when clients can connect. No partition is opened before it is
// asked for. ctx bounds the start only. Errors: *ConfigError, *ListenError, *NoClusterError, and those of kv.Open
// (*kv.LockedError, *kv.VersionError, *kv.IdentityError, *kv.RoleError, *kv.CorruptError).
func Start(ctx context.Context, cfg Config) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	defaults, err := brokerSettings(cfg.TopicDefaults.Settings)
	if err != nil {
		return nil, err
	}
	b := &Broker{
		cfg: cfg, log: cfg.Logger, started: time.Now(), defaults: defaults,
		topics:   newTopicSet(),
		answers:  newMemory(cfg.Limits.MemoryBytes / 2),
		queued:   newMemory(cfg.Limits.MemoryBytes / 2),
		draining: make(chan struct{}), joined: make(chan struct{}), serving: make(chan struct{}),
		done: make(chan struct{}),
	}
	b.hurry, b.hurryUp = context.WithCancel(context.Background())
	b.clock.read = cfg.knobs.clock
	b.clock.now()
	b.linger.init()
	if err := b.bringUp(ctx); err != nil {
		select {
		case <-b.done: // it served already, and was stopped
		default:
			b.abandon()
		}
		return nil, err
	}
	return b, nil
}

// bringUp opens and serves. Health is served first, so that a long recovery can be watched; an address of it that is
// taken is told only when the store could be opened, whose errors say more of what is the matter.
func (b *Broker) bringUp(ctx context.Context) error {
	var err error
	if b.met, err = newMetrics(b); err != nil {
		return fmt.Errorf("broker: metrics: %w", err)
	}
	var httpErr error
	if b.cfg.HTTPListen != "" {
		ln, err := net.Listen("tcp", b.cfg.HTTPListen)
		if err != nil {
			httpErr = &ListenError{Field: "HTTPListen", Address: b.cfg.HTTPListen, Err: err}
		} else {
			b.http = b.startHTTP(ln)
		}
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	if httpErr != nil {
		return httpErr
	}
	if err := b.serve(); err != nil {
		return err
	}
	return b.awaitJoined(ctx)
}

// open opens what is on the disk.
func (b *Broker) open(ctx context.Context) error {
	c := b.cfg
	var clusterID string
	var claim *kv.Claim
	role := kv.RoleAlone
	if c.Mode == ModeCluster {
		role = kv.RoleMember
		var err error
		if clusterID, claim, err = b.openSessions(ctx); err != nil {
			return err
		}
	}
	store, err := kv.Open(kv.Options{
		ClusterID: clusterID, Claim: claim, Role: role,
		Dir: c.DataDir, WALDir: c.Storage.WALDir, FS: c.Storage.FS,
		Fsync: c.Fsync, FsyncInterval: c.FsyncInterval,
		CacheBytes: c.Storage.CacheBytes, MemTableBytes: c.Storage.MemTableBytes, MaxOpenFiles: c.Storage.MaxOpenFiles,
		BrokerID: c.NodeID, Logger: b.log, Events: b.storeEvents(),
	})
	if err != nil {
		return err
	}
	b.store = store
	b.cluster = store.Identity().ClusterID
	b.logs = partitionlog.New(store, partitionlog.Options{
		RecentBytes: c.Storage.RecentBytes,
		LeaderEpoch: store.Identity().LeaderEpoch,
		Events: partitionlog.Events{IndexRebuilt: func(p kv.Partition, from, to int64) {
			b.log.Warn("rows of a time index were missing and have been made anew",
				"topic_id", p.Topic, "partition", p.Index, "from", from, "to", to)
		}},
	})
	if b.meta == nil {
		if b.meta, err = local.New(store); err != nil {
			return fmt.Errorf("broker: opening the metadata: %w", err)
		}
	}
	if wrap := c.knobs.meta; wrap != nil {
		b.meta = wrap(b.meta)
	}
	if _, err := metadata.Bootstrap(ctx, b.meta, b.cluster); err != nil {
		return fmt.Errorf("broker: preparing the metadata: %w", err)
	}
	if c.Mode != ModeCluster { // else the membership tells
		if err := b.loadTopics(ctx); err != nil {
			return err
		}
	}
	b.groups = newCoordinator(b)
	return nil
}

// serve listens, and starts what runs in the background.
func (b *Broker) serve() error {
	var err error
	if b.listener, err = net.Listen("tcp", b.cfg.Listen); err != nil {
		return &ListenError{Field: "Listen", Address: b.cfg.Listen, Err: err}
	}
	b.advertise = advertised(b.cfg.Advertise, b.listener.Addr())
	if b.server, err = wire.NewServer(b.serverOptions()); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	if b.kafka, err = b.openKafka(); err != nil {
		return err
	}
	if b.cfg.Mode == ModeCluster {
		if err := b.joinCluster(); err != nil {
			return err
		}
	} else {
		close(b.joined)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.stopTasks = cancel
	b.startTasks(ctx)
	b.health.phase.Store(int32(phaseServing))
	go b.serveClients()
	b.startKafka()
	b.log.Info("broker started", "node", b.cfg.NodeID, "cluster", b.cluster, "mode", b.cfg.Mode.String(),
		"listen", b.listener.Addr().String(), "data", b.cfg.DataDir, "took", time.Since(b.started))
	return nil
}

// serveClients serves those who connect.
func (b *Broker) serveClients() {
	defer close(b.serving)
	b.serveOn(b.server, b.listener)
}

// serveOn has a server accept connections, once it is known what there is: a broker of a cluster that has not read the
// topics yet must not say that there are none.
func (b *Broker) serveOn(server *wire.Server, listener net.Listener) {
	select {
	case <-b.joined:
	case <-b.draining:
		_ = listener.Close()
		return
	}
	if err := server.Serve(listener); err != nil && !b.isDraining() {
		b.log.Error("the client listener failed; the broker stops", "error", err)
		go func() { _ = b.stop(context.Background(), fmt.Errorf("broker: client listener: %w", err)) }()
	}
}

// abandon gives back what a failed start holds.
func (b *Broker) abandon() {
	b.http.stop(context.Background())
	if b.listener != nil {
		_ = b.listener.Close()
	}
	b.kafka.abandon()
	if b.peers != nil {
		_ = b.peers.Close()
	}
	if b.zk != nil {
		_ = b.zk.Close()
	}
	if b.store != nil {
		if err := b.store.Close(); err != nil {
			b.log.Warn("closing the store after a failed start", "error", err)
		}
	}
	b.linger.stop()
}

// Addr is the address that clients' connections are accepted on.
func (b *Broker) Addr() net.Addr { return b.listener.Addr() }

// HTTPAddr is the address of metrics and health; nil when there is none.
func (b *Broker) HTTPAddr() net.Addr {
	if b.http == nil {
		return nil
	}
	return b.http.listener.Addr()
}

// ClusterID is the id of the cluster that the data directory belongs to.
func (b *Broker) ClusterID() string { return b.cluster }

// Advertised is the host:port that clients are told to dial.
func (b *Broker) Advertised() string { return b.advertise }

// Ready tells whether clients should be sent here, and if not, or if an operator should look, why.
func (b *Broker) Ready() (ready bool, reason string) {
	r := b.report()
	return r.ready(), r.Reason
}

// Wait returns when the broker has stopped: nil after Shutdown, else why it ended.
func (b *Broker) Wait() error {
	<-b.done
	return b.err
}

func (b *Broker) isDraining() bool {
	select {
	case <-b.draining:
		return true
	default:
		return false
	}
}

// advertised is the address that clients are told to dial.
func advertised(configured string, listening net.Addr) string {
	if configured != "" {
		return configured
	}
	addr, ok := listening.(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return listening.String()
	}
	host, err := os.Hostname()
	if err != nil {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
