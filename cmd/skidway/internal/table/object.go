package table

import (
	"bytes"
	"encoding/json"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// Field is one member of an Object.
type Field struct {
	Name  string
	Value any
}

// Object is a json object whose members keep their order.
type Object []Field

// MarshalJSON writes the members in order.
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		if err := failure.EncodeLine(&b, f.Value); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // the encoder ends each value with a line end
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
