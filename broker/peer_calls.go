package broker

import (
	"context"
	"encoding/binary"

	"github.com/skidway/skidway/peer"
	"github.com/skidway/skidway/replication"
)

// What brokers call one another for, the first byte of a call's body. The numbers that follow are of 4 bytes, big
// endian. The answers are empty, and nobody waits for them.
const (
	// callRefused: broker, broker epoch. The caller was refused by that incarnation of a broker (R8).
	callRefused byte = 1
	// callController: broker epoch, controller epoch. The caller is the controller.
	callController byte = 2
)

// report tells a broker that this one was refused by another.
func (h *replicas) report(r replication.ReportRefusal) {
	h.call(r.To, callRefused, r.Broker, r.BrokerEpoch)
}

// announce tells the brokers that are linked that this one is the controller, if it is: they may take over from it when
// they see that it is gone.
func (h *replicas) announce() {
	c, there := h.member.Controller()
	if !there || c.Broker != h.self.Broker || c.BrokerEpoch != h.epoch.Load() {
		return
	}
	for _, r := range h.member.Brokers() {
		if r.Member.Broker != h.self.Broker {
			h.call(r.Member.Broker, callController, c.BrokerEpoch, c.Epoch)
		}
	}
}

func (h *replicas) call(to int32, kind byte, a, b int32) {
	link, ok := h.link(to, peer.Follower, peer.Live)
	if !ok {
		return
	}
	body := binary.BigEndian.AppendUint32([]byte{kind}, uint32(a))
	body = binary.BigEndian.AppendUint32(body, uint32(b))
	if err := h.peers.Call(link, h.calls.Add(1), body); err != nil {
		h.b.log.Debug("a call to another broker was not sent", "link", link.String(), "error", err)
	}
}

// called takes a call. One that this version does not know is answered all the same.
func (h *replicas) called(ctx context.Context, ev peer.Called) {
	if len(ev.Body) == 9 {
		a := int32(binary.BigEndian.Uint32(ev.Body[1:]))
		b := int32(binary.BigEndian.Uint32(ev.Body[5:]))
		switch ev.Body[0] {
		case callRefused:
			h.member.RefusalReported(ctx, replication.RefusalReported{From: ev.Link.Peer, Broker: a, BrokerEpoch: b})
		case callController:
			h.member.PeerSaid(ctx, replication.PeerSaid{Broker: ev.Link.Peer, BrokerEpoch: a, ControllerEpoch: b})
		}
	}
	if err := h.peers.Answer(ev.Link, ev.ID, nil); err != nil {
		h.b.log.Debug("a call of another broker was not answered", "link", ev.Link.String(), "error", err)
	}
}
