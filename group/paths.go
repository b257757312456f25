package group

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// Root is the node below which all groups are.
const Root = "/groups"

// Parts of paths below a group's node. They are stored: never change one.
const (
	membersPart = "members"
	targetPart  = "target"
	offsetsPart = "offsets"
	classicPart = "classic"
)

// blockPartitions is how many partitions of one topic share a node. It is stored: never change it.
const blockPartitions = 256

// block names a run of blockPartitions partitions of one topic.
type block struct {
	topic uint64
	index int32
}

func blockOf(at Partition) block { return block{at.Topic, at.Index / blockPartitions} }

func (b block) compare(c block) int {
	return cmp.Or(cmp.Compare(b.topic, c.topic), cmp.Compare(b.index, c.index))
}

func (b block) String() string {
	return strconv.FormatUint(b.topic, 10) + "-" + strconv.FormatInt(int64(b.index), 10)
}

func parseBlock(s string) (b block, ok bool) {
	topic, index, found := strings.Cut(s, "-")
	t, errT := strconv.ParseUint(topic, 10, 64)
	i, errI := strconv.ParseInt(index, 10, 32)
	b = block{t, int32(i)}
	return b, found && errT == nil && errI == nil && b.index >= 0 && b.index < maxBlocks && b.String() == s
}

// maxBlocks bounds the blocks of one topic, far above what a topic may have.
const maxBlocks = 1 << 16

// ValidateID returns nil if a group may have that id: 1 to MaxGroupIDBytes of UTF-8 without control characters.
// The error wraps ErrInvalidGroupID.
func ValidateID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidGroupID)
	case len(id) > MaxGroupIDBytes:
		return fmt.Errorf("%w %q: it has %d bytes, at most %d are taken",
			ErrInvalidGroupID, clip(id), len(id), MaxGroupIDBytes)
	case !printable(id):
		return fmt.Errorf("%w %q: it must be UTF-8 without control characters", ErrInvalidGroupID, clip(id))
	}
	return nil
}

// encodeName makes a part of a path of any text (base64url without padding): different texts have different
// parts, and no part is "." or "..".
func encodeName(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func decodeName(s string) (string, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return string(b), err == nil && encodeName(string(b)) == s // no line breaks, which the decoder skips
}

// Path returns the path of a group's node.
func Path(id string) string { return Root + "/" + encodeName(id) }

// ParsePath returns the id of the group whose node, or a child of the Root, is named: both "/groups/<enc>" and
// "<enc>" are taken. The error wraps ErrInvalidGroupID.
func ParsePath(path string) (id string, err error) {
	id, ok := decodeName(strings.TrimPrefix(path, Root+"/"))
	if !ok {
		return "", fmt.Errorf("%w: %q is no group's path", ErrInvalidGroupID, path)
	}
	return id, ValidateID(id)
}

// Directories returns the nodes without data that a group needs below its own, relative to it, in the order in
// which they are to be made.
func Directories(gid uint64) []string {
	return []string{membersPart, targetPart, gidPart(gid), OffsetsDirectory(gid)}
}

// OffsetsDirectory returns the node below which the offset blocks are, relative to the group's node.
func OffsetsDirectory(gid uint64) string { return gidPart(gid) + "/" + offsetsPart }

func gidPart(gid uint64) string { return strconv.FormatUint(gid, 10) }

// ClassicDirectory is the node of what a classic group is, relative to the group's node; its members' nodes are below
// it. It is there once a group has had members of Kafka's classic protocol.
const ClassicDirectory = classicPart

// Suffixes below a group's node.
func classicSuffix(id string) string           { return classicPart + "/" + encodeName(id) }
func memberSuffix(id string) string            { return membersPart + "/" + encodeName(id) }
func targetSuffix(b block) string              { return targetPart + "/" + b.String() }
func offsetsSuffix(gid uint64, b block) string { return OffsetsDirectory(gid) + "/" + b.String() }
func parseOffsets(gid uint64, s string) (block, bool) {
	name, found := strings.CutPrefix(s, OffsetsDirectory(gid)+"/")
	b, ok := parseBlock(name)
	return b, found && ok
}
