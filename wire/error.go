package wire

import (
	"context"
	"errors"
	"fmt"
)

// Error is a refusal as it travels on the wire: what was refused and why, with a
// stable code. A nil *Error in a response field means success.
type Error struct {
	// Code is stable and made for programs.
	Code Code
	// Message is one sentence made for people: what, to whom, why.
	Message string
}

// Errorf makes an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error is the message followed by the code: `no topic "oders" [E110]`.
func (e *Error) Error() string {
	m := e.Message
	if m == "" {
		m = e.Code.Sentence()
	}
	return fmt.Sprintf("%s [E%d]", m, uint16(e.Code))
}

// Retriable tells whether the same request may succeed later.
func (e *Error) Retriable() bool { return e.Code.Retriable() }

// Is makes errors.Is(err, wire.CodeUnknownTopic) true for an Error of that code.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// AsError turns what a handler returned into what goes on the wire: the *Error
// in err's chain; CodeTimedOut for a passed deadline; else CodeInternal with
// err's text. A nil err gives nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	var c Code
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &c):
		return &Error{Code: c, Message: err.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTimedOut, Message: err.Error()}
	}
	return &Error{Code: CodeInternal, Message: err.Error()}
}
