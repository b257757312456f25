package cluster

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// carryController carries out one effect of the controller's core.
func (d *driver) carryController(ctx context.Context, e replication.ControllerEffect) {
	inc := d.inc
	if inc == nil {
		return // the registration is over: so is all of its controller
	}
	switch e := e.(type) {
	case replication.ReadController:
		d.goAside(ctx, inc.readController)
	case replication.Elect:
		d.goAside(ctx, func(ctx context.Context) any { return replication.Elected{Outcome: inc.elect(ctx, e)} })
	case replication.ReadSnapshot:
		s := d.m.view.snapshot(d.m.opts.Defaults)
		d.tidyOrders(ctx, s)
		d.stepController(ctx, replication.SnapshotRead{Snapshot: s})
	case replication.Apply:
		d.goAside(ctx, func(ctx context.Context) any { return replication.ChangesWritten{Outcome: inc.carryOut(ctx, e)} })
	case replication.DeclareDead:
		d.goAside(ctx, func(ctx context.Context) any { return replication.ChangesWritten{Outcome: inc.declareDead(ctx, e)} })
	case replication.ReportRefusal:
		d.m.view.addRefusal(e)
	}
}

// tidyOrders has the orders removed that nothing is left to be done for.
func (d *driver) tidyOrders(ctx context.Context, s replication.Snapshot) {
	epoch, controls := d.controller.Controls()
	if !controls {
		return
	}
	settled := s.Preferred && len(replication.Plan(s)) == 0
	if list, inc := d.m.view.finishedOrders(settled), d.inc; len(list) > 0 {
		// The controller's epoch is the version of its node, which guards what it writes.
		d.goAside(ctx, func(ctx context.Context) any {
			inc.removeOrders(ctx, epoch, list)
			return nil
		})
	}
}

// readController reads who controls: a ControllerRead, or nil, and the core asks again.
func (i *incarnation) readController(ctx context.Context) any {
	if err := i.s.Sync(ctx); err != nil {
		return nil
	}
	epoch, err := i.s.Get(ctx, controllerEpochPath)
	if err != nil {
		return nil
	}
	read := replication.ControllerRead{Epoch: epoch.Version, EpochVersion: epoch.Version}
	node, err := i.s.Get(ctx, controllerPath)
	switch {
	case errors.Is(err, metadata.ErrNoNode):
		return read
	case err != nil:
		return nil
	}
	c, err := decodeController(node)
	if err != nil {
		i.m.log.Error("the controller's node cannot be read", "error", err)
		return nil
	}
	read.Held, read.Broker, read.BrokerEpoch = true, c.Broker, c.BrokerEpoch
	read.NodeEpoch, read.NodeVersion = c.Epoch, node.Version
	return read
}

// elect makes this broker the controller.
func (i *incarnation) elect(ctx context.Context, e replication.Elect) replication.Outcome {
	c := Controller{Broker: i.own.Member.Broker, BrokerEpoch: e.BrokerEpoch, Epoch: e.Epoch, session: i.s.ID()}
	var ops []metadata.Op
	if e.TakeOver >= 0 {
		ops = append(ops, metadata.Delete(controllerPath, e.TakeOver))
	}
	ops = append(ops, metadata.CreateEphemeral(controllerPath, c.encode()),
		metadata.Set(controllerEpochPath, nil, e.EpochVersion))
	outcome := outcomeOf(i.s.Multi(ctx, ops...))
	if outcome == replication.OutcomeOK {
		i.m.log.Info("this broker is the controller", "controller_epoch", c.Epoch, "took_over", e.TakeOver >= 0)
		i.m.view.setController(&c)
	}
	return outcome
}

// declareDead removes the registration of a broker whose process is gone.
func (i *incarnation) declareDead(ctx context.Context, e replication.DeclareDead) replication.Outcome {
	r, there := i.m.view.broker(e.Broker)
	if !there || r.Epoch != e.BrokerEpoch {
		return replication.OutcomeBadVersion
	}
	err := i.s.Multi(ctx, metadata.Check(controllerEpochPath, e.EpochVersion),
		metadata.Check(epochPath(e.Broker), e.BrokerEpoch), metadata.Delete(registrationPath(e.Broker), r.version))
	var failed *metadata.MultiError
	if errors.As(err, &failed) && failed.Index == 0 {
		return replication.OutcomeCheckFailed
	}
	if err == nil {
		i.m.log.Warn("a broker is gone: its process refuses connections", "broker", e.Broker, "broker_epoch", e.BrokerEpoch)
		i.m.view.setBroker(e.Broker, nil)
	}
	return outcomeOf(err)
}

const (
	// planWrites bounds the changes of one multi, so that one that fails its check holds up few others.
	planWrites = 100
	// planMultis bounds the multis under way.
	planMultis = 8
)

// errDeposed says that another broker is the controller.
var errDeposed = errors.New("another broker is the controller")

