package group

import "fmt"

// Assignor says how partitions are distributed over members. The numbers are stored: never change one.
type Assignor int8

// The assignors.
const (
	// Range gives each member a run of neighbouring partitions of each topic, as Kafka's does: topics with as
	// many partitions, subscribed to by the same members, are split alike, so that partition n of each is with
	// the same member. A change of members may move many partitions.
	Range Assignor = iota + 1
	// Uniform spreads all partitions so that members differ by at most one, as far as their subscriptions
	// permit, and moves as few as that takes.
	Uniform
)

// ParseAssignor returns the assignor of that name, or an error that wraps ErrUnsupportedAssignor.
func ParseAssignor(name string) (Assignor, error) {
	switch name {
	case "range":
		return Range, nil
	case "uniform":
		return Uniform, nil
	}
	return 0, fmt.Errorf("%w %q: there are range and uniform", ErrUnsupportedAssignor, clip(name))
}

// String returns the assignor's name.
func (a Assignor) String() string {
	switch a {
	case Range:
		return "range"
	case Uniform:
		return "uniform"
	}
	return fmt.Sprintf("assignor(%d)", int8(a))
}

// problem is what an assignor solves. Members are numbers below members; none stands for no member.
type problem struct {
	members int
	topics  []topicProblem
	// same tells that each topic has all members as subscribers.
	same bool
}

// topicProblem is one topic of a problem.
type topicProblem struct {
	subscribers []int32 // ascending, not empty
	// owner of each partition: before solving, the member that had it, if it may keep it, or none; after
	// solving, the member that it is for.
	owner []int32
}

const none int32 = -1

// solve distributes the partitions, in place.
func (a Assignor) solve(p *problem) {
	switch {
	case len(p.topics) == 0: // and so, perhaps, no members
	case a == Range:
		solveRange(p)
	case p.same:
		solveSame(p)
	default:
		solveMixed(p)
	}
}

// solveRange gives each subscriber its share of each topic, in order; the first ones get what is left over.
func solveRange(p *problem) {
	for _, t := range p.topics {
		share, rest := len(t.owner)/len(t.subscribers), len(t.owner)%len(t.subscribers)
		next := 0
		for i, m := range t.subscribers {
			count := share
			if i < rest {
				count++
			}
			for range count {
				t.owner[next] = m
				next++
			}
		}
	}
}
