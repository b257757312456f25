package devcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/internal/zkserver"
)

// Broker is one broker of the cluster.
type Broker struct {
	ID     int
	Listen string // for clients
	HTTP   string // metrics and health
	Config string // the file with its settings, as `skidway serve -c` takes it
	Log    string // the file with its messages
	PID    int    // of the newest process

	peer   string // for the other brokers
	data   string
	ready  string
	newest *process // nil: none was started
}

// process is one run of a broker.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// portsOfBroker is the distance between the first ports of two brokers.
const portsOfBroker = 10

// newBroker names what the broker of that number has, from 1 on.
func newBroker(d *directory, id, port int) *Broker {
	first := port + portsOfBroker*(id-1)
	name := fmt.Sprint("broker", id)
	return &Broker{
		ID: id, Listen: loopback(first), HTTP: loopback(first + 1), peer: loopback(first + 2), data: d.join(name),
		Config: d.join(name + ".toml"), Log: d.join(name + ".log"), ready: d.join(name + ".ready"),
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// settings are those of the broker's file.
type settings struct {
	NodeID     int             `toml:"node_id"`
	DataDir    string          `toml:"data_dir"`
	Listen     string          `toml:"listen"`
	HTTP       string          `toml:"http"`
	AutoCreate bool            `toml:"auto_create_topics"`
	Cluster    clusterSettings `toml:"cluster"`
}

type clusterSettings struct {
	ZooKeeper  []string `toml:"zookeeper"`
	Chroot     string   `toml:"chroot"`
	Listen     string   `toml:"listen"`
	SecretFile string   `toml:"secret_file"`
}

// configure writes the broker's file.
func (b *Broker) configure(k clusterSettings) error {
	k.Listen = b.peer
	text, err := toml.Marshal(settings{NodeID: b.ID, DataDir: b.data, Listen: b.Listen, HTTP: b.HTTP, AutoCreate: true,
		Cluster: k})
	if err == nil {
		err = os.WriteFile(b.Config, text, 0o600)
	}
	if err != nil {
		return badDir(err)
	}
	return nil
}

// start runs the broker, and returns at once.
func (b *Broker) start(p Program) error {
	if err := os.Remove(b.ready); err != nil && !os.IsNotExist(err) {
		return badDir(err)
	}
	log, err := os.OpenFile(b.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return badDir(err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd := exec.Command(p.Path, "serve", "-c", b.Config, "--ready-file", b.ready)
	cmd.Args[0], cmd.Env = p.Name, p.Env
	cmd.Stdout, cmd.Stderr = log, log
	zkserver.EndWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return failure.Refused(failure.CodeInternal, "starting broker %d: %v", b.ID, err)
	}
	run := &process{cmd: cmd, exited: make(chan struct{})}
	b.newest, b.PID = run, cmd.Process.Pid
	go func() {
		_ = cmd.Wait() // its state tells
		close(run.exited)
	}()
	return nil
}

// How often the file is looked for that a broker makes when it is ready.
const lookEvery = 20 * time.Millisecond

// await returns when clients can connect to the process. A broker waits for its cluster as long as it takes, and so
// does this, until the process or ctx ends.
func (b *Broker) await(ctx context.Context, run *process) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		var r struct{ PID int }
		text, err := os.ReadFile(b.ready)
		if err == nil && json.Unmarshal(text, &r) == nil && r.PID == run.cmd.Process.Pid {
			return nil
		}
		select {
		case <-run.exited:
			return failure.Refused(failure.CodeInternal, "broker %d ended as it was started (%v)", b.ID,
				run.cmd.ProcessState).WithNote("its log "+b.Log+" ends", "\n"+tail(b.Log))
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// tail returns the end of a file of messages.
func tail(path string) string {
	const most = 2000
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}

// ask asks the broker to stop, if it runs.
func (b *Broker) ask() {
	if b.newest != nil && b.newest.running() {
		_ = b.newest.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
	}
}

// end returns when the broker has ended; after the limit it is killed.
func (b *Broker) end(limit <-chan time.Time) (killed bool) {
	if b.newest == nil {
		return false
	}
	select {
	case <-b.newest.exited:
		return false
	case <-limit:
		_ = b.newest.cmd.Process.Kill()
		<-b.newest.exited
		return true
	}
}
