package metadata

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Errors of a Store. All but ErrUnknown are definite: nothing was changed.
var (
	// ErrNoNode says that the node, or the parent of a node to be created, is absent.
	ErrNoNode = errors.New("no such node")
	// ErrNodeExists says that a node to be created is there already.
	ErrNodeExists = errors.New("node exists")
	// ErrBadVersion says that the node's version is not the expected one.
	ErrBadVersion = errors.New("node has another version")
	// ErrNotEmpty says that a node to be deleted has children.
	ErrNotEmpty = errors.New("node has children")
	// ErrBadPath says that a path is not absolute, or has an empty, "." or ".." part.
	ErrBadPath = errors.New("malformed path")
	// ErrTooLarge says that a node or a multi is larger than a Store takes.
	ErrTooLarge = errors.New("too large for the metadata store")
	// ErrNoChildrenForEphemerals says that the parent of a node to be created is ephemeral.
	ErrNoChildrenForEphemerals = errors.New("ephemeral nodes have no children")
	// ErrDenied says that the store does not let this client do that.
	ErrDenied = errors.New("denied by the metadata store")
	// ErrUnavailable says that the store cannot be reached at the moment; try again later.
	ErrUnavailable = errors.New("metadata store is unreachable")
	// ErrSessionEnded says that the session is over. What it made with CreateEphemeral is
	// gone, and it takes nothing any more: go on with a new one.
	ErrSessionEnded = errors.New("session with the metadata store is over")
	// ErrUnknown says that it is not known whether a multi was, or will be, applied.
	// The caller reads again before it acts or answers.
	ErrUnknown = errors.New("outcome unknown")
	// ErrClosed says that the store takes no more requests; this one did nothing.
	ErrClosed = errors.New("metadata store is closed")
)

// AnyVersion as the expected version of a Set, Delete or Check matches every version.
const AnyVersion int32 = -1

// Bounds of one request, which every Store accepts. They stay far below
// ZooKeeper's limit of 1 MiB for a request; the operations of this package split
// what is larger.
const (
	// MaxNodeBytes bounds the data of one node.
	MaxNodeBytes = 256 << 10
	// MaxMultiBytes bounds the sum of all paths and data of one multi.
	MaxMultiBytes = 256 << 10
	// MaxMultiOps bounds the number of operations in one multi.
	MaxMultiOps = 500
)

// Node is one node as it was read.
type Node struct {
	Path    string // absolute, as "/topics/orders"
	Data    []byte // the caller's own copy
	Version int32  // 0 when created, one more with each Set
	Session int64  // whose end removes the node, made with CreateEphemeral; 0: it stays
}

// Store is a tree of versioned nodes with ZooKeeper's semantics. Its methods are
// safe for concurrent use. A read shows only what is durable. The path "/"
// always exists and cannot be changed.
type Store interface {
	// Get returns the node at path, or ErrNoNode.
	Get(ctx context.Context, path string) (Node, error)
	// Children returns the last parts of the paths of the node's children, sorted, or ErrNoNode.
	Children(ctx context.Context, path string) ([]string, error)
	// Multi applies all operations, in order, or none. It returns nil when they are
	// applied and durable; a *MultiError that names the first operation that cannot
	// be applied (nothing was changed); ErrClosed, ErrTooLarge, ErrUnavailable or
	// ErrSessionEnded (nothing was changed); or ErrUnknown, also when ctx ends while
	// the write is under way: it may still be applied, later.
	Multi(ctx context.Context, ops ...Op) error
}

// OpKind tells what an Op does.
type OpKind int8

// The kinds of operation. The zero kind is none of them, so that a forgotten one is refused.
const (
	OpCheck  OpKind = iota + 1 // succeeds if the node has the version
	OpCreate                   // makes the node, with version 0
	OpSet                      // replaces the data of a node that has the version
	OpDelete                   // removes a childless node that has the version
	// OpCreateEphemeral makes the node, with version 0, for as long as the session lasts.
	OpCreateEphemeral
)

// String returns the kind's name.
func (k OpKind) String() string {
	switch k {
	case OpCheck:
		return "check"
	case OpCreate:
		return "create"
	case OpSet:
		return "set"
	case OpDelete:
		return "delete"
	case OpCreateEphemeral:
		return "create ephemeral"
	}
	return fmt.Sprintf("op(%d)", int8(k))
}

// Creates tells whether the operation makes a node.
func (k OpKind) Creates() bool { return k == OpCreate || k == OpCreateEphemeral }

