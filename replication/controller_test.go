package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func registeredBrokers(ids ...int32) (out []Broker) {
	for _, id := range ids {
		out = append(out, Broker{Member: Member{id, storageOf(id)}, Epoch: 1})
	}
	return out
}

// heldBy is what is read while a broker is the controller of epoch 5.
func heldBy(broker int32) ControllerRead {
	return ControllerRead{
		Held: true, Broker: broker, BrokerEpoch: 1, NodeEpoch: 5, NodeVersion: 0, Epoch: 5, EpochVersion: 15,
	}
}

// candidate returns broker 2, registered, while broker 1 is the controller.
func candidate(t *testing.T, ids ...int32) *Controller {
	t.Helper()
	c := NewController(ControllerOptions{Broker: 2})
	require.Equal(t, []ControllerEffect{ReadController{}}, c.Step(0, Registered{1}))
	require.Empty(t, c.Step(0, heldBy(1)))
	c.Step(0, BrokersRead{registeredBrokers(ids...)})
	c.Step(0, PeerSaid{Broker: 1, BrokerEpoch: 1, ControllerEpoch: 5})
	return c
}

// controls returns broker 2 as the controller of epoch 6, to which the others have spoken.
func controls(t *testing.T, ids ...int32) *Controller {
	t.Helper()
	c := NewController(ControllerOptions{Broker: 2})
	c.Step(0, Registered{1})
	require.Equal(t, []ControllerEffect{Elect{1, 6, 15, -1}}, c.Step(0, ControllerRead{Epoch: 5, EpochVersion: 15}))
	require.Equal(t, []ControllerEffect{ReadSnapshot{}}, c.Step(0, Elected{OutcomeOK}))
	require.Empty(t, c.Step(0, SnapshotRead{Snapshot{Brokers: registeredBrokers(ids...)}}))
	for _, id := range ids {
		c.Step(0, PeerSaid{Broker: id, BrokerEpoch: 1, ControllerEpoch: NoEpoch})
	}
	return c
}

// What a controller writes is guarded by its epoch; one that was followed resigns (D3, M21).
func TestD3FollowedControllerResigns(t *testing.T) {
	c := controls(t, 2, 3)
	c.Step(0, Changed{})
	s := Snapshot{Brokers: registeredBrokers(2, 3), Topics: []Topic{{ID: 1, Partitions: 1, Replicas: 2, MinISR: 1}}}
	out := c.Step(0, SnapshotRead{s})
	require.Len(t, out, 1)
	require.EqualValues(t, 16, out[0].(Apply).EpochVersion)
	require.EqualValues(t, 6, out[0].(Apply).Changes[0].State.ControllerEpoch)
	require.Equal(t, []ControllerEffect{ReadController{}}, c.Step(0, ChangesWritten{OutcomeCheckFailed}))
	_, ok := c.Controls()
	require.False(t, ok)
	require.Empty(t, c.Step(0, SnapshotRead{s}), "a late snapshot moves nothing")
	require.Empty(t, c.Step(0, heldBy(3)))
}

// Whoever the node names with its own registration is the controller: an election whose
// outcome was unknown leaves no idle one, and a late read of before is no resignation.
func TestR5UnknownElection(t *testing.T) {
	c := NewController(ControllerOptions{Broker: 2})
	c.Step(0, Registered{1})
	c.Step(0, ControllerRead{Epoch: 4, EpochVersion: 14})
	require.Equal(t, []ControllerEffect{ReadController{}}, c.Step(0, Elected{OutcomeUnknown}))
	require.Equal(t, []ControllerEffect{ReadSnapshot{}}, c.Step(0, heldBy(2)))
	epoch, ok := c.Controls()
	require.True(t, ok)
	require.EqualValues(t, 5, epoch)
	require.Empty(t, c.Step(0, ControllerRead{Epoch: 4, EpochVersion: 14}))
	require.Empty(t, c.Step(0, Fenced{}))
	require.Equal(t, []ControllerEffect{ReadController{}}, c.Step(0, Registered{2}))
	require.Equal(t, []ControllerEffect{Elect{2, 6, 15, 0}}, c.Step(0, heldBy(2)),
		"it names another registration of this broker (R2), whose session may be this one: nobody else would replace it")
	_, ok = c.Controls()
	require.False(t, ok)
}

