package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// Options say who the broker is.
type Options struct {
	Self     replication.Member
	Client   string            // host:port that clients are told to dial
	Peer     string            // host:port that brokers are told to dial
	Kafka    string            // host:port that Kafka's clients are told to dial; "": they are not served
	Rack     string            // "": not known
	Defaults metadata.Settings // of topics that override nothing
	Logger   *slog.Logger
	// SessionTimeout is that of the metadata store's sessions. Default 6 s.
	SessionTimeout time.Duration
	// Preferred is how often leaderships are given back to the first of the replicas. Default 1 min.
	Preferred time.Duration
}

// Member is a broker's membership in its cluster. Its methods are safe for concurrent use.
type Member struct {
	opts     Options
	sessions metadata.Sessions
	store    *kv.Store
	log      *slog.Logger
	view     *view
	driver   *driver

	mu      sync.Mutex // guards what follows
	session metadata.Session
	drain   bool
	poke    chan struct{} // holds a token when drain was set
}

// New returns a Member that is not registered yet. Run does all.
func New(sessions metadata.Sessions, store *kv.Store, o Options) *Member {
	if o.Preferred == 0 {
		o.Preferred = time.Minute
	}
	m := &Member{
		opts: o, sessions: sessions, store: store, log: o.Logger, view: newView(o.Self), poke: make(chan struct{}, 1),
	}
	m.driver = &driver{
		m: m, began: time.Now(), events: make(chan any, 64),
		session: replication.NewSession(replication.SessionOptions{Timeout: o.SessionTimeout}, o.Self.Storage,
			store.Identity().ClaimEpoch),
		controller: replication.NewController(replication.ControllerOptions{
			Broker: o.Self.Broker, Timeout: o.SessionTimeout, PreferredEvery: o.Preferred,
		}),
	}
	return m
}

// ReadClaim returns what the metadata store knows of the broker's store, nil for nothing.
func ReadClaim(ctx context.Context, s metadata.Store, broker int32) (*kv.Claim, error) {
	node, err := s.Get(ctx, epochPath(broker))
	switch {
	case errors.Is(err, metadata.ErrNoNode):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read what broker %d registered with: %w", broker, err)
	}
	c, err := decodeClaim(node)
	return &c, err
}

// Ready returns a channel from which can be received when Take may have news.
func (m *Member) Ready() <-chan struct{} { return m.view.ready }

// Take returns what changed since it was called last. One goroutine calls it.
func (m *Member) Take() News { return m.view.take() }

// Partition returns the state of a partition as it was read last.
func (m *Member) Partition(id PartitionID) (Partition, bool) { return m.view.partition(id) }

// Broker returns the registration of a broker that is there.
func (m *Member) Broker(id int32) (Registration, bool) { return m.view.broker(id) }

// Brokers returns the registrations of the brokers that are there, by id.
func (m *Member) Brokers() []Registration {
	m.view.mu.RLock()
	defer m.view.mu.RUnlock()
	list := make([]Registration, 0, len(m.view.brokers))
	for _, r := range m.view.brokers {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Registration) int { return int(a.Member.Broker) - int(b.Member.Broker) })
	return list
}

// Controller returns who controls the cluster; false: nobody, as far as is known.
func (m *Member) Controller() (Controller, bool) {
	m.view.mu.RLock()
	defer m.view.mu.RUnlock()
	if m.view.controller == nil {
		return Controller{}, false
	}
	return *m.view.controller, true
}

// Topics returns all topics by name, also those that are being deleted; false: they were not read yet.
func (m *Member) Topics() ([]metadata.Topic, bool) {
	m.view.mu.RLock()
	defer m.view.mu.RUnlock()
	list := make([]metadata.Topic, 0, len(m.view.topics))
	for _, t := range m.view.topics {
		list = append(list, t.Topic)
	}
	return list, m.view.loaded
}

// Holds tells whether the topic's node is there, as far as is known, and its name taken by it.
func (m *Member) Holds(t metadata.Topic) bool {
	m.view.mu.RLock()
	defer m.view.mu.RUnlock()
	now, there := m.view.topics[t.Name]
	return there && now.ID == t.ID
}

// Drain has the broker's leaderships moved to others. It returns when it leads nothing that another could lead
// (replication.Movable), or is not registered, when it leads nothing at all; or when ctx ends.
func (m *Member) Drain(ctx context.Context) error {
	m.mu.Lock()
	m.drain = true
	m.mu.Unlock()
	select {
	case m.poke <- struct{}{}:
	default:
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for m.view.registered() {
		s := m.view.snapshot(m.opts.Defaults)
		leads := replication.Movable(&s, m.opts.Self.Broker)
		if leads == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("draining: broker %d still leads %d partitions that others could: %w", m.opts.Self.Broker, leads,
				ctx.Err())
		case <-ticker.C:
		}
	}
	return nil
}

// DuplicateError says that another broker runs under this one's id.
type DuplicateError struct {
	Broker  int32
	Address string // of the other, for clients
}

// Error names the id and the other broker.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("broker id %d is in use by the broker at %s, which has another store", e.Broker, e.Address)
}

// Run registers the broker, anew whenever a registration is over, and keeps the view up to date until ctx ends. It
// returns why it cannot go on: a *DuplicateError, or an error of the broker's own store; nil when ctx ended.
func (m *Member) Run(ctx context.Context) error {
	return m.driver.run(ctx)
}

// PeerSaid says that a connection with another broker is up on which it said its epoch and, where it is the controller,
// the controller's; else replication.NoEpoch.
func (m *Member) PeerSaid(ctx context.Context, ev replication.PeerSaid) { m.driver.post(ctx, ev) }

// PeerRefused says that the connection with a broker broke, and that a new one was refused: its process is gone (R8).
func (m *Member) PeerRefused(ctx context.Context, ev replication.PeerRefused) { m.driver.post(ctx, ev) }

// RefusalReported says that another broker saw that.
func (m *Member) RefusalReported(ctx context.Context, ev replication.RefusalReported) {
	m.driver.post(ctx, ev)
}

// SessionID returns the id of the session that the broker is registered in; 0: it is not.
func (m *Member) SessionID() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		return 0
	}
	return m.session.ID()
}

func (m *Member) setSession(s metadata.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = s
}
