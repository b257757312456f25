package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// incarnation reads what the metadata store holds into the view, in the time of one registration. It belongs to one
// goroutine, but for write and what that calls.
type incarnation struct {
	m       *Member
	s       metadata.Session
	own     Registration // Draining and version are run's alone; the rest does not change, and is read by others
	changes *metadata.Changes
	post    func(context.Context, any) // tells that the view was read

	mu      sync.Mutex      // guards watched while nodes are read side by side
	watched map[string]bool // nodes that are being watched: of which a child list says nothing new
}

// probeEvery is how often the registration's own node is looked at, so that one that was removed is noticed even if a
// wake-up was lost.
const probeEvery = time.Second

// run keeps the view up to date until the registration is over.
func (i *incarnation) run(ctx context.Context) {
	all := []string{controllerPath, registrationsPath, metadata.TopicsPath, partitionsPath, Preferred.path()}
	for _, kind := range orderKinds {
		all = append(all, kind.path())
	}
	i.readUntilDone(ctx, all)
	i.m.view.setLoaded()
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	again := all
	for ctx.Err() == nil {
		i.act(ctx)
		i.post(ctx, viewRead{controller: slices.Contains(again, controllerPath)})
		select {
		case <-ctx.Done():
			return
		case <-i.changes.Ready():
			again = i.changes.Take()
		case <-i.m.poke:
			again = nil
		case <-ticker.C:
			i.probe(ctx)
			again = i.changes.Take()
		}
		i.readUntilDone(ctx, again)
	}
}

