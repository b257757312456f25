package zk

import (
	"errors"
	"fmt"

	zookeeper "github.com/go-zookeeper/zk"

	"github.com/skidway/skidway/metadata"
)

// refusals are the library's errors that say that a request changed nothing, and what they are called here. All others
// leave that open: the connection broke, or the session, with the request under way.
var refusals = []struct{ from, to error }{
	{zookeeper.ErrNoNode, metadata.ErrNoNode},
	{zookeeper.ErrNodeExists, metadata.ErrNodeExists},
	{zookeeper.ErrBadVersion, metadata.ErrBadVersion},
	{zookeeper.ErrNotEmpty, metadata.ErrNotEmpty},
	{zookeeper.ErrNoChildrenForEphemerals, metadata.ErrNoChildrenForEphemerals},
	{zookeeper.ErrNoAuth, metadata.ErrDenied},
	{zookeeper.ErrAuthFailed, metadata.ErrDenied},
	{zookeeper.ErrInvalidACL, metadata.ErrDenied},
	{zookeeper.ErrBadArguments, metadata.ErrBadPath},
	{zookeeper.ErrInvalidPath, metadata.ErrBadPath},
	{zookeeper.ErrNothing, metadata.ErrTooLarge}, // the guard's, in place of a reply that is too large
}

// refusal returns err as the metadata store's, or nil if it does not say that nothing was changed.
func refusal(err error) error {
	for _, r := range refusals {
		if errors.Is(err, r.from) {
			return r.to
		}
	}
	return nil
}

// answered tells whether err, or nil, came from a server.
func answered(err error) bool { return err == nil || refusal(err) != nil }

// multiError returns what a multi is answered with when the library returns err.
func multiError(ops []metadata.Op, results []zookeeper.MultiResponse, err error) error {
	if err == nil {
		return nil
	}
	for i, r := range results[:min(len(results), len(ops))] {
		if r.Error == nil {
			continue
		}
		if refused := refusal(r.Error); refused != nil {
			return &metadata.MultiError{Index: i, Op: ops[i], Err: refused}
		}
		return fmt.Errorf("operation %d of the multi: %w: %w", i, metadata.ErrUnknown, r.Error)
	}
	if refused := refusal(err); refused != nil && !errors.Is(refused, metadata.ErrTooLarge) {
		return fmt.Errorf("multi: %w", refused)
	}
	return fmt.Errorf("%w: %w", metadata.ErrUnknown, err)
}
