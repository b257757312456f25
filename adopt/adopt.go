// Package adopt makes the data directory of a broker that stood alone that of the first broker of a cluster: its
// topics, ids, consumer groups and offsets go from the store's own metadata to ZooKeeper, and each partition gets a
// state. The records stay where they are.
//
// The steps, each durable before the next, so that a run that was killed can be run again and ends the same:
//
//  1. A node in ZooKeeper keeps all brokers away, and says whose adoption this is.
//  2. The metadata is written below it; what an earlier run left is deleted first.
//  3. The store is marked: it does not serve a broker alone any more. Until here it does, and may change.
//  4. The node of step 1 is replaced by the cluster's id, in one write: brokers may use it.
//
// docs/design/0011-adopt.md. It may import all below the broker.
package adopt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/local"
	"github.com/skidway/skidway/metadata/zk"
	"github.com/skidway/skidway/replication"
)

// Errors of Run, beside those of kv.Open, which say what is wrong with the directory, and metadata's.
var (
	// ErrNoStore says that there is no store in the directory.
	ErrNoStore = errors.New("there is no store")
	// ErrMember says that the store is of a cluster already, whose metadata is not at the place that was given.
	ErrMember = errors.New("the store is of a cluster already, whose metadata is elsewhere")
	// ErrCopied says that the cluster came of another copy of the store, from which it has gone on.
	ErrCopied = errors.New("the cluster was adopted from another copy of the store")
)

// Config says what is adopted, and where to.
type Config struct {
	// Store is how the stopped broker's store is opened, but for its role and when it syncs, which are Run's.
	Store kv.Options
	// ZooKeeper is the cluster's; its chroot, which is made if it is missing, must be empty.
	ZooKeeper zk.Config
	// DryRun has nothing written but what opening and closing the store writes.
	DryRun bool
	// Connecting bounds, if it is not nil, how long ZooKeeper is waited for.
	Connecting context.Context

	// A test ends a run in step as a crash would, and has more than one write.
	step   func(string) error
	writes int // operations in one; 0: writeOps
}

// Result is what was done.
type Result int8

// The results.
const (
	Adopted        Result = iota
	AlreadyAdopted        // by an earlier run: nothing was to be done
	WouldAdopt            // of a dry run
)

// Report says what was adopted.
type Report struct {
	Result    Result
	ClusterID string
	Broker    int32
	Topics    []metadata.Topic // sorted by name, also those that are being deleted
	Groups    int
	Epoch     int32 // below that in which the partitions will be led
}

// Partitions is how many there are.
func (r Report) Partitions() (n int) {
	for _, t := range r.Topics {
		n += int(t.Partitions)
	}
	return n
}

// Run adopts. After an error, or a crash, it can be run again. ctx ends it between two writes.
func Run(ctx context.Context, cfg Config) (Report, error) {
	there, err := kv.Exists(cfg.Store.Dir, cfg.Store.FS)
	if err == nil && !there {
		err = fmt.Errorf("%w in %s", ErrNoStore, cfg.Store.Dir)
	}
	if err != nil {
		return Report{}, err
	}
	cfg.Store.Role, cfg.Store.Fsync = kv.RoleAny, kv.FsyncBatch
	store, err := kv.Open(cfg.Store)
	if err != nil {
		return Report{}, err
	}
	r, err := adoptStore(ctx, cfg, store)
	return r, errors.Join(err, store.Close())
}

// adoption is one run.
type adoption struct {
	cfg    Config
	store  *kv.Store
	source *local.Store
	target metadata.Store // nil: a dry run, and not even the chroot is there
	of     metadata.Adoption
	guard  metadata.Op
}

func adoptStore(ctx context.Context, cfg Config, store *kv.Store) (r Report, err error) {
	source, err := local.New(store)
	if err != nil {
		return r, err
	}
	target, err := connect(ctx, cfg)
	if err != nil {
		return r, err
	}
	id := store.Identity()
	a := &adoption{cfg: cfg, store: store, source: source,
		of: metadata.Adoption{ClusterID: id.ClusterID, Broker: id.BrokerID, StorageID: id.StorageID}}
	stage := metadata.AdoptionNone
	if target != nil {
		defer func() { err = errors.Join(err, target.Close()) }()
		a.target = target
		if stage, err = metadata.StageOfAdoption(ctx, target, a.of); err != nil {
			return r, err
		}
	}
	if r, err = a.report(ctx); err != nil {
		return r, err
	}
	switch {
	case id.Member && stage == metadata.AdoptionDone:
		r.Result = AlreadyAdopted
		return r, nil
	case id.Member && stage == metadata.AdoptionNone:
		return r, ErrMember
	case stage == metadata.AdoptionDone:
		return r, ErrCopied
	case cfg.DryRun:
		r.Result = WouldAdopt
		return r, nil
	}
	return r, a.run(ctx, r)
}