// readUntilDone reads what is at the paths, again where the store could not be asked, until the registration is over.
func (i *incarnation) readUntilDone(ctx context.Context, paths []string) {
	for ctx.Err() == nil {
		err := i.read(ctx, paths)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			i.m.log.Warn("the metadata store cannot be read; it is tried again", "error", err)
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

// probe looks at the registration's own node.
func (i *incarnation) probe(ctx context.Context) {
	path := registrationPath(i.own.Member.Broker)
	node, err := i.s.Get(ctx, path)
	if errors.Is(err, metadata.ErrNoNode) || err == nil && node.Version != i.own.version {
		i.changes.Add(path)
	}
}

// act says whether the broker drains, if that is not what its registration says.
func (i *incarnation) act(ctx context.Context) {
	now, there := i.m.view.broker(i.own.Member.Broker)
	if !there || now.session != i.s.ID() || now.Epoch != i.own.Epoch {
		return // the driver finds that out
	}
	i.own.version, i.own.Draining = now.version, now.Draining
	if err := i.drain(ctx); err != nil && ctx.Err() == nil {
		i.m.log.Warn("whether the broker drains cannot be said; it is tried again", "error", err)
		i.changes.Add(registrationPath(i.own.Member.Broker))
	}
}

// drain says that the broker gives its leaderships away, as long as it is asked to: because it stops, or by an order.
func (i *incarnation) drain(ctx context.Context) error {
	i.m.mu.Lock()
	wanted := i.m.drain
	i.m.mu.Unlock()
	wanted = wanted || i.m.view.hasOrder(orderKey{kind: Drain, broker: i.own.Member.Broker})
	if wanted == i.own.Draining {
		return nil
	}
	next := i.own
	next.Draining = wanted
	err := i.s.Multi(ctx, metadata.Set(registrationPath(next.Member.Broker), next.encode(), next.version))
	switch {
	case err == nil:
		next.version++
		i.own.version, i.own.Draining = next.version, next.Draining
		i.m.view.setBroker(next.Member.Broker, &next)
	case refused(err), errors.Is(err, metadata.ErrUnknown):
		i.changes.Add(registrationPath(next.Member.Broker))
	default:
		return fmt.Errorf("say whether the broker is draining: %w", err)
	}
	return nil
}

// readers bounds the reads that are under way at a time.
const readers = 64

// read reads the nodes at the paths, and those below that turn up, into the view, and watches them.
func (i *incarnation) read(ctx context.Context, paths []string) error {
	for len(paths) > 0 {
		var mu sync.Mutex
		var more []string
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(readers)
		for _, path := range paths {
			g.Go(func() error {
				found, err := i.readOne(ctx, path)
				mu.Lock()
				more = append(more, found...)
				mu.Unlock()
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		paths = more
	}
	return nil
}

// readOne reads one node, and returns the paths of children that are not watched yet.
func (i *incarnation) readOne(ctx context.Context, path string) ([]string, error) {
	switch {
	case path == registrationsPath, path == metadata.TopicsPath, path == partitionsPath,
		strings.HasPrefix(path, partitionsPath+"/") && strings.Count(path, "/") == 2, isOrderList(path):
		return i.readChildren(ctx, path)
	}
	node, err := i.s.Watch(ctx, path, i.changes)
	absent := errors.Is(err, metadata.ErrNoNode)
	if err != nil && !absent {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	i.mu.Lock()
	if absent {
		delete(i.watched, path)
	} else {
		i.watched[path] = true
	}
	i.mu.Unlock()
	if err := i.take(path, node, absent); err != nil {
		// One node that cannot be read must not keep the broker from all others.
		i.m.log.Error("a node of the metadata store cannot be read; it is left as it was", "error", err)
	}
	return nil, nil
}

// readChildren lists the children of a node.
func (i *incarnation) readChildren(ctx context.Context, path string) (fresh []string, err error) {
	names, err := i.s.WatchChildren(ctx, path, i.changes)
	if err != nil && !errors.Is(err, metadata.ErrNoNode) {
		return nil, fmt.Errorf("list %s: %w", path, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		delete(i.watched, path)
	}
	if isOrderList(path) {
		i.m.view.pruneOrders(path, names)
	} else {
		i.m.view.prune(path, names)
	}
	for _, name := range names {
		child := path + "/" + name
		if !i.watched[child] {
			i.watched[child] = true
			fresh = append(fresh, child)
		}
	}
	return fresh, nil
}

// take puts a node into the view.
func (i *incarnation) take(path string, node metadata.Node, absent bool) error {
	v := i.m.view
	switch {
	case path == controllerPath:
		if absent {
			v.setController(nil)
			return nil
		}
		c, err := decodeController(node)
		if err == nil {
			v.setController(&c)
		}
		return err
	case strings.HasPrefix(path, registrationsPath+"/"):
		return i.takeRegistration(path, node, absent)
	case isOrder(path):
		return i.takeOrder(path, node, absent)
	case strings.HasPrefix(path, metadata.TopicsPath+"/"):
		name := strings.TrimPrefix(path, metadata.TopicsPath+"/")
		if absent {
			v.setTopic(name, nil)
			return nil
		}
		t, err := metadata.DecodeTopic(name, node.Data)
		if err == nil {
			v.setTopic(name, &topicNode{t, node.Version})
		}
		return err
	}
	id, ok := parsePartition(path)
	if !ok {
		return fmt.Errorf("%s: %w: it is not the path of a partition", path, metadata.ErrCorrupt)
	}
	if absent {
		v.setPartition(id, nil)
		return nil
	}
	state, err := replication.DecodeState(node.Data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	v.setPartition(id, &Partition{state, node.Version})
	return nil
}

func (i *incarnation) takeRegistration(path string, node metadata.Node, absent bool) error {
	id, err := strconv.ParseInt(strings.TrimPrefix(path, registrationsPath+"/"), 10, 32)
	if err != nil {
		return fmt.Errorf("%s: %w: it is not the path of a broker", path, metadata.ErrCorrupt)
	}
	if absent {
		i.m.view.setBroker(int32(id), nil)
		return nil
	}
	r, err := decodeRegistration(node)
	if err == nil {
		i.m.view.setBroker(int32(id), &r)
	}
	return err
}
