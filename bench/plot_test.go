package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteRatioPlot(t *testing.T) {
	rated := func(name string, mb ...float64) (all []*Result) {
		for _, v := range mb {
			all = append(all, &Result{Load: Load{Name: name}, Produce: &Flow{Bytes: 1, BytesPerSecond: v * 1e6}})
		}
		return all
	}
	read := &Result{Load: Load{Name: "reading"}, Consume: &Flow{Bytes: 1, BytesPerSecond: 1e6}}
	columns := []Column{
		{Name: "kafka", Results: append(rated("full <&>", 100, 110, 105), read)},
		{Name: "kafka-fsync", Results: rated("full <&>", 10, 10, 10)},
		{Name: "skidway", Results: append(rated("full <&>", 200, 210, 220), read)},
	}
	var out strings.Builder
	require.NoError(t, WriteRatioPlot(&out, columns))
	requireWellFormed(t, out.String())
	require.Contains(t, out.String(), "full &lt;&amp;&gt;")
	require.Equal(t, 3, strings.Count(out.String(), "<circle "), "two ratios of writing, one of reading")
	require.Contains(t, out.String(), ">2x<")
	require.Contains(t, out.String(), ">21x<")
	require.NotContains(t, out.String(), "NaN")
	require.NotContains(t, out.String(), "CPU time", "nobody knows it")
}

// What a GB costs the broker has a part of its own, and a single run no bounds.
func TestWriteRatioPlotOfCosts(t *testing.T) {
	cost := func(seconds float64) []*Result {
		return []*Result{{Load: Load{Name: "full"}, Produce: &Flow{Bytes: 1e9, BytesPerSecond: 1e6},
			Broker: &BrokerView{CPUSeconds: seconds}}}
	}
	columns := []Column{{Name: "kafka", Results: cost(8)}, {Name: "skidway", Results: cost(4)}}
	var out strings.Builder
	require.NoError(t, WriteRatioPlot(&out, columns))
	requireWellFormed(t, out.String())
	require.Contains(t, out.String(), "CPU time a GB")
	require.Contains(t, out.String(), ">0.5x<")
	require.Equal(t, 2, strings.Count(out.String(), "<circle "))
	require.NotContains(t, out.String(), "Inf")
	require.NotContains(t, out.String(), "NaN")
}

func requireWellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, "it is well-formed")
	}
}
