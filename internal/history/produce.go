package history

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/skidway/skidway/client"
)

// produce is the life of one producer: a process after another.
func (l *Load) produce() {
	c, err := l.connect(l.producing)
	if err != nil {
		return
	}
	defer func() { _ = c.Close(ended()) }() // its producers are closed already
	for l.producing.Err() == nil {
		l.produceAs(c, l.history.NewProcess())
	}
}

// produceAs sends until an outcome is unknown, or the load ends.
func (l *Load) produceAs(c *client.Client, process int) {
	p, err := client.NewProducer(c, client.ProducerOptions{Partitioner: client.Manual,
		DeliveryTimeout: l.opts.DeliveryTimeout, MaxBufferedBytes: 1 << 20})
	if err != nil {
		sleep(l.producing, pause)
		return
	}
	sending, stop := context.WithCancel(l.producing)
	defer stop()
	for seq := uint64(0); l.limit.Wait(sending) == nil; seq++ {
		s := Event{Process: process, Op: Send, Kind: Invoke, Partition: rand.Int32N(l.partitions),
			Values: []Value{{Key: l.run | uint64(process), Seq: seq}}}
		l.history.Add(s)
		p.SendAsync(sending, client.Record{Topic: l.opts.Topic, Partition: s.Partition,
			Value: s.Values[0].Encode(l.opts.ValueBytes)}, func(r client.Record, err error) {
			if l.settle(s, r.Offset, err); err != nil && kindOf(err) == Info {
				stop()
			}
		})
	}
	if l.producing.Err() == nil {
		_ = p.Close(ended()) // what else is under way is unknown, too
		return
	}
	_ = p.Close(<-l.closing) // each record tells by itself what became of it
}

// settle notes what became of a send.
func (l *Load) settle(s Event, offset int64, err error) {
	s.Kind = kindOf(err)
	if err != nil {
		s.Error = nameOf(err)
		l.history.Add(s)
		return
	}
	s.Offsets = []int64{offset}
	l.history.Add(s)
	l.acked.Add(1)
	if l.opts.OnAck != nil {
		l.opts.OnAck(s.Partition, offset)
	}
}

// kindOf tells what is known of an operation that ended with err.
func kindOf(err error) Kind {
	var e *client.Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &e) && e.Outcome == client.OutcomeFailed:
		return Fail
	}
	return Info
}

// nameOf is the name of an error's code, or the error in words where it has none.
func nameOf(err error) string {
	var e *client.Error
	if errors.As(err, &e) && e.Code != 0 {
		return e.Code.Name()
	}
	return err.Error()
}