// R8: a dead broker is removed at once, when a third was refused, too.
func TestR8RefusedBrokerIsRemoved(t *testing.T) {
	c := controls(t, 1, 2, 3)
	require.Equal(t, []ControllerEffect{ReportRefusal{3, 1, 1}}, c.Step(0, PeerRefused{1}))
	require.Equal(t, []ControllerEffect{DeclareDead{1, 1, 16}}, c.Step(0, RefusalReported{3, 1, 1}))
	require.Empty(t, c.Step(time.Second, RefusalReported{3, 1, 1}), "once a session timeout")
	require.NotEmpty(t, c.Step(6*time.Second, PeerRefused{1}))
	c.Step(7*time.Second, RefusalReported{3, 1, 1})
	require.Empty(t, c.Step(17*time.Second, RefusalReported{3, 1, 1}), "then twice that")
}

// R8: a firewall that rejects looks like death to one side only; with two brokers there is
// nobody to ask, and R3 keeps it safe.
func TestR8OneSidedReject(t *testing.T) {
	c := controls(t, 1, 2, 3)
	for at := range 20 {
		for _, e := range c.Step(time.Duration(at)*time.Second, PeerRefused{1}) {
			require.IsType(t, ReportRefusal{}, e)
		}
	}
	c = controls(t, 1, 2)
	require.Equal(t, []ControllerEffect{DeclareDead{1, 1, 16}}, c.Step(0, PeerRefused{1}))
}

// R8: a refusal is about one incarnation: of one that was never spoken to, or that is
// registered anew since, or that has spoken since, nothing is known. Reports grow old.
func TestR8RefusalIsOfAnIncarnation(t *testing.T) {
	c := controls(t, 2, 3)
	c.Step(0, BrokersRead{registeredBrokers(1, 2, 3)})
	require.Empty(t, c.Step(0, PeerRefused{1}), "never spoken to")

	c = controls(t, 1, 2, 3)
	c.Step(0, PeerRefused{1})
	again := registeredBrokers(1, 2, 3)
	again[0].Epoch = 2
	c.Step(0, BrokersRead{again})
	require.Empty(t, c.Step(0, RefusalReported{3, 1, 1}), "registered anew")
	require.Empty(t, c.Step(0, RefusalReported{3, 1, 2}), "spoken to as 1 only")

	c = controls(t, 1, 2, 3)
	c.Step(0, RefusalReported{3, 1, 1})
	c.Step(0, PeerSaid{Broker: 1, BrokerEpoch: 1, ControllerEpoch: NoEpoch})
	require.NotContains(t, c.Step(0, PeerRefused{1}), DeclareDead{1, 1, 16}, "it has spoken since")

	c = controls(t, 1, 2, 3)
	c.Step(0, RefusalReported{3, 1, 1})
	require.NotContains(t, c.Step(7*time.Second, PeerRefused{1}), DeclareDead{1, 1, 16}, "reported long ago")
}

// R8: a dead controller is followed at once, by one after the other; the node and the
// epoch are those that were read together.
func TestR8ControllerIsTakenOver(t *testing.T) {
	c := candidate(t, 1, 2, 3)
	c.Step(0, PeerRefused{1})
	require.Empty(t, c.Step(0, RefusalReported{3, 1, 1}), "brokers with a smaller id come first")
	require.Equal(t, []ControllerEffect{Elect{1, 6, 15, 0}}, c.Step(takeOverStep, Tick{}))
	require.Empty(t, c.Step(takeOverStep, Tick{}))

	c = candidate(t, 1, 2, 3)
	c.Step(0, PeerSaid{Broker: 1, BrokerEpoch: 1, ControllerEpoch: 4})
	c.Step(0, PeerRefused{1})
	c.Step(0, RefusalReported{3, 1, 1})
	require.NotContains(t, c.Step(takeOverStep, Tick{}), ControllerEffect(Elect{1, 6, 15, 0}),
		"it never said that it is the controller of this epoch")
}
