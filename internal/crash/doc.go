// Package crash kills brokers at the points where it matters most, and holds what is left against the promise.
//
// It is tests alone: three broker processes, built with the tags failpoints and faultfs, so that they can be held at a
// point of internal/failpoint and SIGKILL loses what was not synced; a real ZooKeeper; a load of internal/history,
// whose history is checked, and whose replicas are compared byte by byte at the end.
//
// It may import everything below row 7.
package crash
