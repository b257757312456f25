package peer

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/skidway/skidway/internal/bounded"
)

// The handshake, of which this file is the pure part. The listener says nothing of itself, or of
// who is right, before the dialler has proved that it holds the secret.
//
//	listener -> dialler   challenge: its nonce
//	dialler -> listener   hello: who it is, whom it wants, its nonce; HMAC over all so far
//	listener -> dialler   welcome: who it is; HMAC over all so far   (or a refusal)
//
// Each HMAC begins with the name of its step, so that none can be given back as another.
const (
	protocolVersion = 1
	nonceBytes      = 32
	macBytes        = sha256.Size
	maxReason       = 200
)

type nonce = [nonceBytes]byte

// challenge is what a listener says first.
type challenge struct{ nonce nonce }

// hello is what a dialler says.
type hello struct {
	cluster string
	from    Incarnation
	to      int32
	class   Class
	window  int64
	nonce   nonce
}

// welcome is what a listener says of itself, once it knows the dialler.
type welcome struct {
	self   Incarnation
	window int64
}

// refusal says why a dialler gets no link. It bears no tag: it costs the dialler one attempt, as
// cutting the connection would.
type refusal struct {
	reason reason
	text   string
}

// reason is the number of a refusal.
type reason int

// The reasons.
const (
	reasonVersion reason = iota + 1
	reasonCluster
	reasonSecret
	reasonSameBroker
	reasonOtherBroker
	reasonUnregistered
	reasonStale
	reasonFull
	reasonMalformed
)

// Error is for operators; the text is from a peer that may be anybody, and quoted.
func (r *refusal) Error() string {
	if r.text == "" {
		return reasonTexts[r.reason]
	}
	return fmt.Sprintf("%s: %q", reasonTexts[r.reason], r.text)
}

var reasonTexts = map[reason]string{
	reasonVersion:      "the brokers speak different versions of the peer protocol",
	reasonCluster:      "the brokers are of different clusters",
	reasonSecret:       "the brokers have different cluster secrets",
	reasonSameBroker:   "both brokers have the same broker id",
	reasonOtherBroker:  "another broker answers at this address",
	reasonUnregistered: "the broker is not registered yet",
	reasonStale:        "a link of a later registration of the dialling broker is up",
	reasonFull:         "the broker has its most links",
	reasonMalformed:    "what came is no hello of a broker",
}

// keys are made from the secret, each for one purpose.
type keys struct{ secret []byte }

func (k keys) derive(salt []byte, purpose string, n int) []byte {
	key, err := hkdf.Key(sha256.New, k.secret, salt, "skidway peer 1 "+purpose, n)
	if err != nil {
		panic("peer: deriving a key of " + fmt.Sprint(n) + " bytes failed: " + err.Error())
	}
	return key
}

// mac proves the secret over the frames of the handshake so far, as they were sent.
func (k keys) mac(step string, frames ...[]byte) []byte {
	h := hmac.New(sha256.New, k.derive(nil, "handshake", sha256.Size))
	for _, part := range append([][]byte{[]byte(step)}, frames...) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		_, _ = h.Write(part)
	}
	return h.Sum(nil)
}

// sealed makes the frame of a step: what was encoded, with its length and the proof at its end.
func (k keys) sealed(step string, e *encoder, before ...[]byte) []byte {
	binary.BigEndian.PutUint32(e.buf, uint32(len(e.buf)-lengthBytes+macBytes))
	return append(e.buf, k.mac(step, append(before, e.buf)...)...)
}

// proves tells, in constant time, whether the frame ends in the proof of its step.
func (k keys) proves(step string, frame []byte, before ...[]byte) bool {
	n := len(frame) - macBytes
	return n >= frameHead && hmac.Equal(frame[n:], k.mac(step, append(before, frame[:n])...))
}

// sealers makes those of a session: of what the dialler sends, and of what the listener does.
// Both nonces are part of the frames that they are derived from.
func (k keys) sealers(frames ...[]byte) (dialler, listener *sealer, err error) {
	sum := sha256.New()
	for _, f := range frames {
		_, _ = sum.Write(f)
	}
	salt := sum.Sum(nil)
	if dialler, err = newSealer(k.derive(salt, "from the dialler", 16)); err != nil {
		return nil, nil, err
	}
	listener, err = newSealer(k.derive(salt, "from the listener", 16))
	return dialler, listener, err
}

// handshakeFrame begins a frame of the handshake.
func handshakeFrame(kind byte, fields int) *encoder {
	e := newEncoder()
	e.buf = append(e.buf, 0, 0, 0, 0, kind)
	e.array(1 + fields)
	e.ints(protocolVersion)
	return e
}

// plain gives a frame away that bears no proof.
func (e *encoder) plain() []byte {
	binary.BigEndian.PutUint32(e.buf, uint32(len(e.buf)-lengthBytes))
	return e.buf
}

func (c challenge) encode() []byte {
	e := handshakeFrame(typeChallenge, 1)
	e.bytes(c.nonce[:])
	return e.plain()
}

