package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skidway/skidway/wire"
)

// Code is the number of an error, the same on the wire, in messages ("E110") and in the documentation.
type Code = wire.Code

// Codes that a client alone gives: no broker sends them.
const (
	CodeUnreachable Code = 101 // no address that was given answered
	// a broker was found, but the address it advertises does not answer, or another broker answers there
	CodeAdvertised Code = 104
	codeClosed     Code = 0 // the Client, Producer or Consumer was closed
)

// The classes of errors, for errors.Is. Each is the class of one code; an *Error says what, where and why.
var (
	ErrClosed             = errors.New("client: closed")
	ErrUnreachable        = errors.New("client: no broker reachable")
	ErrTimedOut           = errors.New("client: timed out")
	ErrUnknownTopic       = errors.New("client: no such topic")
	ErrTopicExists        = errors.New("client: topic already exists")
	ErrUnknownPartition   = errors.New("client: no such partition")
	ErrOffsetOutOfRange   = errors.New("client: offset out of range")
	ErrRecordTooLarge     = errors.New("client: record too large")
	ErrProducerFenced     = errors.New("client: producer fenced")
	ErrOutOfOrderSequence = errors.New("client: out of order sequence")
	ErrCorrupt            = errors.New("client: damaged data")
	ErrDiskFull           = errors.New("client: the broker's disk is full")
	ErrNotAssigned        = errors.New("client: partition is not assigned")
	ErrUnknownMember      = errors.New("client: no such member in the group")
	ErrMemberFenced       = errors.New("client: group member fenced")
	ErrStaleMemberEpoch   = errors.New("client: partition is not the group member's any more")
	ErrInstanceInUse      = errors.New("client: instance id in use")
	ErrNoOffset           = errors.New("client: no committed offset")
	ErrTooSlow            = errors.New("client: the program took too long")
)

// Outcome tells what is known about the effect of a request that failed.
type Outcome int8

// The outcomes of a request that failed.
const (
	OutcomeFailed  Outcome = iota // definite: it had no effect and never will
	OutcomeUnknown                // it may have taken effect: it was, or may have been, written, and no answer tells
)

// String returns "failed" or "unknown".
func (o Outcome) String() string {
	if o == OutcomeUnknown {
		return "unknown"
	}
	return "failed"
}

// Error is why a request failed: what, to whom, why, and what is known of its effect.
type Error struct {
	Code      Code
	Message   string  // one sentence; empty: that of Err
	Topic     string  // empty: the error is about no topic
	Partition int32   // -1: the error is about no partition
	Address   string  // the broker's address; empty: no broker was asked
	Outcome   Outcome // what is known of the effect
	Start     int64   // with ErrOffsetOutOfRange: the first offset of the log, else 0
	End       int64   // with ErrOffsetOutOfRange: the offset after the last of the log, else 0
	Err       error   // the cause; may be nil
}

// Error returns one line: where, what, why, and the code.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Topic != "" && e.Partition >= 0:
		fmt.Fprintf(&b, "%s[%d]: ", e.Topic, e.Partition)
	case e.Topic != "":
		fmt.Fprintf(&b, "%s: ", e.Topic)
	}
	switch {
	case e.Message != "":
		b.WriteString(e.Message)
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(classOf(e.Code).Error())
	}
	if e.Outcome == OutcomeUnknown {
		b.WriteString(" (outcome unknown)")
	}
	if e.Code != codeClosed {
		fmt.Fprintf(&b, " [E%d]", int(e.Code))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is tells whether target is the class of the error's code.
func (e *Error) Is(target error) bool { return target == classOf(e.Code) }

// Retriable tells whether the same request may succeed later without a change. With OutcomeUnknown a repetition may
// take effect twice, unless the producer is idempotent and it was the producer that repeated it.
func (e *Error) Retriable() bool {
	switch e.Code {
	case CodeUnreachable, CodeAdvertised:
		return true
	case codeClosed:
		return false
	}
	return e.Code.Retriable()
}

// classOf returns the sentinel of a code. Codes without one share errOther, which is no public class.
func classOf(c Code) error {
	switch c {
	case codeClosed:
		return ErrClosed
	case CodeUnreachable, CodeAdvertised:
		return ErrUnreachable
	case wire.CodeTimedOut:
		return ErrTimedOut
	case wire.CodeUnknownTopic, wire.CodeUnknownTopicID:
		return ErrUnknownTopic
	case wire.CodeTopicExists:
		return ErrTopicExists
	case wire.CodeUnknownPartition:
		return ErrUnknownPartition
	case wire.CodeOffsetOutOfRange:
		return ErrOffsetOutOfRange
	case wire.CodeRecordTooLarge:
		return ErrRecordTooLarge
	case wire.CodeProducerFenced:
		return ErrProducerFenced
	case wire.CodeOutOfOrderSequence:
		return ErrOutOfOrderSequence
	case wire.CodeUnknownMember:
		return ErrUnknownMember
	case wire.CodeMemberFenced:
		return ErrMemberFenced
	case wire.CodeStaleMemberEpoch:
		return ErrStaleMemberEpoch
	case wire.CodeInstanceInUse:
		return ErrInstanceInUse
	case wire.CodeCorruptBatch, wire.CodeDamaged:
		return ErrCorrupt
	case wire.CodeDiskFull:
		return ErrDiskFull
	}
	return errOther
}

var errOther = errors.New("client: request failed")

// where is what an error is about.
type where struct {
	topic     string
	partition int32
	address   string
}

// nowhere is an error about no topic.
func nowhere(address string) where { return where{partition: -1, address: address} }

// newError makes an error of a code and a sentence.
func newError(code Code, at where, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Topic: at.topic, Partition: at.partition,
		Address: at.address}
}

// errClosed says which thing was closed.
func errClosed(what string) *Error {
	return &Error{Code: codeClosed, Message: "the " + what + " is closed", Partition: -1}
}

// fromWire turns a broker's answer into an *Error. A time-out and an internal error leave the outcome unknown; other
// codes are definite.
func fromWire(e *wire.Error, at where) *Error {
	out := &Error{Code: e.Code, Message: e.Message, Topic: at.topic, Partition: at.partition, Address: at.address,
		Err: e}
	if e.Code == wire.CodeTimedOut || e.Code == wire.CodeInternal {
		out.Outcome = OutcomeUnknown
	}
	return out
}

// timedOut says that the caller's own deadline passed, or that he gave up.
func timedOut(ctx context.Context, at where, doing string, o Outcome) *Error {
	e := newError(wire.CodeTimedOut, at, "%s: %v", doing, context.Cause(ctx))
	e.Outcome, e.Err = o, ctx.Err()
	return e
}
