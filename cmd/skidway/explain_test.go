package main

import (
	"errors"
	"fmt"
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
	require.Equal(t, failure.ExitRefused, f.Exit)
	require.Empty(t, f.Notes)
}

// A hint is a command that can be run as it stands where it is known which topic it is about.
func TestHintsNameTheTopic(t *testing.T) {
	for code, command := range map[wire.Code]string{
		wire.CodeUnknownTopic:      "skidway topic create %s",
		wire.CodeTopicExists:       "skidway topic describe %s",
		wire.CodeUnknownPartition:  "skidway topic describe %s",
		wire.CodeOffsetOutOfRange:  "skidway offsets %s",
		wire.CodeRecordTooLarge:    "skidway topic alter %s --set",
		wire.CodeNotLeader:         "skidway topic describe %s",
		wire.CodeNotEnoughReplicas: "skidway topic describe %s",
	} {
		for topic, name := range map[string]string{"orders": "orders", "": "NAME"} {
			var f *failure.Failure
			require.ErrorAs(t, (&app{}).explain(&client.Error{Code: code, Topic: topic, Partition: -1, Message: "x"}), &f)
			require.Contains(t, f.Hint, fmt.Sprintf(command, name))
		}
	}
}
