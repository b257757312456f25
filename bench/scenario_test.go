package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryScenarioIsValid(t *testing.T) {
	require.NotEmpty(t, Scenarios())
	for _, name := range Scenarios() {
		l, err := Scenario(name)
		require.NoError(t, err)
		require.Equal(t, name, l.Name)
		require.NotEmpty(t, l.Note)
		_, err = l.Complete()
		require.NoError(t, err)
	}
	_, err := Scenario("nothing")
	require.ErrorContains(t, err, `no scenario "nothing"; there are `)
}

func TestParseScenario(t *testing.T) {
	l, err := ParseScenario("mine.toml",
		[]byte("mode = 'produce'\nsize = '2KiB'\nduration = '1m30s'\nrate = 5e3\n[settings]\nretention = '1d'\n"))
	require.NoError(t, err)
	require.Equal(t, Load{Name: "mine", Mode: ModeProduce, Size: 2048, Duration: Span(90 * time.Second), Rate: 5000,
		Settings: map[string]string{"retention": "1d"}}, l)
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":   {"mode = 'produce'\nsise = '1KiB'\n", `mine.toml:2: no setting "sise"`},
		"bad size":      {"mode = 'produce'\nsize = 'much'\n", "mine.toml:2: "},
		"bad duration":  {"duration = 'soon'\n", "mine.toml:1: "},
		"no TOML":       {"mode = \n", "mine.toml:1: "},
		"bad mode":      {"mode = 'nap'\n", `mine.toml: mode: "nap" is none of produce, consume, e2e`},
		"several":       {"keys = 'x'\nacks = 'y'\n", "acks: \"y\" is none of"},
		"small records": {"size = '39'\n", "size: 39"},
		"acks":          {"acks = 'none'\n", "idempotence off"},
		"in flight":     {"in_flight = 6\n", "in_flight: 6, must be in 1..5"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseScenario("mine.toml", []byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestCompleteIsIdempotent(t *testing.T) {
	once, err := Load{}.Complete()
	require.NoError(t, err)
	twice, err := once.Complete()
	require.NoError(t, err)
	require.Equal(t, once, twice)
	require.Equal(t, Span(10*time.Second), once.WarmUp)
	none, err := Load{WarmUp: -1}.Complete()
	require.NoError(t, err)
	require.Zero(t, none.WarmUp)
}

func TestSlotsOfALoad(t *testing.T) {
	for _, c := range []struct {
		load Load
		want int
	}{
		{Load{Size: 1 << 10, Buffer: 32 << 20, Producers: 1}, 32768},
		{Load{Size: 1 << 10, Buffer: 32 << 20, Producers: 4}, 8192},
		{Load{Size: 1 << 10, Buffer: 32 << 20, Producers: 2, Outstanding: 256}, 128},
		{Load{Size: 1 << 10, Buffer: 1 << 10, Producers: 3}, 1},
	} {
		require.Equal(t, c.want, c.load.Slots())
	}
}

func TestAmountsAreExact(t *testing.T) {
	for text, n := range map[string]Bytes{"0": 0, "100": 100, "1KiB": 1024, "1500": 1500, "3MiB": 3 << 20,
		"10GiB": 10 << 30} {
		require.Equal(t, text, n.String())
		var back Bytes
		require.NoError(t, back.UnmarshalText([]byte(text)))
		require.Equal(t, n, back)
	}
	for _, d := range []Span{0, Span(time.Millisecond), Span(90 * time.Second), Span(36*time.Hour + time.Second)} {
		text, err := d.MarshalText()
		require.NoError(t, err)
		var back Span
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, d, back)
	}
}
