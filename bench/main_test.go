package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startBrokerWith starts a real broker, whose configuration change may alter.
func startBrokerWith(t *testing.T, change func(*broker.Config)) *broker.Broker {
	t.Helper()
	cfg := broker.Config{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", HTTPListen: "127.0.0.1:0",
		OnFatal: func(err error) { panic(fmt.Sprintf("fatal: %v", err)) },
	}
	change(&cfg)
	b, err := broker.Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, b.Shutdown(ctx))
	})
	return b
}

// startBroker starts a real broker and returns a driver of it, and the URL of its metrics.
func startBroker(t *testing.T) (Driver, string) {
	t.Helper()
	b := startBrokerWith(t, func(*broker.Config) {})
	d, err := Skidway(t.Context(), []string{b.Addr().String()})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d, "http://" + b.HTTPAddr().String() + "/metrics"
}
