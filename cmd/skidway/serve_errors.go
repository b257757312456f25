package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/cmd/skidway/internal/config"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
)

// keyOf names the setting behind a field of broker.Config.
var keyOf = map[string]string{
	"DataDir": "data_dir", "Listen": "listen", "Advertise": "advertise", "HTTPListen": "http", "NodeID": "node_id",
	"Kafka.Listen": "kafka.listen", "Kafka.Advertise": "kafka.advertise",
	"Profiles":          "pprof",
	"Cluster.ZooKeeper": "cluster.zookeeper", "Cluster.Chroot": "cluster.chroot", "Cluster.Listen": "cluster.listen",
	"Cluster.Advertise": "cluster.advertise", "Cluster.Secret": "cluster.secret_file",
	"Cluster.CatchUpBytes":   "cluster.catch_up_rate",
	"Cluster.SessionTimeout": "cluster.session_timeout", "TopicDefaults.Replicas": "topic_defaults.replicas",
	"FsyncInterval": "log.fsync_interval", "TopicDefaults.Partitions": "topic_defaults.partitions",
	"TopicDefaults.Settings": "topic_defaults", "Storage.CacheBytes": "storage.cache",
	"Storage.MemTableBytes": "storage.memtable",
	"Limits.Connections":    "limits.connections", "Limits.MemoryBytes": "limits.memory",
	"Limits.FrameBytes": "limits.request",
	"Groups":            "groups.session_timeout", "Groups.OffsetRetention": "groups.offset_retention",
}

// ofConfig turns what the broker does not accept about its settings into failures that name where each came from.
func ofConfig(err error, c *config.Config) error {
	var ce *broker.ConfigError
	if !errors.As(err, &ce) {
		return err
	}
	var l failure.List
	for _, fault := range ce.Faults {
		l = append(l, ofFault(fault, c))
	}
	return l
}

func ofFault(fault broker.ConfigFault, c *config.Config) *failure.Failure {
	key, ok := keyOf[fault.Field]
	if !ok {
		return failure.BadValue(fault.Field, "%s", fault.Problem)
	}
	where := origin(c, key)
	f := failure.BadValue(where, "%s", fault.Problem)
	if !strings.HasPrefix(where, "--") {
		f.Message = fmt.Sprintf("%s: %s: %s", where, key, fault.Problem)
	}
	switch {
	case key == "data_dir":
		f.Hint = "give one with  --data-dir DIR"
	case (key == "listen" || key == "http" || key == "kafka.listen") && strings.Contains(fault.Problem, "other machines"):
		f.Hint = "where that is wanted (a private network, a container):  --insecure"
	}
	return f
}

func origin(c *config.Config, key string) string {
	if v := c.Value(key); v.Where != "" {
		return v.Where
	}
	return "configuration"
}

