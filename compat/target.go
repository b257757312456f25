package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/internal/zkserver"
)

// target is a broker that runs.
type target struct {
	name    string // "Skidway" or "Apache Kafka"
	version string
	address string // for Kafka's clients
	skidway string // the program; empty with Apache Kafka
	native  string // for Skidway's clients; empty with Apache Kafka
	process *exec.Cmd
	exited  chan struct{}
}

// startSkidway builds the tree's broker and runs it with its data in dir, which must not exist.
func startSkidway(root, dir string) (*target, error) {
	program := filepath.Join(root, "bin/compat/skidway")
	version := "unknown"
	if out, err := output(root, "git", "describe", "--tags", "--always", "--dirty"); err == nil {
		version = strings.TrimSpace(out)
	}
	flags := "-X main.version=" + version
	if _, err := output(root, "go", "build", "-ldflags", flags, "-o", program, "./cmd/skidway"); err != nil {
		return nil, err
	}
	t := &target{name: "Skidway", version: version, skidway: program}
	ready := filepath.Join(dir, "ready")
	err := t.run(dir, exec.Command(program, "serve", "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0",
		"--http", "off", "--kafka.enabled", "--kafka.listen", "127.0.0.1:0", "--ready-file", ready))
	if err != nil {
		return nil, err
	}
	var at struct{ Listen, Kafka string }
	err = t.await(func() bool {
		text, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(text, &at) == nil
	})
	t.native, t.address = at.Listen, at.Kafka
	return t, err
}

// kafkaLibs is where Apache Kafka's jars are kept: scripts/bench-kafka uses them, too.
const kafkaLibs = "bin/bench-kafka/libs"

// startKafka fetches Apache Kafka, once, and runs it with its data in dir, which must not exist.
func startKafka(root, dir string) (*target, error) {
	libs := filepath.Join(root, kafkaLibs)
	if err := fetchJars(root, "scripts/kafka/pom.xml", kafkaLibs); err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	t := &target{name: "Apache Kafka", address: fmt.Sprintf("127.0.0.1:%d", ports[0])}
	jars, _ := filepath.Glob(filepath.Join(libs, "kafka_2.13-*.jar"))
	if len(jars) == 1 {
		t.version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(jars[0]), "kafka_2.13-"), ".jar")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	properties := filepath.Join(dir, "server.properties")
	text := fmt.Sprintf(kafkaProperties, ports[0], ports[1], filepath.Join(dir, "data"))
	if err := os.WriteFile(properties, []byte(text), 0o644); err != nil {
		return nil, err
	}
	java := func(args ...string) *exec.Cmd {
		return exec.Command("java", append([]string{"-cp", libs + "/*"}, args...)...)
	}
	format := java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("formatting Kafka's storage: %w: %s", err, out)
	}
	if err := t.run(dir, java("-Xmx1G", "kafka.Kafka", properties)); err != nil {
		return nil, err
	}
	return t, t.await(func() bool { return t.serves() })
}

// kafkaProperties are a broker's that needs no other; its group coordinator waits for nobody, so that cases end soon.
const kafkaProperties = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[2]d
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=%[3]s
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.coordinator.rebalance.protocols=classic,consumer
unstable.api.versions.enable=true
auto.create.topics.enable=false
`

// run starts the broker's process; what it says goes to dir/log.
func (t *target) run(dir string, cmd *exec.Cmd) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	zkserver.EndWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	t.process, t.exited = cmd, make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(t.exited)
	}()
	return nil
}

// await waits until the broker is ready; it stops the broker when it is not in time.
func (t *target) await(ready func() bool) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ready() {
			return nil
		}
		select {
		case <-t.exited:
			return fmt.Errorf("%s ended instead of getting ready", t.name)
		default:
		}
	}
	t.stop()
	return fmt.Errorf("%s was not ready after %v", t.name, patience)
}

// stop ends the broker.
func (t *target) stop() {
	_ = t.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-t.exited:
	case <-time.After(patience):
		_ = t.process.Process.Kill()
		<-t.exited
	}
}

// serves tells whether the broker answers a client.
func (t *target) serves() bool {
	cl, err := kgo.NewClient(kgo.SeedBrokers(t.address))
	if err != nil {
		return false
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return cl.Ping(ctx) == nil
}

// createTopic makes a topic whose records are kept however old they say they are.
func (t *target) createTopic(topic string, partitions int32, settings []setting) error {
	settings = append(settings, forever())
	if t.native != "" {
		args := []string{"topic", "create", topic, "--partitions", fmt.Sprint(partitions)}
		for _, s := range settings {
			args = append(args, "--set", s.name+"="+s.value)
		}
		_, err := t.command(nil, args...)
		return err
	}
	asked := kmsg.NewCreateTopicsRequestTopic()
	asked.Topic, asked.NumPartitions, asked.ReplicationFactor = topic, partitions, 1
	for _, s := range settings {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = s.kafkaName, kmsg.StringPtr(s.kafkaValue)
		asked.Configs = append(asked.Configs, config)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, asked)
	return t.ask(func(ctx context.Context, cl *kgo.Client) error {
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	})
}

// ends returns the offset after the last record of each partition.
func (t *target) ends(topic string) (map[int32]int64, error) {
	ends := make(map[int32]int64)
	err := t.ask(func(ctx context.Context, cl *kgo.Client) error {
		about := kmsg.NewPtrMetadataRequest()
		about.Topics = append(about.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(topic)})
		meta, err := about.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		asked := kmsg.NewListOffsetsRequestTopic()
		asked.Topic = topic
		for _, p := range meta.Topics[0].Partitions {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = p.Partition, -1
			asked.Partitions = append(asked.Partitions, partition)
		}
		req := kmsg.NewPtrListOffsetsRequest()
		req.Topics = append(req.Topics, asked)
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		for _, p := range resp.Topics[0].Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("end of partition %d: %w", p.Partition, err)
			}
			ends[p.Partition] = p.Offset
		}
		return nil
	})
	return ends, err
}

func (t *target) ask(do func(context.Context, *kgo.Client) error) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(t.address))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return do(ctx, cl)
}

// freePorts finds ports that nobody listens at.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// output runs a command in dir and returns what it prints; the error has what it complains of.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(stderr.String() + stdout.String())
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return stdout.String(), nil
}