func (h hello) encode(k keys, challenge []byte) []byte {
	e := handshakeFrame(typeHello, 8)
	e.bytes([]byte(h.cluster))
	e.ints(int64(h.from.Broker), int64(h.from.Epoch))
	e.uint(h.from.Storage)
	e.ints(int64(h.to), int64(h.class), h.window)
	e.bytes(h.nonce[:])
	return k.sealed("hello", e, challenge)
}

func (w welcome) encode(k keys, challenge, hello []byte) []byte {
	e := handshakeFrame(typeWelcome, 3)
	e.ints(int64(w.self.Epoch))
	e.uint(w.self.Storage)
	e.ints(w.window)
	return k.sealed("welcome", e, challenge, hello)
}

func (r *refusal) encode() []byte {
	e := handshakeFrame(typeRefusal, 2)
	e.ints(int64(r.reason))
	e.bytes([]byte(r.text[:min(len(r.text), maxReason)]))
	return e.plain()
}

// handshakeDecoder reads the body of a frame of the handshake.
type handshakeDecoder struct{ *bounded.Decoder }

// body begins a frame of that kind, of which trailer bytes at the end are a proof. The version
// comes first, so that another one is recognised whatever follows.
func handshakeBody(frame []byte, kind byte, fields, trailer int) (handshakeDecoder, error) {
	if len(frame) < frameHead+trailer || frame[lengthBytes] != kind {
		return handshakeDecoder{}, &refusal{reason: reasonMalformed}
	}
	d := handshakeDecoder{bounded.NewDecoder(frame[frameHead : len(frame)-trailer])}
	n := d.Array(math.MaxInt32)
	if v := d.Int(1, math.MaxInt32); d.Err() == nil && v != protocolVersion {
		return d, &refusal{reasonVersion, fmt.Sprintf("version %d, this broker speaks %d", v, protocolVersion)}
	}
	if d.Err() == nil && n != 1+fields {
		d.Fail(fmt.Errorf("%d elements, want %d", n, 1+fields))
	}
	return d, nil
}

// end returns a refusal if the frame was malformed.
func (d handshakeDecoder) end() error {
	if err := d.End(); err != nil {
		return &refusal{reasonMalformed, err.Error()}
	}
	return nil
}

func (d handshakeDecoder) nonce() (n nonce) {
	if b := d.Bytes(nonceBytes); d.Err() == nil && copy(n[:], b) < nonceBytes {
		d.Fail(errors.New("a nonce is too short"))
	}
	return n
}

func decodeChallenge(frame []byte) (challenge, error) {
	d, err := handshakeBody(frame, typeChallenge, 1, 0)
	if err != nil {
		return challenge{}, err
	}
	c := challenge{d.nonce()}
	return c, d.end()
}

// decodeHello reads a hello without looking at its proof.
func decodeHello(frame []byte) (hello, error) {
	d, err := handshakeBody(frame, typeHello, 8, macBytes)
	if err != nil {
		return hello{}, err
	}
	h := hello{
		cluster: string(d.Bytes(maxCluster)),
		from: Incarnation{
			Broker: int32(d.Int(0, math.MaxInt32)), Epoch: int32(d.Int(0, math.MaxInt32)), Storage: d.Uint(),
		},
		to: int32(d.Int(0, math.MaxInt32)), class: Class(d.Int(int64(Live), int64(Bulk))),
		window: d.Int(minWindow, maxWindow), nonce: d.nonce(),
	}
	return h, d.end()
}

// decodeWelcome reads a welcome of the broker without looking at its proof.
func decodeWelcome(frame []byte, broker int32) (welcome, error) {
	d, err := handshakeBody(frame, typeWelcome, 3, macBytes)
	if err != nil {
		return welcome{}, err
	}
	w := welcome{Incarnation{broker, int32(d.Int(0, math.MaxInt32)), d.Uint()}, d.Int(minWindow, maxWindow)}
	return w, d.end()
}

func decodeRefusal(frame []byte) error {
	d, err := handshakeBody(frame, typeRefusal, 2, 0)
	if err != nil {
		return err
	}
	r := &refusal{reason(d.Int(1, math.MaxInt32)), string(d.Bytes(maxReason))}
	if err := d.end(); err != nil {
		return err
	}
	if reasonTexts[r.reason] == "" {
		return fmt.Errorf("the broker refuses the link for a reason that this version does not know (%d): %q",
			r.reason, r.text)
	}
	return r
}

// judge decides about a hello: nil, or why it is refused. What is not proved is only believed to
// its own disadvantage.
func (o *Options) judge(h hello, proved bool) error {
	switch {
	case h.cluster != o.Cluster:
		return &refusal{reason: reasonCluster}
	case !proved:
		return &refusal{reason: reasonSecret}
	case h.from.Broker == o.Self.Broker:
		return &refusal{reason: reasonSameBroker}
	case h.to != o.Self.Broker:
		return &refusal{reasonOtherBroker, fmt.Sprintf("broker %d, not broker %d", o.Self.Broker, h.to)}
	case o.Self.Epoch == Unregistered:
		return &refusal{reason: reasonUnregistered}
	}
	return nil
}
