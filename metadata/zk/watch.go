package zk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	zookeeper "github.com/go-zookeeper/zk"

	"github.com/skidway/skidway/metadata"
)

// Watch is Get, and tells changes when the node may be another.
func (s *Session) Watch(ctx context.Context, path string, changes *metadata.Changes) (metadata.Node, error) {
	if err := checkRead(path); err != nil {
		return metadata.Node{}, err
	}
	return read(ctx, s, fmt.Sprintf("watch %q", path), func() (metadata.Node, error) {
		for {
			e, set := s.watches.add(watch{path, onNode}, changes)
			get := s.conn.GetW
			if set {
				get = withoutWatch(s.conn.Get)
			}
			data, stat, _, err := get(s.inside(path))
			if err == nil {
				s.watches.wasSet(e)
				return newNode(path, data, stat), nil
			}
			if !errors.Is(err, zookeeper.ErrNoNode) {
				return metadata.Node{}, err
			}
			there, err := s.awaitCreation(path, changes)
			if err != nil {
				return metadata.Node{}, err
			}
			if !there {
				return metadata.Node{}, zookeeper.ErrNoNode
			}
		}
	})
}

// WatchChildren is Children, and tells changes when the node may have others.
func (s *Session) WatchChildren(ctx context.Context, path string, changes *metadata.Changes) ([]string, error) {
	if err := checkRead(path); err != nil {
		return nil, err
	}
	return read(ctx, s, fmt.Sprintf("watch the children of %q", path), func() ([]string, error) {
		for {
			on := watch{path, onChildren}
			e, set := s.watches.add(on, changes)
			list := s.conn.ChildrenW
			if set {
				list = withoutWatch(s.conn.Children)
			}
			names, _, _, err := list(s.inside(path))
			if err == nil {
				s.watches.wasSet(e)
				slices.Sort(names)
				return names, nil
			}
			if !errors.Is(err, zookeeper.ErrNoNode) {
				return nil, err
			}
			s.watches.remove(on, changes)
			there, err := s.awaitCreation(path, changes)
			if err != nil {
				return nil, err
			}
			if !there {
				return nil, zookeeper.ErrNoNode
			}
		}
	})
}

// awaitCreation lets changes know when the node that was absent a moment ago is made,
// unless it is there again.
func (s *Session) awaitCreation(path string, changes *metadata.Changes) (there bool, err error) {
	e, set := s.watches.add(watch{path, onNode}, changes)
	if set {
		there, _, err = s.conn.Exists(s.inside(path))
	} else {
		there, _, _, err = s.conn.ExistsW(s.inside(path))
	}
	if err == nil {
		s.watches.wasSet(e)
	}
	return there, err
}

// withoutWatch gives a read that sets no watch the form of one that does.
func withoutWatch[T any](
	f func(string) (T, *zookeeper.Stat, error),
) func(string) (T, *zookeeper.Stat, <-chan zookeeper.Event, error) {
	return func(path string) (T, *zookeeper.Stat, <-chan zookeeper.Event, error) {
		value, stat, err := f(path)
		return value, stat, nil, err
	}
}
