package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// registers returns broker 1 with the store 11, registered as broker epoch 7 by session 100.
func registers(t *testing.T) *Session {
	t.Helper()
	s := NewSession(SessionOptions{}, 11, 6)
	require.Equal(t, []SessionEffect{Connect{}}, s.Step(0, Started{}))
	require.Equal(t, []SessionEffect{ReadRegistration{100}}, s.Step(0, Connected{100}))
	out := s.Step(0, RegistrationRead{Session: 100, Version: 6, Storage: 11, StoreEpoch: 6})
	require.Equal(t, []SessionEffect{SaveStoreEpoch{7}}, out, "the store first")
	out = s.Step(0, StoreEpochSaved{7})
	require.Equal(t, []SessionEffect{Register{Session: 100, Version: 6, BrokerEpoch: 7, Storage: 11, Stale: -1}}, out)
	out = s.Step(0, RegisterDone{100, 7, OutcomeOK})
	require.Equal(t, []SessionEffect{Tell{Registered{7}}}, out)
	return s
}

// R2: a session is an incarnation. Whatever its end is heard by, nothing of it is valid
// after, and what answers of it come late do nothing (M12).
func TestR2SessionIsAnIncarnation(t *testing.T) {
	s := registers(t)
	require.Equal(t, []SessionEffect{Tell{Fenced{}}, Connect{}}, s.Step(0, Expired{100}))
	require.Empty(t, s.Step(0, Expired{100}))
	require.Equal(t, []SessionEffect{ReadRegistration{101}}, s.Step(0, Connected{101}))
	require.Empty(t, s.Step(0, RegistrationRead{Session: 100, Version: 7}))
	require.Empty(t, s.Step(0, RegisterDone{100, 7, OutcomeOK}))

	s = registers(t)
	require.Equal(t, []SessionEffect{Tell{Fenced{}}, ReadRegistration{101}}, s.Step(0, Connected{101}),
		"another session without a word of the end of the first")
	require.Empty(t, s.Step(0, Connected{101}))
}

// D4: the node of a dead process on this very store is replaced in the same write; one of
// another store is waited for, and one that stays is another broker's.
func TestD4NodeOfBefore(t *testing.T) {
	s := NewSession(SessionOptions{}, 11, 6)
	s.Step(0, Connected{100})
	read := RegistrationRead{
		Session: 100, Version: 6, Storage: 11, StoreEpoch: 6,
		Node: &RegistrationNode{Owner: 99, Version: 3, Storage: 11, BrokerEpoch: 6},
	}
	s.Step(0, read)
	out := s.Step(0, StoreEpochSaved{7})
	require.Equal(t, []SessionEffect{Register{Session: 100, Version: 6, BrokerEpoch: 7, Storage: 11, Stale: 3}}, out)

	s = NewSession(SessionOptions{Timeout: time.Second}, 12, 0)
	s.Step(0, Connected{100})
	require.Empty(t, s.Step(0, read))
	require.Equal(t, []SessionEffect{ReadRegistration{100}}, s.Step(time.Second, Tick{}))
	require.Empty(t, s.Step(time.Second, read))
	s.Step(3*time.Second, Tick{})
	require.Equal(t, []SessionEffect{DuplicateBroker{11}}, s.Step(3*time.Second, read))

	s = NewSession(SessionOptions{}, 12, 0)
	s.Step(0, Connected{100})
	read.Node = nil
	require.Equal(t, []SessionEffect{SaveStoreEpoch{7}}, s.Step(0, read), "C13: another disk")
}

// C15: a store that went back in time cannot claim what it acknowledged: it gets a new id.
func TestC15StoreWentBack(t *testing.T) {
	s := NewSession(SessionOptions{}, 11, 4)
	s.Step(0, Connected{100})
	read := RegistrationRead{Session: 100, Version: 6, Storage: 11, StoreEpoch: 6}
	require.Equal(t, []SessionEffect{ReplaceStorage{}}, s.Step(0, read))
	require.Equal(t, []SessionEffect{ReadRegistration{100}}, s.Step(0, StorageReplaced{13}))
	s.Step(0, read)
	out := s.Step(0, StoreEpochSaved{7})
	require.EqualValues(t, 13, out[0].(Register).Storage)
}

// R5: an attempt whose outcome is unknown is found by reading; one that lands after the
// read lets the next attempt fail, and is found then. A first registration makes the node.
func TestR5UnknownRegistration(t *testing.T) {
	s := NewSession(SessionOptions{}, 11, 0)
	s.Step(0, Connected{100})
	s.Step(0, RegistrationRead{Session: 100, Version: -1})
	out := s.Step(0, StoreEpochSaved{0})
	require.Equal(t, []SessionEffect{Register{Session: 100, Version: -1, Storage: 11, Stale: -1}}, out)
	require.Empty(t, s.Step(0, RegisterDone{100, 0, OutcomeUnknown}))
	require.Equal(t, []SessionEffect{ReadRegistration{100}}, s.Step(time.Second, Tick{}))
	s.Step(time.Second, RegistrationRead{Session: 100, Version: -1})
	s.Step(time.Second, StoreEpochSaved{0})
	require.Equal(t, []SessionEffect{ReadRegistration{100}}, s.Step(time.Second, RegisterDone{100, 0, OutcomeBadVersion}))
	out = s.Step(time.Second, RegistrationRead{
		Session: 100, Version: 0, Storage: 11, Node: &RegistrationNode{Owner: 100, Storage: 11},
	})
	require.Equal(t, []SessionEffect{Tell{Registered{0}}}, out)
}

// R8: a live broker that was removed registers anew, as another incarnation.
func TestR8RemovedBrokerRegistersAnew(t *testing.T) {
	s := registers(t)
	require.Empty(t, s.Step(0, RegistrationGone{6}))
	require.Equal(t, []SessionEffect{Tell{Fenced{}}, ReadRegistration{100}}, s.Step(0, RegistrationGone{7}))
	s.Step(0, RegistrationRead{Session: 100, Version: 7, Storage: 11, StoreEpoch: 7})
	s.Step(0, StoreEpochSaved{8})
	require.Equal(t, []SessionEffect{Tell{Registered{8}}}, s.Step(0, RegisterDone{100, 8, OutcomeOK}))
}

// A broker that has not heard of the store for long is suspect, until it hears of it by a
// request that left after: an old answer that comes late says nothing about now.
func TestSuspect(t *testing.T) {
	s := registers(t)
	require.Empty(t, s.Step(4*time.Second, Tick{}))
	require.Equal(t, []SessionEffect{Tell{Suspected{true}}}, s.Step(4*time.Second+1, Tick{}))
	require.Empty(t, s.Step(5*time.Second, RoundTrip{100, time.Second / 2}))
	require.Empty(t, s.Step(5*time.Second, RoundTrip{99, 5 * time.Second}))
	require.Equal(t, []SessionEffect{Tell{Suspected{false}}}, s.Step(5*time.Second, RoundTrip{100, 4 * time.Second}))
}
