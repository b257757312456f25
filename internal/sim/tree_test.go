package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/metadata"
)

// A multi applies whole or not at all, each operation on what the ones before it leave.
func TestTreeMulti(t *testing.T) {
	var moved []string
	now := time.Duration(0)
	tr := newTree(func() time.Duration { return now }, func(path string) { moved = append(moved, path) })
	require.Equal(t, -1, tr.multi(treeOp{kind: metadata.OpCreate, path: "/a", value: 1, session: 7}))
	replace := []treeOp{
		{kind: metadata.OpDelete, path: "/a", version: 0}, {kind: metadata.OpCreate, path: "/a", value: 2, session: 8},
		{kind: metadata.OpSet, path: "/b", value: 3},
	}
	require.Equal(t, 2, tr.multi(replace...))
	v, _, _ := tr.get("/a")
	require.Equal(t, 1, v)
	now = time.Second
	require.Equal(t, -1, tr.multi(replace[:2]...))
	v, _, _ = tr.asOf("/a", time.Second-1)
	require.Equal(t, 1, v, "a server that is behind")
	v, _, _ = tr.get("/a")
	require.Equal(t, 2, v)
	require.Equal(t, []string{"/a", "/a"}, moved)
	tr.expire(7, []string{"/a"})
	require.Len(t, tr.nodes, 1)
	tr.expire(8, []string{"/a"})
	require.Empty(t, tr.nodes)
}
