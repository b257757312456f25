package broker

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConfigDefaults(t *testing.T) {
	c := Config{DataDir: "/data"}
	require.NoError(t, c.Validate())
	c = c.WithDefaults()
	require.Equal(t, "127.0.0.1:7440", c.Listen)
	require.EqualValues(t, 1, c.NodeID)
	require.EqualValues(t, 1, c.TopicDefaults.Partitions)
	require.Positive(t, c.Limits.Connections)
	require.NotNil(t, c.Logger)
	c.HTTPListen = "off"
	require.Empty(t, c.WithDefaults().HTTPListen)
	require.Equal(t, "standalone", ModeStandalone.String())
	require.Equal(t, "development", ModeDev.String())
}

// J4: every fault is told at once.
func TestConfigFaultsJ4(t *testing.T) {
	err := Config{
		NodeID: -1, Listen: "nonsense", Advertise: "0.0.0.0:1", HTTPListen: "127.0.0.1:http", Mode: 9,
		FsyncInterval: -time.Second,
		TopicDefaults: TopicDefaults{Partitions: -1, Settings: map[string]string{"retension": "7d"}},
		Storage:       Storage{CacheBytes: -1, MemTableBytes: -1, RecentBytes: -1, MaxOpenFiles: -1},
		Limits: Limits{Connections: -1, MemoryBytes: 1, FrameBytes: 1, FetchBytes: 1, FetchWait: -1,
			ProduceWait: -1, Partitions: -1},
	}.Validate()
	var config *ConfigError
	require.ErrorAs(t, err, &config)
	fields := map[string]bool{}
	for _, f := range config.Faults {
		fields[f.Field] = true
		require.Contains(t, err.Error(), f.Problem)
	}
	for _, field := range []string{
		"DataDir", "NodeID", "Listen", "Advertise", "HTTPListen", "Mode", "FsyncInterval", "TopicDefaults.Partitions",
		"TopicDefaults.Settings", "Storage.CacheBytes", "Storage.MemTableBytes", "Storage.RecentBytes",
		"Storage.MaxOpenFiles", "Limits.Connections", "Limits.MemoryBytes", "Limits.FrameBytes", "Limits.FetchBytes",
		"Limits.FetchWait", "Limits.ProduceWait", "Limits.Partitions",
	} {
		require.True(t, fields[field], "%s is not among %v", field, err)
	}
	require.Contains(t, err.Error(), `did you mean "retention"?`)
	_, err = Start(t.Context(), Config{})
	require.ErrorAs(t, err, &config)
}

// J4: addresses that others can reach need a word from the operator.
func TestInsecureBindJ4(t *testing.T) {
	for addr, loopback := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true, "127.9.9.9:0": true,
		"0.0.0.0:0": false, ":0": false, "[::]:0": false, "10.0.0.1:0": false, "node1.example.net:7440": false,
	} {
		for _, field := range []string{"Listen", "HTTPListen"} {
			c := Config{DataDir: "/data"}
			if field == "Listen" {
				c.Listen = addr
			} else {
				c.HTTPListen = addr
			}
			err := c.Validate()
			if loopback {
				require.NoError(t, err, addr)
				continue
			}
			require.ErrorContains(t, err, field, addr)
			require.ErrorContains(t, err, "can read, write and delete every topic")
			c.Insecure = InsecureAllowed
			require.NoError(t, c.Validate(), addr)
			c.Mode = ModeDev
			require.ErrorContains(t, c.Validate(), "development mode listens on loopback only")
		}
	}
}

func TestAdvertised(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 7440} }
	require.Equal(t, "a.example:1", advertised("a.example:1", at("127.0.0.1")))
	require.Equal(t, "127.0.0.1:7440", advertised("", at("127.0.0.1")))
	host, port, err := net.SplitHostPort(advertised("", at("0.0.0.0")))
	require.NoError(t, err)
	require.Equal(t, "7440", port)
	require.NotEqual(t, "0.0.0.0", host)
}
