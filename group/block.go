package group

import "fmt"

// encodeBlock returns the data of one block of the target, or nil if there is nothing in it. A member is named
// once, then numbered: 0 stands for none.
func (g *Group) encodeBlock(b block) []byte {
	parts := g.blockParts(b)
	number := make(map[*member]int64)
	var ids []string
	name := func(m *member) {
		if m != nil && number[m] == 0 {
			ids = append(ids, m.id)
			number[m] = int64(len(ids))
		}
	}
	for i := range parts {
		name(parts[i].target)
		name(parts[i].holder)
	}
	if len(ids) == 0 {
		return nil
	}
	e := newEncoder(3)
	e.array(len(ids))
	for _, id := range ids {
		e.text(id)
	}
	e.array(3 * len(parts))
	for i := range parts {
		e.int(number[parts[i].target])
		e.int(number[parts[i].holder])
		e.int(int64(parts[i].epoch))
	}
	return e.buf.Bytes()
}

// blockParts returns the partitions of the block, at most blockPartitions.
func (g *Group) blockParts(b block) []partition {
	parts := g.parts[b.topic]
	first := int(b.index) * blockPartitions
	if first >= len(parts) {
		return nil
	}
	return parts[first:min(first+blockPartitions, len(parts))]
}

// storedBlock is a block of the target as it was read.
type storedBlock struct {
	ids   []string
	parts []storedPartition
}

// storedPartition names members by their place in storedBlock.ids; -1: none.
type storedPartition struct {
	target, holder int
	epoch          int32
}

func decodeBlock(data []byte) (storedBlock, error) {
	d, more := newDecoder(data, 3)
	var b storedBlock
	for range d.Array(2 * blockPartitions) {
		b.ids = append(b.ids, d.Text(MaxMemberIDBytes))
	}
	n := d.Array(3 * blockPartitions)
	if n%3 != 0 {
		d.Fail(fmt.Errorf("%d numbers", n))
	}
	for range n / 3 {
		p := storedPartition{
			target: int(d.Int(0, int64(len(b.ids)))) - 1, holder: int(d.Int(0, int64(len(b.ids)))) - 1,
			epoch: d.epoch(),
		}
		b.parts = append(b.parts, p)
	}
	if _, err := d.tail(more); err != nil {
		return storedBlock{}, fmt.Errorf("target of a group: %w", err)
	}
	return b, nil
}
