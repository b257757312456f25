package suggest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	known := []string{"retention", "retention_bytes", "fsync", "fsync_interval", "orders", "demo"}
	for text, want := range map[string]string{
		"retension":       "retention",
		"Retention":       "retention",
		"retention_byte":  "retention_bytes",
		"fysnc":           "fsync",
		"oders":           "orders",
		"demos":           "demo",
		"payments":        "",
		"x":               "",
		"":                "",
		"fsync_intervall": "fsync_interval",
	} {
		got, ok := Nearest(text, known)
		require.Equal(t, want, got, text)
		require.Equal(t, want != "", ok, text)
	}
}

func TestDistanceCountsASwapAsOne(t *testing.T) {
	require.Equal(t, 1, distance("fysnc", "fsync"))
	require.Equal(t, 0, distance("", ""))
	require.Equal(t, 3, distance("abc", ""))
	require.Equal(t, 3, distance("kitten", "sitting"))
}
