package table

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample() *Table {
	t := &Table{Columns: []Column{{"TOPIC", "topic", Always}, {"ID", "id", OnlyWide}, {"SIZE", "bytes", Always},
		{"HEALTH", "health", Always}}}
	t.Add("orders", "1Wd0c9xk", Cell{"1.1 GiB", 1181116006}, "ok")
	t.Add("dämo", "x", Cell{"312 B", 312}, "")
	return t
}

func TestWrite(t *testing.T) {
	for format, want := range map[string]string{
		"text": "TOPIC   SIZE     HEALTH\norders  1.1 GiB  ok\ndämo    312 B\n",
		"wide": "TOPIC   ID        SIZE     HEALTH\norders  1Wd0c9xk  1.1 GiB  ok\ndämo    x         312 B\n",
		"tsv":  "topic\tid\tbytes\thealth\norders\t1Wd0c9xk\t1181116006\tok\ndämo\tx\t312\t\n",
		"json": `{"topic":"orders","id":"1Wd0c9xk","bytes":1181116006,"health":"ok"}` + "\n" +
			`{"topic":"dämo","id":"x","bytes":312,"health":""}` + "\n",
	} {
		var b strings.Builder
		require.NoError(t, sample().Write(&b, format))
		require.Equal(t, want, b.String(), format)
	}
}

func TestWriteEscapesWhatWouldBreakALine(t *testing.T) {
	tab := &Table{Columns: []Column{{"A", "a", Always}, {"B", "b", Always}}}
	tab.Add("x\ny\tz", `<\>`)
	for format, want := range map[string]string{
		"tsv":  "a\tb\nx\\ny\\tz\t<\\\\>\n",
		"text": "A      B\nx y\tz  <\\>\n",
		"json": `{"a":"x\ny\tz","b":"<\\>"}` + "\n",
	} {
		var b strings.Builder
		require.NoError(t, tab.Write(&b, format))
		require.Equal(t, want, b.String(), format)
	}
}

func TestEmptyTable(t *testing.T) {
	tab := &Table{Columns: []Column{{"TOPIC", "topic", Always}}}
	var b strings.Builder
	require.NoError(t, tab.Write(&b, "text"))
	require.Equal(t, "TOPIC\n", b.String())
	b.Reset()
	require.NoError(t, tab.Write(&b, "json"))
	require.Empty(t, b.String())
}

func TestARowOfAnotherLengthPanics(t *testing.T) {
	require.Panics(t, func() { sample().Add("x") })
}
