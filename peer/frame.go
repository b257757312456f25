package peer

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame:
//
//	+-----------------+--------------+------+----------------------------------------+
//	| length, 4 bytes | type, 1 byte | body | tag: 16 bytes, of a handshake 32 or none |
//	| big-endian, of all that follows                                                 |
//	+-----------------+--------------+------+----------------------------------------+
const (
	lengthBytes = 4
	frameHead   = lengthBytes + 1
	tagBytes    = 16
	// targetFrame is the size at which a frame takes no further message.
	targetFrame = 256 << 10
	// maxFrame is the largest that is sent or taken: MaxDataBytes in small batches fit.
	maxFrame = 64 << 20
	// firstChunk is how much of a frame is allocated before any of it has come.
	firstChunk = 1 << 20
	// maxHandshake is the largest frame before both ends are authenticated.
	maxHandshake = 512
)

// The types of frames. All but the last belong to the handshake, in this order.
const (
	typeChallenge byte = iota + 1
	typeHello
	typeWelcome
	typeRefusal
	typeEntries
)

var errTag = errors.New("peer: a frame's tag is wrong: it was forged, damaged, repeated or is missing a predecessor")

// sealer makes or checks the tags of one direction of a session: AES-GMAC, which is GCM without
// a text to encrypt. The nonce is the frame's number, so a frame counts only in its place. Not
// safe for concurrent use.
type sealer struct {
	gcm   cipher.AEAD
	nonce [12]byte // the number of the next frame, big-endian, behind 4 zeros
	tag   [tagBytes]byte
}

// newSealer takes a key of one direction of one session: no other may ever use it.
func newSealer(key []byte) (*sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{gcm: gcm}, nil
}

// next moves to the next frame's number, of which there are more than a link can carry.
func (s *sealer) next() {
	n := binary.BigEndian.Uint64(s.nonce[4:]) + 1
	if n == 0 {
		panic("peer: a session has sent all its frames")
	}
	binary.BigEndian.PutUint64(s.nonce[4:], n)
}

// seal fills in the frame's length and appends its tag.
func (s *sealer) seal(frame []byte) []byte {
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-lengthBytes+tagBytes))
	tag := s.gcm.Seal(s.tag[:0], s.nonce[:], nil, frame)
	s.next()
	return append(frame, tag...)
}

// open checks a frame's tag and returns its body, a part of it.
func (s *sealer) open(frame []byte) ([]byte, error) {
	n := len(frame) - tagBytes
	if n < frameHead {
		return nil, errTag
	}
	if _, err := s.gcm.Open(nil, s.nonce[:], frame[n:], frame[:n]); err != nil {
		return nil, errTag
	}
	s.next()
	return frame[frameHead:n:n], nil
}

// readFrame reads a whole frame of at most limit bytes behind its length, into memory of its
// own that grows as bytes come.
func readFrame(r io.Reader, least, limit int) ([]byte, error) {
	var head [lengthBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n < int64(least) || n > int64(limit) {
		return nil, fmt.Errorf("peer: a frame of %d bytes, %d to %d are accepted", n, least, limit)
	}
	frame := make([]byte, lengthBytes, lengthBytes+min(int(n), firstChunk))
	copy(frame, head[:])
	for left := int(n); left > 0; {
		if len(frame) == cap(frame) {
			grown := make([]byte, len(frame), len(frame)+min(left, len(frame)))
			copy(grown, frame)
			frame = grown
		}
		part := frame[len(frame):cap(frame)]
		if _, err := io.ReadFull(r, part); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		frame = frame[:cap(frame)]
		left -= len(part)
	}
	return frame, nil
}
