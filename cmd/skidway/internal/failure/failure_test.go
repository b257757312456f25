package failure

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func unreachable() *Failure {
	return &Failure{
		Code:    CodeUnreachable,
		Message: "cannot reach any broker: 127.0.0.1:7440: connection refused",
		Notes:   []Note{{"address from", "default (no --server, no SKIDWAY_SERVER)"}},
		Hint:    "start one with  skidway serve --dev", Retriable: true, Exit: ExitUnreachable, Err: io.EOF,
	}
}

func TestPrintText(t *testing.T) {
	var b strings.Builder
	Print(&b, fmt.Errorf("wrapped: %w", unreachable()), Text)
	require.Equal(t, `error: cannot reach any broker: 127.0.0.1:7440: connection refused   [E101]
  address from: default (no --server, no SKIDWAY_SERVER)
  hint: start one with  skidway serve --dev
`, b.String())
}

func TestPrintJSON(t *testing.T) {
	var b strings.Builder
	Print(&b, unreachable(), JSON)
	require.Equal(t, `{"error":{"code":"E101","message":"cannot reach any broker: 127.0.0.1:7440: connection refused",`+
		`"hint":"start one with  skidway serve --dev","retriable":true}}`+"\n", b.String())
}

func TestPrintColouredHasTheSameWords(t *testing.T) {
	var plain, coloured strings.Builder
	Print(&plain, unreachable(), Text)
	Print(&coloured, unreachable(), Coloured)
	require.Contains(t, coloured.String(), "\x1b[")
	strip := strings.NewReplacer("\x1b[31;1m", "", "\x1b[2m", "", "\x1b[0m", "")
	require.Equal(t, plain.String(), strip.Replace(coloured.String()))
}

func TestPrintSnippetAndList(t *testing.T) {
	var b strings.Builder
	l := List{
		{Code: CodeUnknownKey, Message: "a:1: unknown", Snippet: "   1| x = 1\n    | ~\n", Exit: ExitUsage},
		BadValue("--timeout", "%q is no duration", "x").WithNote("accepted", "10s"),
	}
	Print(&b, l, Text)
	require.Equal(t, "error: a:1: unknown   [E201]\n   1| x = 1\n    | ~\n"+
		"error: --timeout: \"x\" is no duration   [E202]\n  accepted: 10s\n", b.String())
	require.Equal(t, 2, strings.Count(l.Error(), "["))
	require.True(t, errors.Is(List{unreachable()}, io.EOF))
}

func TestPrintForeignErrorGetsACode(t *testing.T) {
	var b strings.Builder
	Print(&b, io.ErrUnexpectedEOF, Text)
	require.Equal(t, "error: unexpected EOF   [E304]\n", b.String())
}

func TestPrintReportedAndNilAreSilent(t *testing.T) {
	var b strings.Builder
	Print(&b, nil, Text)
	Print(&b, Reported{Exit: 1}, JSON)
	require.Empty(t, b.String())
}

func TestExitCode(t *testing.T) {
	require.Equal(t, 0, ExitCode(nil))
	require.Equal(t, 3, ExitCode(fmt.Errorf("x: %w", unreachable())))
	require.Equal(t, 2, ExitCode(Usage("no")))
	require.Equal(t, 1, ExitCode(Refused("E110", "no topic")))
	require.Equal(t, 2, ExitCode(List{Usage("a"), unreachable()}))
	require.Equal(t, 10, ExitCode(Reported{Exit: ExitUnhealthy}))
	require.Equal(t, 1, ExitCode(io.EOF))
}
