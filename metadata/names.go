package metadata

import (
	"fmt"
	"strings"
)

// MaxNameBytes bounds a topic's name.
const MaxNameBytes = 249

// reservedPrefix starts the names that are kept for the platform's own topics.
const reservedPrefix = "__"

// ValidateTopicName returns nil if a user may make a topic of that name: 1 to 249
// of the characters a-z A-Z 0-9 . _ -, neither "." nor "..", and not starting with
// "__", which is kept for internal topics. Such a name is safe in paths and in log
// lines. The error wraps ErrInvalidName. See also NameCollision.
func ValidateTopicName(name string) error {
	bad := func(why string) error { return fmt.Errorf("%w %q: %s", ErrInvalidName, clip(name), why) }
	switch {
	case name == "":
		return bad("it is empty")
	case len(name) > MaxNameBytes:
		return bad(fmt.Sprintf("it has %d bytes, at most %d are taken", len(name), MaxNameBytes))
	case name == "." || name == "..":
		return bad(`"." and ".." are not names`)
	case strings.HasPrefix(name, reservedPrefix):
		return bad(`names starting with "__" are kept for internal topics`)
	}
	for i := 0; i < len(name); i++ {
		if !nameByte(name[i]) {
			return bad("only a-z A-Z 0-9 . _ - are taken")
		}
	}
	return nil
}

// NameCollision returns an error that wraps ErrInvalidName if one of existing differs
// from name only by "." in place of "_": such topics become one in the names of
// metrics (Kafka warns of it for the same reason). The name itself does not collide.
func NameCollision(name string, existing []string) error {
	if !canCollide(name) {
		return nil
	}
	folded := foldName(name)
	for _, other := range existing {
		if other != name && foldName(other) == folded {
			return collision(name, other)
		}
	}
	return nil
}

func collision(name, other string) error {
	return fmt.Errorf(`%w %q: it differs from topic %q only by "." and "_"`, ErrInvalidName, name, other)
}

// canCollide tells whether other names may be the same but for "." and "_".
func canCollide(name string) bool { return strings.ContainsAny(name, "._") }

// foldName is the same for all names that collide.
func foldName(name string) string { return strings.ReplaceAll(name, ".", "_") }

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// clip shortens what a client sent before it goes into an error.
func clip(s string) string {
	if len(s) > 2*MaxNameBytes {
		return s[:MaxNameBytes] + "..."
	}
	return s
}