// connect reaches ZooKeeper, and makes the chroot. A dry run makes none: it gets nil where there is none.
func connect(ctx context.Context, cfg Config) (*zk.Store, error) {
	if cfg.Connecting != nil {
		ctx = cfg.Connecting
	}
	if cfg.ZooKeeper.Logger == nil {
		cfg.ZooKeeper.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := zk.Open(ctx, cfg.ZooKeeper)
	if !errors.Is(err, metadata.ErrNoNode) {
		return s, err
	}
	if cfg.DryRun {
		return nil, nil
	}
	if err := zk.CreateChroot(ctx, cfg.ZooKeeper); err != nil {
		return nil, err
	}
	return zk.Open(ctx, cfg.ZooKeeper)
}

// report reads what there is to adopt.
func (a *adoption) report(ctx context.Context) (Report, error) {
	id := a.store.Identity()
	r := Report{ClusterID: id.ClusterID, Broker: id.BrokerID, Epoch: id.LeaderEpoch + 1}
	names, err := a.source.Children(ctx, "/")
	if err != nil || len(names) == 0 { // a broker that never got so far as to prepare its metadata
		return r, err
	}
	if r.Topics, err = metadata.ListTopics(ctx, a.source); err != nil {
		return r, err
	}
	groups, err := a.source.Children(ctx, group.Root)
	if err != nil {
		return r, fmt.Errorf("list groups: %w", err)
	}
	r.Groups = len(groups)
	return r, nil
}

// run does what is still to be done.
func (a *adoption) run(ctx context.Context, r Report) (err error) {
	id := a.store.Identity()
	if !id.Member {
		if a.guard, err = metadata.BeginAdoption(ctx, a.target, a.of); err != nil {
			return err
		}
		if err := a.step("begun"); err != nil {
			return err
		}
		if err := a.write(ctx, r); err != nil {
			return err
		}
		if err := a.step("written"); err != nil {
			return err
		}
		if err := a.store.SaveMember(); err != nil {
			return err
		}
		if err := a.step("marked"); err != nil {
			return err
		}
	}
	if err := metadata.FinishAdoption(ctx, a.target, a.of); err != nil {
		return err
	}
	return a.step("finished")
}

func (a *adoption) step(name string) error {
	if a.cfg.step == nil {
		return nil
	}
	return a.cfg.step(name)
}

// write makes the cluster's nodes, in place of what an earlier run has left.
func (a *adoption) write(ctx context.Context, r Report) error {
	var old []metadata.Op
	err := walk(ctx, a.target, "/", func(path string) error {
		old = append(old, metadata.Delete(path, metadata.AnyVersion))
		return nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(old) // children first
	if err := a.apply(ctx, old); err != nil {
		return err
	}
	var nodes []metadata.Op
	err = walk(ctx, a.source, "/", func(path string) error {
		node, err := a.source.Get(ctx, path)
		nodes = append(nodes, metadata.Create(path, node.Data))
		return err
	})
	if err != nil {
		return err
	}
	holder := replication.Member{Broker: a.of.Broker, Storage: a.of.StorageID}
	return a.apply(ctx, append(nodes, cluster.AdoptedNodes(r.Topics, holder, r.Epoch)...))
}

// walk calls f with the paths below parent, parents first, but for those that say what store it is.
func walk(ctx context.Context, s metadata.Store, parent string, f func(path string) error) error {
	names, err := s.Children(ctx, parent)
	if err != nil {
		return fmt.Errorf("list %s: %w", parent, err)
	}
	for _, name := range names {
		path := parent + "/" + name
		if parent == "/" {
			path = parent + name
		}
		if metadata.OfAdoption(path) {
			continue
		}
		if err := f(path); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if err := walk(ctx, s, path, f); err != nil {
			return err
		}
	}
	return nil
}

// Bounds of one write. They leave room for the guard and for the paths.
const (
	writeOps   = metadata.MaxMultiOps - 1
	writeBytes = metadata.MaxMultiBytes / 4
)

// apply carries the operations out, in order, as many as fit into a write.
func (a *adoption) apply(ctx context.Context, ops []metadata.Op) error {
	most := writeOps
	if a.cfg.writes > 0 {
		most = a.cfg.writes
	}
	for len(ops) > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n, size := 0, 0
		for n < len(ops) && n < most && (n == 0 || size+opSize(ops[n]) <= writeBytes) {
			size += opSize(ops[n])
			n++
		}
		multi := append([]metadata.Op{a.guard}, ops[:n]...)
		if err := a.target.Multi(ctx, multi...); err != nil {
			return fmt.Errorf("write the metadata: %w", err)
		}
		ops = ops[n:]
		if err := a.step("wrote"); err != nil {
			return err
		}
	}
	return nil
}

// opSize bounds what an operation takes in a request, with the chroot before its path.
func opSize(op metadata.Op) int { return 512 + len(op.Path) + len(op.Data) }
