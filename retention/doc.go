// Package retention decides how much of a partition's log is kept.
//
// Decide turns (now, the log's statistics, the policy) into a Cut. It deletes
// nothing: the caller asks the log for the offset that the cut stands for, and
// moves the log's start there. Clock is the time that ages are counted by: the wall
// clock, guarded against jumps, because a clock that is set one year ahead must
// not delete a year of records.
//
// Both are pure: no goroutine, no timer, no reading of a clock. The package imports
// nothing of this module, and may import only what lies below row 4, but not kv.
package retention