// Op is one operation of a multi. Make it with Check, Create, CreateEphemeral, Set or Delete.
type Op struct {
	Kind    OpKind
	Path    string
	Data    []byte // of a create or set; not to be changed until Multi has returned
	Version int32  // expected by OpCheck, OpSet and OpDelete; AnyVersion matches all
}

// Check succeeds if the node at path exists and has the version.
func Check(path string, version int32) Op { return Op{Kind: OpCheck, Path: path, Version: version} }

// Create makes a node, whose parent must exist, with version 0.
func Create(path string, data []byte) Op { return Op{Kind: OpCreate, Path: path, Data: data} }

// CreateEphemeral makes a node as Create does, which is removed when the session ends
// that runs the multi. It cannot have children.
func CreateEphemeral(path string, data []byte) Op {
	return Op{Kind: OpCreateEphemeral, Path: path, Data: data}
}

// Set replaces the data of the node if it has the version, and raises its version by one.
func Set(path string, data []byte, version int32) Op {
	return Op{Kind: OpSet, Path: path, Data: data, Version: version}
}

// Delete removes the node if it has the version and no children.
func Delete(path string, version int32) Op { return Op{Kind: OpDelete, Path: path, Version: version} }

// MultiError says which operation of a multi could not be applied. Nothing was changed.
type MultiError struct {
	Index int // of the operation in the multi
	Op    Op
	// Err wraps ErrNoNode, ErrNodeExists, ErrBadVersion, ErrNotEmpty, ErrNoChildrenForEphemerals,
	// ErrBadPath, ErrTooLarge or ErrDenied.
	Err error
}

// Error names the operation and the reason.
func (e *MultiError) Error() string {
	return fmt.Sprintf("operation %d of the multi (%s %q): %v", e.Index, e.Op.Kind, e.Op.Path, e.Err)
}

// Unwrap returns the reason.
func (e *MultiError) Unwrap() error { return e.Err }

// CheckPath returns ErrBadPath, with the path, unless path is absolute and each of
// its parts is non-empty, neither "." nor "..", and valid UTF-8 without the
// characters that ZooKeeper refuses (control characters, private use, all from U+FFF0).
// "/" is not accepted: no operation may name the root.
func CheckPath(path string) error {
	bad := func(why string) error { return fmt.Errorf("%w %q: %s", ErrBadPath, path, why) }
	if len(path) < 2 || path[0] != '/' {
		return bad("it must start with / and name a node")
	}
	if !utf8.ValidString(path) {
		return bad("it is not UTF-8")
	}
	if i := strings.IndexFunc(path, refusedRune); i >= 0 {
		return bad("it holds a character that is not printable")
	}
	for start, i := 1, 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		switch path[start:i] {
		case "":
			return bad("it has an empty part")
		case ".", "..":
			return bad(`it has a part "." or ".."`)
		}
		start = i + 1
	}
	return nil
}

// refusedRune tells whether ZooKeeper takes no path with r.
func refusedRune(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0xe000 && r <= 0xf8ff || r >= 0xfff0
}

// CheckOps returns nil if a Store may take the multi: it is within the bounds of
// one request, and each operation is well formed. The error is a *MultiError where
// one operation is at fault, else wraps ErrTooLarge.
func CheckOps(ops []Op) error {
	if len(ops) > MaxMultiOps {
		return fmt.Errorf("multi of %d operations, at most %d are taken: %w", len(ops), MaxMultiOps, ErrTooLarge)
	}
	total := 0
	for i, op := range ops {
		err := CheckPath(op.Path)
		switch {
		case err != nil:
		case op.Kind < OpCheck || op.Kind > OpCreateEphemeral:
			err = fmt.Errorf("unknown kind %s", op.Kind)
		case len(op.Data) > MaxNodeBytes:
			err = fmt.Errorf("node of %d bytes, at most %d are taken: %w", len(op.Data), MaxNodeBytes, ErrTooLarge)
		}
		if err != nil {
			return &MultiError{Index: i, Op: op, Err: err}
		}
		total += op.size()
	}
	if total > MaxMultiBytes {
		return fmt.Errorf("multi of %d bytes, at most %d are taken: %w", total, MaxMultiBytes, ErrTooLarge)
	}
	return nil
}

// size is what the operation counts against MaxMultiBytes.
func (op Op) size() int { return len(op.Path) + len(op.Data) + opOverhead }

// opOverhead stands for an operation's fixed part in a request: kind, version, lengths.
const opOverhead = 32
