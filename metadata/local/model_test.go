package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/internal/storemodel"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/local"
)

var allPaths = []string{"/a", "/b", "/a/a", "/a/b", "/a-b", "/a/a/a", "/b/x.y", "/a/a/b"}

func drawOp(t *rapid.T) metadata.Op {
	path := rapid.SampledFrom(allPaths).Draw(t, "path")
	version := rapid.SampledFrom([]int32{-1, -1, 0, 0, 1, 2, 3}).Draw(t, "version")
	data := rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "data")
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return metadata.Check(path, version)
	case 1:
		return metadata.Set(path, data, version)
	case 2:
		return metadata.Delete(path, version)
	case 3:
		return metadata.CreateEphemeral(path, data)
	}
	return metadata.Create(path, data)
}

// under moves the operations below a node, so that many runs can share a store.
func under(base string, ops []metadata.Op) []metadata.Op {
	moved := slices.Clone(ops)
	for i := range moved {
		moved[i].Path = base + moved[i].Path
	}
	return moved
}

// TestModel holds the store, over restarts, to the model; and DryRun to both.
func TestModel(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	store := openKV(t, dir)
	defer func() { _ = store.Close() }()
	s, err := local.New(store)
	require.NoError(t, err)
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		base, m := fmt.Sprintf("/%d", runs), storemodel.Tree{}
		require.NoError(t, s.Multi(ctx, metadata.Create(base, nil)))
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 99).Draw(t, "what") {
			case 0: // close the store and open it again
				require.NoError(t, store.Close())
				store = openKV(t, dir)
				fallthrough
			case 1, 2, 3, 4, 5: // only read the rows again
				id := s.ID()
				s, err = local.New(store)
				require.NoError(t, err)
				m, _ = m.End(id)
			default:
				ops := rapid.SliceOfN(rapid.Custom(drawOp), 0, 5).Draw(t, "ops")
				next, index, want := m.Multi(s.ID(), ops)
				same(t, metadata.DryRun(s).Multi(ctx, under(base, ops)...), index, want)
				same(t, s.Multi(ctx, under(base, ops)...), index, want)
				m = next
			}
			compare(t, s, base, m)
		}
	})
}

func same(t *rapid.T, got error, index int, want error) {
	if want == nil {
		require.NoError(t, got)
		return
	}
	var me *metadata.MultiError
	require.ErrorAs(t, got, &me)
	require.Equal(t, index, me.Index)
	require.ErrorIs(t, got, want)
}

func compare(t *rapid.T, s *local.Store, base string, m storemodel.Tree) {
	for _, path := range allPaths {
		n, err := s.Get(context.Background(), base+path)
		names, childrenErr := s.Children(context.Background(), base+path)
		want, exists := m[path]
		if !exists {
			require.ErrorIs(t, err, metadata.ErrNoNode)
			require.ErrorIs(t, childrenErr, metadata.ErrNoNode)
			continue
		}
		require.NoError(t, errors.Join(err, childrenErr))
		require.Equal(t, want.Version, n.Version, path)
		require.Equal(t, want.Session, n.Session, path)
		require.True(t, bytes.Equal(want.Data, n.Data), path)
		require.True(t, slices.Equal(m.Children(path), names), path)
	}
}
