package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/recordio"
	"github.com/skidway/skidway/record"
)

type produceFlags struct {
	key         string
	hasKey      bool
	headers     []string
	partition   string
	acks        string
	compression string
}

func (a *app) produceCommand() *cobra.Command {
	var flags produceFlags
	cmd := &cobra.Command{
		Use:   "produce TOPIC [FILE...]",
		Short: "Write records to a topic",
		Example: `  echo hello | skidway produce demo
  printf 'k1:one\nk2:two\n' | skidway produce demo --format '%k:%v\n'
  skidway produce orders orders.ndjson --format json --compression zstd`,
		Long: "Write records from files (- is standard input), or from standard input. A line is the value of a record\n" +
			"unless --format says otherwise: json (an object a line, as consume writes it: key, value, headers, partition,\n" +
			"timestamp; topic and offset are read past), or a template of %k key, %v value, %p partition, %d time in\n" +
			"milliseconds or %d{go[2006-01-02]}, %v{hex}, %v{base64}. What became of them goes to standard error, with\n" +
			"--format json to standard output. Records that fail are named, and the exit code is 1.",
		Args: atLeast(1, "the name of a TOPIC"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return a.completeTopics(cmd, args, to)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.hasKey = cmd.Flags().Changed("key")
			return a.produce(cmd.Context(), args[0], args[1:], flags)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&a.format, "format", "f", "text", "form of the input: text, json, or a template such as '%k:%v\\n'")
	f.StringVarP(&flags.key, "key", "k", "", "key of every record")
	f.StringArrayVarP(&flags.headers, "header", "H", nil,
		"header of every record, `NAME=VALUE`; may be given several times")
	f.StringVarP(&flags.partition, "partition", "p", "", "partition of every record, or any: by key, else spread "+
		"(default: what the input says, else any)")
	f.StringVar(&flags.acks, "acks", "all", "what counts as written: all, leader, or none (not acknowledged)")
	f.StringVarP(&flags.compression, "compression", "z", "none",
		"of what is sent and stored: none, gzip, snappy, lz4, zstd")
	_ = cmd.RegisterFlagCompletionFunc("acks", cobra.FixedCompletions([]string{"all", "leader", "none"},
		cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("compression",
		cobra.FixedCompletions([]string{"none", "gzip", "snappy", "lz4", "zstd"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// recipe is what every record of a produce gets.
type recipe struct {
	topic     string
	key       []byte // nil: what the input says
	headers   []client.Header
	partition int32 // fixed; -1: what the input says, else any; -2: any whatever it says
	options   client.ProducerOptions
}

const (
	partitionOfInput = -1
	partitionAny     = -2
)

func (a *app) recipe(topic string, flags produceFlags) (r recipe, err error) {
	r = recipe{topic: topic, partition: partitionOfInput}
	if flags.hasKey {
		r.key = []byte(flags.key)
	}
	for _, h := range flags.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return r, failure.BadValue("--header", "%q is not NAME=VALUE", h)
		}
		r.headers = append(r.headers, client.Header{Key: name, Value: []byte(value)})
	}
	switch flags.partition {
	case "":
	case "any":
		r.partition = partitionAny
	default:
		n, err := strconv.ParseInt(flags.partition, 10, 32)
		if err != nil || n < 0 {
			return r, failure.BadValue("--partition", "%q is neither a partition's number nor any", flags.partition)
		}
		r.partition = int32(n)
	}
	r.options = client.ProducerOptions{Missing: client.CreateMissing, DeliveryTimeout: a.timeout}
	acks, ok := map[string]client.Acks{"all": client.AcksAll, "-1": client.AcksAll, "leader": client.AcksLeader,
		"1":    client.AcksLeader,
		"none": client.AcksNone, "0": client.AcksNone}[flags.acks]
	if !ok {
		return r, failure.BadValue("--acks", "%q is none of all, leader, none", flags.acks)
	}
	r.options.Acks = acks
	if r.options.Compression, err = record.ParseCodec(flags.compression); err != nil {
		return r, failure.BadValue("--compression", "%q is none of none, gzip, snappy, lz4, zstd", flags.compression)
	}
	return r, nil
}

func (a *app) produce(ctx context.Context, topic string, files []string, flags produceFlags) error {
	r, err := a.recipe(topic, flags)
	if err != nil {
		return err
	}
	if _, err := recordio.NewSource(strings.NewReader(""), a.format, time.Local); err != nil {
		return failure.BadValue("--format", "%v", err)
	}
	c, err := a.connectData(ctx, client.Hooks{})
	if err != nil {
		return err
	}
	defer a.close(c)
	fixed, err := client.NewProducer(c, r.withPartitioner(client.KeyHash))
	if err != nil {
		return err
	}
	manual, err := client.NewProducer(c, r.withPartitioner(client.Manual))
	if err != nil {
		return err
	}
	job := &producing{app: a, recipe: r, byKey: fixed, manual: manual, report: newReport(topic)}
	ended := make(chan error, 1)
	go func() { ended <- job.readAll(ctx, files) }()
	var readErr error
	select {
	case readErr = <-ended:
	case <-ctx.Done(): // a read of a terminal or pipe cannot be interrupted: leave it behind
		readErr = context.Cause(ctx)
	}
	flushed := job.flush()
	if err := job.report.print(a); err != nil {
		return err
	}
	return a.produceOutcome(ctx, c, job, errors.Join(readErr, flushed))
}

// produceOutcome gathers what is to be told: records that failed, then what ended the reading.
func (a *app) produceOutcome(ctx context.Context, c *client.Client, job *producing, err error) error {
	if interrupted(ctx) {
		return errInterrupted
	}
	l := job.report.failures(func(err error) error {
		look, cancel := a.bounded(context.WithoutCancel(ctx))
		defer cancel()
		return a.suggestTopic(look, c, err)
	})
	var f *failure.Failure
	if err != nil && !errors.Is(err, errStopped) && errors.As(a.explain(err), &f) {
		l = append(l, f)
	} else if err != nil && !errors.Is(err, errStopped) {
		l = append(l, failure.Refused(failure.CodeInput, "%v", err))
	}
	if len(l) > 0 {
		return l
	}
	return nil
}

func (r recipe) withPartitioner(p client.Partitioner) client.ProducerOptions {
	o := r.options
	o.Partitioner = p
	return o
}

// producing is a produce under way.
type producing struct {
	app    *app
	recipe recipe
	byKey  *client.Producer // partitions by key, else spread
	manual *client.Producer // partitions that the input or a flag names
	report *report
}

// errStopped ends the reading because a record failed in a way that every one after it would.
var errStopped = errors.New("stopped after a failure")

func (p *producing) readAll(ctx context.Context, files []string) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if err := p.readOne(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (p *producing) readOne(ctx context.Context, name string) error {
	in := p.app.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return usage(failure.CodeInput, err, "%v", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	s, err := recordio.NewSource(in, p.app.format, time.Local)
	if err != nil {
		return err
	}
	where := ""
	if name != "-" {
		where = name + ": "
	}
	for ctx.Err() == nil {
		input, err := s.Next()
		var bad *recordio.InputError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			p.report.failed(p.report.next(), failure.Refused(failure.CodeInput, "%s%v", where, bad))
			continue
		case err != nil:
			return failure.Refused(failure.CodeInput, "reading %s%v", where, err)
		}
		if p.report.fatal() {
			return errStopped
		}
		p.send(ctx, input)
	}
	return context.Cause(ctx)
}

func (p *producing) send(ctx context.Context, in recordio.Input) {
	r := client.Record{Topic: p.recipe.topic, Key: in.Key, Value: in.Value, Timestamp: in.Timestamp}
	r.Headers = append(in.Headers, p.recipe.headers...)
	if p.recipe.key != nil {
		r.Key = p.recipe.key
	}
	producer := p.byKey
	switch {
	case p.recipe.partition >= 0:
		producer, r.Partition = p.manual, p.recipe.partition
	case p.recipe.partition == partitionOfInput && in.Partition >= 0:
		producer, r.Partition = p.manual, in.Partition
	}
	n := p.report.next()
	producer.SendAsync(ctx, r, func(r client.Record, err error) {
		if err != nil {
			p.report.failed(n, err)
			return
		}
		p.report.written(r.Partition, r.Offset, len(r.Value))
	})
}

// flush waits for what was sent, interrupted or not: each record has --timeout to be answered, and that bounds it.
func (p *producing) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.app.timeout+time.Second)
	defer cancel()
	err := errors.Join(p.byKey.Flush(ctx), p.manual.Flush(ctx))
	if err != nil {
		err = p.app.timedOut(fmt.Errorf("waiting for the broker's answers: %w", err))
	}
	return err
}
