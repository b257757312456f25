package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

const advertiseHint = `set  advertise = "HOST:PORT"  on the broker to an address that clients can dial; ` +
	`check with  skidway doctor`

// explain turns an error of the packages below into a failure. It is the only place that does, beside serve's for the
// errors of a start.
func (a *app) explain(err error) error {
	var f *failure.Failure
	var l failure.List
	var ce *client.Error
	var we *wire.Error
	switch {
	case err == nil, errors.Is(err, failure.ErrReported), errors.As(err, &l), errors.As(err, &f):
		return err
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return &failure.Failure{Message: "interrupted", Exit: failure.ExitInterrupted, Err: err}
	case errors.As(err, &ce):
		return a.ofClient(ce)
	case errors.As(err, &we):
		return ofCode(we.Code, we.Message, err)
	case errors.Is(err, context.DeadlineExceeded):
		return a.timedOut(err)
	}
	return err
}

func (a *app) timedOut(err error) *failure.Failure {
	return &failure.Failure{Code: failure.CodeTimedOut, Exit: failure.ExitUnreachable, Retriable: true, Err: err,
		Message: fmt.Sprintf("timed out after %v", a.timeout),
		Hint:    "is the broker well?  skidway status    a longer time:  --timeout 60s"}
}

// ofClient makes the failure of an error that names its topic, partition and address apart from its message.
func (a *app) ofClient(e *client.Error) *failure.Failure {
	f := ofTopic(e.Topic, e.Code, message(e), e)
	if e.Address != "" && e.Code != client.CodeUnreachable {
		f.Notes = append(f.Notes, failure.Note{Label: "broker", Text: e.Address})
	}
	switch {
	case errors.Is(e, context.Canceled):
		return &failure.Failure{Message: "interrupted", Exit: failure.ExitInterrupted, Err: e}
	case errors.Is(e, context.DeadlineExceeded):
		f = a.timedOut(e)
		f.Message += ": " + message(e)
	case e.Code == wire.CodeTimedOut && e.Topic != "":
		f.Hint = "see its leaders and replicas with  skidway topic describe " + e.Topic
	case e.Code == client.CodeUnreachable:
		f.Hint = "start one with  skidway serve --dev    or name one with  --server HOST:PORT"
	case e.Code == client.CodeAdvertised:
		f.Hint = advertiseHint
	case errors.Is(e, client.ErrOffsetOutOfRange) && e.End > 0:
		f.Hint = fmt.Sprintf("valid are %d..%d;  -o start  and  -o end  always are", e.Start, e.End)
	}
	var below *client.Error
	switch {
	case e.Code != wire.CodeTimedOut || !errors.As(e.Err, &below):
	case errors.Is(below, client.ErrUnreachable):
		f.Code, f.Hint = below.Code.String(), "is the broker well?  skidway doctor"
	case e.Outcome == client.OutcomeFailed:
		why := ofTopic(e.Topic, below.Code, "", e) // it was refused until the time was over
		f.Code, f.Hint, f.Exit = why.Code, why.Hint, why.Exit
		f.Message = strings.TrimSuffix(f.Message, " ["+f.Code+"]")
	}
	if e.Outcome == client.OutcomeUnknown {
		f.Notes = append(f.Notes, failure.Note{Label: "outcome", Text: "unknown: it may have been carried out"})
	}
	return f
}

// message is the sentence of a client's error with the topic and partition that it is about, unless it says so itself.
func message(e *client.Error) string {
	m := e.Message
	if m == "" && e.Err != nil {
		m = e.Err.Error()
	}
	m = strings.TrimPrefix(m, "client: ")
	if e.Topic == "" || strings.Contains(m, strconv.Quote(e.Topic)) || strings.Contains(m, e.Topic+"[") {
		return m
	}
	if e.Partition >= 0 {
		return fmt.Sprintf("%s[%d]: %s", e.Topic, e.Partition, m)
	}
	return e.Topic + ": " + m
}

// ofCode makes the failure that a code of the wire stands for.
func ofCode(code wire.Code, message string, err error) *failure.Failure {
	return ofTopic("", code, message, err)
}

// ofTopic is ofCode for a failure that is about a topic; empty: it is not known about which, or about none.
func ofTopic(topic string, code wire.Code, message string, err error) *failure.Failure {
	if message == "" {
		message = code.Sentence()
	}
	f := &failure.Failure{Code: code.String(), Message: message, Retriable: code.Retriable(), Exit: failure.ExitRefused,
		Err:  err,
		Hint: hint(code, topic)}
	switch code {
	case wire.CodeTimedOut, client.CodeUnreachable, client.CodeAdvertised:
		f.Exit, f.Retriable = failure.ExitUnreachable, true
	case 0:
		f.Code = failure.CodeInternal
	}
	return f
}

// hint is the table's, in the words of the command line where a command helps: one that can be run as it stands if it
// is known which topic it is about.
func hint(code wire.Code, topic string) string {
	name := cmp.Or(topic, "NAME")
	switch code {
	case wire.CodeUnknownTopic:
		return "list topics with  skidway topic list    create one with  skidway topic create " + name
	case wire.CodeTopicExists:
		return "see it with  skidway topic describe " + name
	case wire.CodeUnknownPartition:
		return "partitions are numbered from 0; see them with  skidway topic describe " + name
	case wire.CodeOffsetOutOfRange:
		return "see what is valid with  skidway offsets " + name
	case wire.CodeNotEnoughReplicas, wire.CodeNotLeader:
		return "see leaders and replicas with  skidway topic describe " + name + "    and how the cluster is with  " +
			"skidway cluster status"
	case wire.CodeInvalidArgument:
		return "" // the message names what was given
	case wire.CodeNotEnoughBrokers, wire.CodeUnknownBroker:
		return "see which brokers there are with  skidway cluster brokers"
	case wire.CodeRecordTooLarge:
		return "send smaller records, or raise the limit:  skidway topic alter " + name + " --set max_batch_bytes=4MiB"
	}
	return code.Hint()
}

// unreachable adds to an error of connect where the addresses come from.
func (a *app) unreachable(ctx context.Context, err error, s servers) error {
	if interrupted(ctx) {
		return err
	}
	var f *failure.Failure
	if !errors.As(a.explain(err), &f) {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && f.Code == failure.CodeTimedOut {
		f.Message += ": connecting to " + strings.Join(s.addresses, ", ")
	}
	f.Notes = append(f.Notes, failure.Note{Label: "address from", Text: s.from})
	return f
}

// suggestTopic adds to the failure of a topic that does not exist the name of one that does.
func (a *app) suggestTopic(ctx context.Context, c *client.Client, err error) error {
	var f *failure.Failure
	var l failure.List
	if errors.As(err, &l) || !errors.As(a.explain(err), &f) {
		return err
	}
	var ce *client.Error
	if !errors.As(err, &ce) || !errors.Is(err, client.ErrUnknownTopic) {
		return f
	}
	f.Message = fmt.Sprintf("no topic %q", ce.Topic)
	f.Notes = nil
	if near := metadata.Suggest(ce.Topic, topicNames(ctx, c)); near != "" {
		f.Hint = fmt.Sprintf("did you mean %q?  list them with  skidway topic list", near)
	}
	return f
}
