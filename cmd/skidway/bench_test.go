package main

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/bench"
)

// What a flag says wins over a scenario, and only what a flag says.
func TestFlagsOverScenarios(t *testing.T) {
	var l bench.Load
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	loadFlags(f, &l)
	require.NoError(t, f.Parse([]string{"--duration", "3s", "--size", "2KiB", "--verify", "off"}))
	loads, err := readScenarios([]string{"full-1000", "one-e2e"}, f)
	require.NoError(t, err)
	require.Len(t, loads, 2)
	for i, name := range []string{"full-1000", "one-e2e"} {
		want, err := bench.Scenario(name)
		require.NoError(t, err)
		want.Duration, want.Size, want.Verify = bench.Span(3*time.Second), 2<<10, bench.Off
		require.Equal(t, want, loads[i])
	}
}

// Every setting of a load that stands for itself can be given as a flag.
func TestLoadFlags(t *testing.T) {
	var l bench.Load
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	loadFlags(f, &l)
	for name, value := range map[string]string{
		"rate": "5", "outstanding": "6", "buffer": "7KiB", "size": "128", "keys": "random", "partitions": "8",
		"replicas":  "3",
		"producers": "2",
		"consumers": "3", "batch": "9KiB", "linger": "1ms", "in-flight": "4", "compression": "lz4", "acks": "leader",
		"idempotence": "off", "duration": "1s", "bytes": "10", "warm-up": "2s", "verify": "off",
	} {
		require.NoError(t, f.Set(name, value))
		require.Equal(t, value, f.Lookup(name).Value.String())
	}
	got, err := l.Complete()
	require.NoError(t, err)
	require.Equal(t, l, func() bench.Load {
		got.FetchMin, got.FetchMax, got.FetchWait, got.Mode = 0, 0, 0, ""
		return got
	}(), "each flag reaches its own setting")
}
