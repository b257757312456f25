package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/wire"
)

// A write that was refused until its time was over is explained by the refusal: it is not unknown whether it was
// carried out.
func TestExplainTimeoutNamesTheRefusal(t *testing.T) {
	refused := &client.Error{Code: wire.CodeDiskFull, Message: "the disk is full"}
	err := (&app{}).explain(&client.Error{Code: wire.CodeTimedOut, Outcome: client.OutcomeFailed,
		Message: "not written within 3s", Err: refused})
	var f *failure.Failure
	require.True(t, errors.As(err, &f))
	require.Equal(t, "E302", f.Code)
	require.Equal(t, wire.CodeDiskFull.Hint(), f.Hint)
	require.Equal(t, failure.ExitUnreachable, f.Exit)
	require.Empty(t, f.Notes)
}
