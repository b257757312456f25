package recordio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/metadata"
)

// line is a record as json. The names and their order are a contract with scripts. What is not UTF-8 is base64, and
// the field beside it says so.
type line struct {
	Topic         string       `json:"topic"`
	Partition     int32        `json:"partition"`
	Offset        int64        `json:"offset"`
	Timestamp     string       `json:"timestamp"`
	Key           *string      `json:"key"`
	KeyEncoding   string       `json:"key_encoding,omitempty"`
	Value         *string      `json:"value"`
	ValueEncoding string       `json:"value_encoding,omitempty"`
	Headers       []headerLine `json:"headers"`
}

type headerLine struct {
	Key           string  `json:"key"`
	Value         *string `json:"value"`
	ValueEncoding string  `json:"value_encoding,omitempty"`
}

const base64Name = "base64"

func appendJSON(dst []byte, r *client.Record) []byte {
	l := line{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Timestamp: r.Timestamp.UTC().Format(timeLayout), Headers: make([]headerLine, len(r.Headers))}
	l.Key, l.KeyEncoding = textOf(r.Key)
	l.Value, l.ValueEncoding = textOf(r.Value)
	for i, h := range r.Headers {
		l.Headers[i].Key = h.Key
		l.Headers[i].Value, l.Headers[i].ValueEncoding = textOf(h.Value)
	}
	b := bytes.NewBuffer(dst)
	if err := failure.EncodeLine(b, l); err != nil {
		panic(fmt.Sprintf("recordio: encoding texts and numbers as json: %v", err))
	}
	return b.Bytes()
}

func textOf(b []byte) (text *string, enc string) {
	if b == nil {
		return nil, ""
	}
	s := string(b)
	if !utf8.Valid(b) {
		s, enc = base64.StdEncoding.EncodeToString(b), base64Name
	}
	return &s, enc
}

// inputLine is a line that produce reads: what consume writes, or a hand-made one with fewer fields.
type inputLine struct {
	Topic         json.RawMessage   `json:"topic"`  // read past: the topic is an argument
	Offset        json.RawMessage   `json:"offset"` // read past: the broker gives offsets
	Partition     *int32            `json:"partition"`
	Timestamp     json.RawMessage   `json:"timestamp"`
	Key           *string           `json:"key"`
	KeyEncoding   string            `json:"key_encoding"`
	Value         optional          `json:"value"`
	ValueEncoding string            `json:"value_encoding"`
	Headers       []inputHeaderLine `json:"headers"`
}

type inputHeaderLine headerLine

// optional tells null from nothing at all: a record without a value must be meant.
type optional struct {
	given bool
	text  *string
}

// UnmarshalJSON notes that the field is there, and reads a text or null.
func (o *optional) UnmarshalJSON(b []byte) error {
	o.given = true
	return json.Unmarshal(b, &o.text)
}

func parseJSON(text []byte) (Input, error) {
	var l inputLine
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Input{}, explain(err)
	}
	if d.More() {
		return Input{}, errors.New("more than one json value in a line")
	}
	if !l.Value.given {
		return Input{}, errors.New(`no "value"; write "value":null for a record without one`)
	}
	in := Input{Partition: -1}
	if l.Partition != nil {
		if *l.Partition < 0 {
			return in, fmt.Errorf(`"partition" is %d`, *l.Partition)
		}
		in.Partition = *l.Partition
	}
	var err error
	if in.Timestamp, err = jsonTime(l.Timestamp); err != nil {
		return in, err
	}
	if in.Key, err = bytesOf("key", l.Key, l.KeyEncoding); err != nil {
		return in, err
	}
	if in.Value, err = bytesOf("value", l.Value.text, l.ValueEncoding); err != nil {
		return in, err
	}
	for _, h := range l.Headers {
		value, err := bytesOf("value", h.Value, h.ValueEncoding)
		if err != nil {
			return in, fmt.Errorf("header %q: %w", h.Key, err)
		}
		in.Headers = append(in.Headers, client.Header{Key: h.Key, Value: value})
	}
	return in, nil
}

// explain says which field is wrong, in the words of the line and not of Go.
func explain(err error) error {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) {
		return fmt.Errorf("%q is a %s, which it cannot be", te.Field, te.Value)
	}
	const unknown = "json: unknown field "
	if s := err.Error(); len(s) > len(unknown) && s[:len(unknown)] == unknown {
		name := s[len(unknown)+1 : len(s)-1]
		known := []string{"partition", "timestamp", "key", "key_encoding", "value", "value_encoding", "headers"}
		if near := metadata.Suggest(name, known); near != "" && !slices.Contains(known, name) {
			return fmt.Errorf("unknown field %q (did you mean %q?)", name, near)
		}
		return fmt.Errorf("unknown field %q", name)
	}
	return fmt.Errorf("not a json object: %w", err)
}

func bytesOf(field string, text *string, enc string) ([]byte, error) {
	switch {
	case enc != "" && enc != base64Name:
		return nil, fmt.Errorf(`"%s_encoding" is %q; there is "base64"`, field, enc)
	case text == nil:
		return nil, nil
	case enc == "":
		return append([]byte{}, *text...), nil
	}
	b, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", field, err)
	}
	return append([]byte{}, b...), nil
}

// jsonTime reads a time as consume writes it, or milliseconds since 1970. Nothing is the zero time: now.
func jsonTime(b json.RawMessage) (time.Time, error) {
	if len(b) == 0 || string(b) == "null" {
		return time.Time{}, nil
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return t, fmt.Errorf(`"timestamp" is %q; it may be 2026-11-22T20:01:07.113Z or milliseconds since 1970`, text)
		}
		return t, nil
	}
	var ms int64
	if err := json.Unmarshal(b, &ms); err != nil {
		return time.Time{}, fmt.Errorf(`"timestamp" is %s; it may be 2026-11-22T20:01:07.113Z or milliseconds since 1970`, b)
	}
	return time.UnixMilli(ms), nil
}
