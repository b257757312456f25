package kv

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A store serves a broker alone or one of a cluster, until it is marked, and then across restarts.
func TestRole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	there, err := Exists(dir, nil)
	require.NoError(t, err)
	require.False(t, there)
	open := func(role Role) (*Store, error) { return Open(Options{Dir: dir, Role: role}) }
	s, err := open(RoleAlone)
	require.NoError(t, err)
	require.False(t, s.Identity().Member)
	id := s.Identity().StorageID
	require.NoError(t, s.Close())
	there, err = Exists(dir, nil)
	require.NoError(t, err)
	require.True(t, there)
	_, err = open(RoleMember)
	require.Equal(t, &RoleError{Dir: dir}, err)

	s, err = open(RoleAny)
	require.NoError(t, err)
	require.NoError(t, s.SaveMember())
	require.True(t, s.Identity().Member)
	require.NoError(t, s.Close())
	_, err = open(RoleAlone)
	require.Equal(t, &RoleError{Dir: dir, Member: true}, err)
	for range 2 {
		s, err = open(RoleMember)
		require.NoError(t, err)
		require.Equal(t, id, s.Identity().StorageID)
		require.NoError(t, s.Close())
	}

	dir = filepath.Join(t.TempDir(), "made")
	s, err = open(RoleMember)
	require.NoError(t, err)
	require.True(t, s.Identity().Member)
	require.NoError(t, s.Close())
	_, err = open(RoleAlone)
	require.Equal(t, &RoleError{Dir: dir, Member: true}, err)
}
