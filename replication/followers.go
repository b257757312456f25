package replication

import "time"

// FollowerStatus is how far a follower is, as its leader knows it.
type FollowerStatus struct {
	Broker  int32
	Durable int64         // its durable end; -1: it has told none in this epoch
	Behind  time.Duration // since when it has not held all that the leader holds; 0: it does
}

// Followers returns what a leader knows of its followers, in order of broker; nil of who leads nothing. now is as of
// Step.
func (r *Replica) Followers(now time.Duration) []FollowerStatus {
	if r.role != Leader {
		return nil
	}
	out := make([]FollowerStatus, len(r.lead.followers))
	for i := range r.lead.followers {
		f := &r.lead.followers[i]
		out[i] = FollowerStatus{Broker: f.member.Broker, Durable: f.durable}
		if f.durable < r.end {
			out[i].Behind = max(now-f.caughtUp, 0)
		}
	}
	return out
}