// carryOut writes what the plan says.
func (i *incarnation) carryOut(ctx context.Context, e replication.Apply) replication.Outcome {
	err := i.makeParents(ctx, e.EpochVersion, e.Changes)
	if err == nil {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(planMultis)
		for _, run := range i.runs(e.Changes) {
			g.Go(func() error { return i.write(ctx, e.EpochVersion, run) })
		}
		err = g.Wait()
	}
	switch {
	case errors.Is(err, errDeposed):
		return replication.OutcomeCheckFailed
	case err != nil && ctx.Err() == nil:
		i.m.log.Warn("the controller's changes could not all be written; they are planned again", "error", err)
		return replication.OutcomeUnknown
	}
	return replication.OutcomeOK
}

// makeParents makes the nodes that partitions of new topics lie below.
func (i *incarnation) makeParents(ctx context.Context, guard int32, plan []replication.StateChange) error {
	seen := make(map[uint64]bool)
	for _, ch := range plan {
		path := topicPartitionsPath(ch.Topic)
		if ch.Kind != replication.CreatePartition || seen[ch.Topic] || i.isWatched(path) {
			continue
		}
		seen[ch.Topic] = true
		if err := i.write(ctx, guard, []change{{ch, metadata.Create(path, nil)}}); err != nil {
			return err
		}
	}
	return nil
}

func (i *incarnation) isWatched(path string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.watched[path]
}

// change is one change of a plan, and what it is written as.
type change struct {
	replication.StateChange
	op metadata.Op
}

// runs cuts a plan into multis.
func (i *incarnation) runs(plan []replication.StateChange) (runs [][]change) {
	var run []change
	size := 0
	for _, ch := range plan {
		for _, op := range i.ops(ch) {
			if len(run) == planWrites || size > metadata.MaxMultiBytes/2 {
				runs, run, size = append(runs, run), nil, 0
			}
			run = append(run, change{ch, op})
			size += len(op.Path) + len(op.Data)
		}
	}
	if len(run) > 0 {
		runs = append(runs, run)
	}
	return runs
}

// ops are the operations that a change is written as.
func (i *incarnation) ops(ch replication.StateChange) []metadata.Op {
	path := PartitionID{ch.Topic, ch.Index}.path()
	switch ch.Kind {
	case replication.SetPartition:
		return []metadata.Op{metadata.Set(path, replication.EncodeState(ch.State), ch.Version)}
	case replication.CreatePartition:
		return []metadata.Op{metadata.Create(path, replication.EncodeState(ch.State))}
	case replication.DeletePartition:
		return []metadata.Op{metadata.Delete(path, ch.Version)}
	}
	var ops []metadata.Op // of a topic that is gone: its name is free then
	if parent := topicPartitionsPath(ch.Topic); i.isWatched(parent) {
		ops = append(ops, metadata.Delete(parent, metadata.AnyVersion))
	}
	if t, ok := i.m.view.topicByID(ch.Topic); ok {
		ops = append(ops, metadata.Delete(metadata.TopicsPath+"/"+t.Name, t.version))
	}
	return ops
}

// write writes changes that do not depend on one another. One that fails its check is read again, and the others are
// written without it.
func (i *incarnation) write(ctx context.Context, guard int32, run []change) error {
	for len(run) > 0 {
		ops := make([]metadata.Op, 0, len(run)+1)
		ops = append(ops, metadata.Check(controllerEpochPath, guard))
		for _, ch := range run {
			ops = append(ops, ch.op)
		}
		err := i.s.Multi(ctx, ops...)
		var failed *metadata.MultiError
		switch {
		case err == nil:
			i.applied(run)
			return nil
		case errors.As(err, &failed) && failed.Index == 0:
			i.m.log.Info("this broker is the controller no more", "controller_epoch", guard)
			return errDeposed
		case errors.As(err, &failed):
			i.changes.Add(failed.Op.Path)
			run = append(run[:failed.Index-1:failed.Index-1], run[failed.Index:]...)
		case errors.Is(err, metadata.ErrUnknown), errors.Is(err, metadata.ErrUnavailable):
			for _, ch := range run {
				i.changes.Add(ch.op.Path)
			}
			return nil
		default:
			return fmt.Errorf("the controller's changes: %w", err)
		}
	}
	return nil
}

// applied puts what was written into the view, so that the next plan does not wait for the store to tell.
func (i *incarnation) applied(run []change) {
	for _, ch := range run {
		id := PartitionID{ch.Topic, ch.Index}
		switch {
		case ch.op.Path != id.path():
		case ch.Kind == replication.SetPartition:
			i.m.view.setPartition(id, &Partition{ch.State, ch.Version + 1})
		case ch.Kind == replication.CreatePartition:
			i.m.view.setPartition(id, &Partition{ch.State, 0})
		}
	}
}
