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
	d := xml.NewDecoder(strings.NewReader(out.String()))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, "it is well-formed")
	}
	require.Contains(t, out.String(), "full &lt;&amp;&gt;")
	require.Equal(t, 3, strings.Count(out.String(), "<circle "), "two ratios of writing, one of reading")
	require.Contains(t, out.String(), ">2x<")
	require.Contains(t, out.String(), ">21x<")
	require.NotContains(t, out.String(), "NaN")
}
