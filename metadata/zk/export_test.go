package zk

import "reflect"

// LibraryWatches returns how many channels the library keeps for the path.
func LibraryWatches(s *Session, path string) (n int) {
	watchers := reflect.ValueOf(s.conn).Elem().FieldByName("watchers")
	for it := watchers.MapRange(); it.Next(); {
		if it.Key().FieldByName("path").String() == path {
			n += it.Value().Len()
		}
	}
	return n
}
