package broker

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// What the metadata store answers reaches a client as what it may do about it. An outcome that is unknown stays
// unknown, whatever else the error says.
func TestStoreErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code wire.Code
	}{
		{metadata.ErrUnavailable, wire.CodeStoreUnavailable},
		{fmt.Errorf("%w: %w", metadata.ErrUnavailable, context.DeadlineExceeded), wire.CodeStoreUnavailable},
		{metadata.ErrSessionEnded, wire.CodeStoreUnavailable},
		{fmt.Errorf("%w: %w", metadata.ErrSessionEnded, metadata.ErrClosed), wire.CodeShuttingDown},
		{fmt.Errorf("%w: %w", metadata.ErrUnknown, metadata.ErrSessionEnded), wire.CodeTimedOut},
		{&metadata.MultiError{Err: metadata.ErrDenied}, wire.CodeStoreDenied},
		{&metadata.MultiError{Err: metadata.ErrNoChildrenForEphemerals}, wire.CodeInternal},
	} {
		got := wireError(fmt.Errorf("create topic: %w", tc.err))
		require.Equal(t, tc.code, got.Code, "%v", tc.err)
		require.Contains(t, got.Message, tc.err.Error())
	}
}