// ofStart turns the error of a broker that cannot start, or that ended by itself, into a failure. c may be nil.
func ofStart(err error, c *config.Config) error {
	var le *broker.ListenError
	var locked *kv.LockedError
	var newer *kv.VersionError
	var foreign *kv.IdentityError
	var role *kv.RoleError
	var none *broker.NoClusterError
	var corrupt *kv.CorruptError
	var dir *kv.DirError
	var fault *broker.ConfigError
	var path *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fault):
		return ofConfig(err, c)
	case errors.As(err, &le):
		return ofListen(le, c)
	case errors.As(err, &locked):
		return ofLocked(locked, c)
	case errors.As(err, &newer):
		return usage(failure.CodeForeignData, err,
			"data directory %s was written by a newer version: it is in %s format %d, and this "+
				"program reads at most %d", newer.Dir, newer.What, newer.Found, newer.Newest).
			WithHint("start the version that wrote it, or a newer one; nothing was changed")
	case errors.As(err, &foreign):
		return usage(failure.CodeForeignData, err, "data directory %s belongs to %s %s, not %s",
			foreign.Dir, foreign.What, foreign.Stored, foreign.Wanted).
			WithHint("check  data_dir  and  node_id  with  skidway config show --origin")
	case errors.As(err, &role):
		return ofRole(role)
	case errors.As(err, &none):
		where := strings.Join(none.ZooKeeper, ",") + none.Chroot
		return usage(failure.CodeForeignData, err,
			"data directory %s holds a store already, and there is no cluster at %s", none.DataDir, where).
			WithHint("a broker that stood alone is taken into a cluster by  skidway cluster adopt ; " +
				"else check  cluster.zookeeper  and  cluster.chroot")
	case errors.Is(err, metadata.ErrAdopting):
		return usage(failure.CodeForeignData, err, "there is no cluster yet: %v", metadata.ErrAdopting).
			WithHint("wait until  skidway cluster adopt  is done; if it ended before, run it again")
	case errors.As(err, &dir):
		return usage(failure.CodeBadValue, err, "data directory %s %s", dir.Dir, dir.Reason).WithNote("data_dir from",
			whereData(c))
	case errors.As(err, &corrupt):
		return &failure.Failure{Code: failure.CodeDamaged, Exit: failure.ExitRefused, Err: err,
			Message: fmt.Sprintf("stored data is damaged: %s: %v", corrupt.File, corrupt.Err),
			Notes:   []failure.Note{{Label: "not started", Text: "so that nothing is lost silently; nothing was changed"}},
			Hint:    "restore the data directory from a backup, or start with an empty one and copy the records again"}
	case errors.As(err, &path) && c != nil:
		return usage(failure.CodeBadValue, err, "the data directory cannot be used: %v", path).WithNote("data_dir from",
			whereData(c))
	}
	return &failure.Failure{Code: failure.CodeInternal, Exit: failure.ExitRefused, Err: err, Message: err.Error()}
}

// ofRole says what to do with a store that serves another kind of broker.
func ofRole(e *kv.RoleError) *failure.Failure {
	whose, hint := "that stands alone, and a cluster is", "take it into the cluster with  skidway cluster adopt"
	if e.Member {
		whose, hint = "of a cluster, and no cluster is", "give its ZooKeeper with  --cluster.zookeeper HOST:PORT"
	}
	return usage(failure.CodeForeignData, e, "data directory %s belongs to a broker %s configured", e.Dir, whose).
		WithHint("%s", hint)
}

func usage(code string, err error, format string, args ...any) *failure.Failure {
	return &failure.Failure{Code: code, Exit: failure.ExitUsage, Err: err, Message: fmt.Sprintf(format, args...)}
}

func ofLocked(e *kv.LockedError, c *config.Config) *failure.Failure {
	holder := "another process"
	hint := "stop it"
	if e.PID > 0 {
		holder = fmt.Sprintf("process %d", e.PID)
		hint = fmt.Sprintf("stop it with  kill %d", e.PID)
	}
	return usage(failure.CodeLocked, e, "data directory %s is used by %s", e.Dir, holder).
		WithNote("data_dir from", whereData(c)).WithHint("%s    or run a second broker with  --data-dir DIR", hint)
}

func whereData(c *config.Config) string {
	if c == nil {
		return "configuration"
	}
	return origin(c, "data_dir")
}

func ofListen(e *broker.ListenError, c *config.Config) *failure.Failure {
	key := keyOf[e.Field]
	from := key
	if c != nil {
		from = origin(c, key)
	}
	code, message := failure.CodeBadValue, fmt.Sprintf("cannot listen on %s: %v", e.Address, innermost(e.Err))
	hint := fmt.Sprintf("choose another address with  --%s HOST:PORT", key)
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		code, message = failure.CodePortInUse, fmt.Sprintf("address %s is in use by another process", e.Address)
		hint = fmt.Sprintf("is a broker running?  skidway status    or choose another port with  --%s 127.0.0.1:PORT", key)
	}
	if key == "kafka.listen" {
		hint = "choose another address with  --kafka.listen HOST:PORT    or serve none with  --kafka.enabled=false"
	}
	return usage(code, e, "%s", message).WithNote(key+" from", from).WithHint("%s", hint)
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
