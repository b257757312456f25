package wire

import (
	"errors"
	"math"
)

// A frame:
//
//	+----------------+---------------------------------------------+
//	| length, 4 bytes| ONE msgpack array of exactly length bytes    |
//	| big-endian     | request:  [api, version, correlation, body]  |
//	|                | response: [correlation, error | nil, body | nil]
//	+----------------+---------------------------------------------+
const (
	frameHeader = 4
	// helloFrameBytes caps frames before the hello.
	helloFrameBytes = 64 << 10
	// minFrameBytes is the length of the shortest array of four values.
	minFrameBytes = 5
	// minResponseBytes is the length of the shortest array of three.
	minResponseBytes = 4
)

// noCorrelation is what a refusal bears that answers no request in particular.
// The connection is closed after it.
const noCorrelation uint32 = 0

// encodeRequest puts a whole frame into e and returns its size.
func encodeRequest(e *encoder, version uint16, correlation uint32, r Request) int {
	m := e.begin()
	e.version = version
	e.array(4)
	e.uint(uint64(r.API()))
	e.uint(uint64(version))
	e.uint(uint64(correlation))
	r.encode(e)
	return e.end(m)
}

// envelope is what precedes a request's body.
type envelope struct {
	api         API
	version     uint16
	correlation uint32
}

// decodeEnvelope reads what precedes the body, which the decoder stands at then.
func decodeEnvelope(d *decoder, frame []byte) (envelope, error) {
	d.reset(frame)
	var env envelope
	if d.fields(4) {
		env.api = API(d.u16("api"))
		env.version = d.u16("version")
		env.correlation = uint32(d.i64("correlation", 0, math.MaxUint32))
	}
	if d.fault != nil {
		return envelope{}, Errorf(CodeMalformedRequest, "request: %v", d.fault)
	}
	return env, nil
}

// decodeBody reads the body that follows env and makes sure that nothing comes
// after it. Its error is always an *Error.
func decodeBody(d *decoder, env envelope) (Request, error) {
	kind := env.api.kind()
	if kind == nil {
		return nil, Errorf(CodeUnknownRequest, "this broker knows no request %d", uint16(env.api))
	}
	if env.version < kind.min || env.version > kind.max {
		return nil, Errorf(CodeUnsupportedVersion, "%s: version %d is not served, versions %d to %d are",
			kind.name, env.version, kind.min, kind.max)
	}
	d.version = env.version
	req := kind.newRequest()
	req.decode(d)
	d.finish()
	if d.fault != nil {
		return nil, Errorf(CodeMalformedRequest, "%s: %v", kind.name, d.fault)
	}
	return req, nil
}

// finish makes sure that the frame ends where its array does.
func (d *decoder) finish() {
	if d.fault == nil && d.left() > 0 {
		d.fail("", "%d bytes follow the end", d.left())
	}
}

// encodeResponse puts a whole frame into e and returns its size. With an err
// there is no body.
func encodeResponse(e *encoder, to envelope, r Response, err *Error) int {
	m := e.begin()
	e.version = to.version
	e.array(3)
	e.uint(uint64(to.correlation))
	e.err(err)
	if err != nil {
		e.null()
	} else {
		r.encode(e)
	}
	return e.end(m)
}

// decodeCorrelation reads which request a response frame answers; the decoder
// stands at the error then.
func decodeCorrelation(d *decoder, frame []byte) (uint32, error) {
	d.reset(frame)
	var c uint32
	if d.fields(3) {
		c = uint32(d.i64("correlation", 0, math.MaxUint32))
	}
	if d.fault != nil {
		return 0, errors.New("response: " + d.fault.Error())
	}
	return c, nil
}

// decodeAnswer reads the error and the body of a response, into r. The first
// error is the broker's refusal, the second a malformed frame.
func decodeAnswer(d *decoder, version uint16, r Response) (*Error, error) {
	d.version = version
	refusal := d.err("error")
	switch {
	case d.fault != nil:
	case refusal == nil:
		r.decode(d)
	case !d.null("body"):
		d.fail("body", "nil wanted beside an error")
	}
	d.finish()
	if d.fault != nil {
		return nil, errors.New(r.API().String() + " response: " + d.fault.Error())
	}
	return refusal, nil
}
