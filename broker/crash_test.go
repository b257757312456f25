package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

// A19: a panic where a request is carried out is not survived: it ends the process by OnFatal, with the stack.
func TestPanicIsFatalA19(t *testing.T) {
	var said []error
	b := &Broker{cfg: Config{OnFatal: func(err error) { said = append(said, err) }}}
	require.Panics(t, func() {
		handler{b}.Handle(t.Context(), nil, (*wire.ProduceRequest)(nil))
	})
	require.Panics(t, func() {
		_, _ = later(b, b.listTopics, (*wire.ListTopicsRequest)(nil)).Wait(t.Context())
	})
	require.Len(t, said, 2)
	require.ErrorContains(t, said[0], "startProduce")
	require.ErrorContains(t, said[1], "listTopics")
}
