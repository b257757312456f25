package faultfs

import (
	"os"
	"path/filepath"
)

// directory is one directory's names: live is what this process sees; the real directory lags behind it by pending.
type directory struct {
	fs      *FS
	path    string
	live    map[string]*inode
	pending []dirOp // in the order they were done; a sync writes them down in that order, as a journal would
}

type opKind int

const (
	opLink opKind = iota
	opUnlink
	opRename
)

// dirOp is one change of a directory.
type dirOp struct {
	kind opKind
	name string
	from string // opRename: the old name
	node *inode // opLink
}

// do makes the change live, and durable only by chance. The caller holds FS.mu.
func (d *directory) do(op dirOp) error {
	former := d.live[op.name]
	switch op.kind {
	case opLink:
		d.live[op.name] = op.node
		d.fs.nodes[op.node].names++
		d.fs.nodes[op.node].pending++
	case opUnlink:
		delete(d.live, op.name)
	case opRename:
		d.live[op.name] = d.live[op.from]
		delete(d.live, op.from)
	}
	d.pending = append(d.pending, op)
	if former != nil {
		d.fs.nodes[former].names--
	}
	if former != nil {
		d.fs.drop(former)
	}
	if d.fs.faults.writeback() {
		return d.sync()
	}
	return nil
}

// sync writes the pending changes down. The caller holds FS.mu.
func (d *directory) sync() error {
	for len(d.pending) > 0 {
		if err := d.persist(d.pending[0]); err != nil {
			return err
		}
		d.pending = d.pending[1:]
	}
	return nil
}

func (d *directory) persist(op dirOp) error {
	real := filepath.Join(d.path, op.name)
	switch op.kind {
	case opUnlink:
		return os.Remove(real)
	case opRename:
		return os.Rename(filepath.Join(d.path, op.from), real)
	}
	links := d.fs.nodes[op.node]
	fresh := filepath.Join(d.fs.inodes, "new")
	if err := os.Link(links.path, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, real); err != nil {
		return err
	}
	links.pending--
	d.fs.drop(op.node)
	return nil
}
