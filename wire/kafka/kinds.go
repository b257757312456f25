package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kind is a row of the table of request kinds.
type kind struct {
	key      int16
	min, max int16 // versions served, and advertised
	layout   layout
	// start begins a request on the connection's reader goroutine, and so must not wait. What it returns is called on
	// the writer goroutine, once, and may.
	start func(ctx context.Context, r *request, req kmsg.Request) answer
}

// answer waits for the answer of a request; nil: it gets none. An error closes the connection.
type answer func(ctx context.Context) (response, error)

// kindTable is the table of request kinds, by ascending key.
func kindTable() []kind {
	return []kind{
		{key: 0, max: 11, layout: parseLayout("n@3+ h i [ s [ i B ] ]"), start: typed(startProduce)},
		{key: 1, min: 4, max: 12, layout: parseLayout(
			"i i i i b i@7+ i@7+ [ s [ i i@9+ l i@12+ l@5+ i ] ] [ s ( i ) ]@7+ s@11+"), start: typed(startFetch)},
		{key: 2, min: 1, max: 7, layout: parseLayout("i b@2+ [ s [ i i@4+ l ] ]"), start: typed(startListOffsets)},
		{key: 3, max: 12, layout: parseLayout("[ u@10+ s@0-9 n@10+ ] b@4+ b@8-10 b@8+"), start: deferred(metadata)},
		{key: 8, min: 2, max: 9, layout: parseLayout("s i s n@7+ l@2-4 [ s [ i l i@6+ n ] ]"), start: deferred(offsetCommit)},
		{key: 9, min: 1, max: 9, layout: parseLayout(
			"s@0-7 [ s ( i ) ]@0-7 [ s n@9+ i@9+ [ s ( i ) ] ]@8+ b@7+"), start: deferred(offsetFetch)},
		{key: 10, max: 4, layout: parseLayout("s@0-3 b@1+ ( s )@4+"), start: deferred(findCoordinator)},
		{key: 11, max: 9, layout: parseLayout("s i i@1+ s n@5+ s [ s B ] n@8+"), start: deferred(joinGroup)},
		{key: 12, max: 4, layout: parseLayout("s i s n@3+"), start: deferred(heartbeat)},
		{key: 13, max: 5, layout: parseLayout("s s@0-2 [ s n n@5+ ]@3+"), start: deferred(leaveGroup)},
		{key: 14, max: 5, layout: parseLayout("s i s n@3+ n@5+ n@5+ [ s B ]"), start: deferred(syncGroup)},
		{key: 15, max: 6, layout: parseLayout("( s ) b@3+"), start: deferred(describeGroups)},
		{key: 16, max: 5, layout: parseLayout("( s )@4+ ( s )@5+"), start: deferred(listGroups)},
		{key: 18, max: 4, layout: parseLayout("s@3+ s@3+"), start: typed(startAPIVersions)},
		{key: 19, min: 2, max: 7, layout: parseLayout("[ s i h [ i ( i ) ] [ s n ] ] i b"), start: deferred(createTopics)},
		{key: 20, min: 1, max: 6, layout: parseLayout("( s )@0-5 [ n u ]@6+ i"), start: deferred(deleteTopics)},
		{key: 21, max: 2, layout: parseLayout("[ s [ i l ] ] i"), start: deferred(deleteRecords)},
		{key: 22, max: 4, layout: parseLayout("n i l@3+ h@3+"), start: deferred(initProducerID)},
		{key: 23, min: 2, max: 4, layout: parseLayout("i@3+ [ s [ i i i ] ]"), start: deferred(offsetForLeaderEpoch)},
		{key: 32, min: 1, max: 4, layout: parseLayout("[ b s ( s ) ] b b@3+"), start: deferred(describeConfigs)},
		{key: 33, max: 2, layout: parseLayout("[ b s [ s n ] ] b"), start: deferred(alterConfigs)},
		{key: 35, min: 1, max: 4, layout: parseLayout("[ s ( i ) ]"), start: deferred(describeLogDirs)},
		{key: 37, max: 3, layout: parseLayout("[ s i [ ( i ) ] ] i b"), start: deferred(createPartitions)},
		{key: 42, max: 2, layout: parseLayout("( s )"), start: deferred(deleteGroups)},
		{key: 44, max: 1, layout: parseLayout("[ b s [ s b n ] ] b"), start: deferred(incrementalAlterConfigs)},
		{key: 47, layout: parseLayout("s [ s [ i ] ]"), start: deferred(offsetDelete)},
		{key: 60, max: 1, layout: parseLayout("b b@1+"), start: deferred(describeCluster)},
		{key: 68, max: 1, layout: parseLayout("s s i n n i ( s ) n@1+ n [ u ( i ) ]"),
			start: deferred(consumerGroupHeartbeat)},
		{key: 69, max: 1, layout: parseLayout("( s ) b"), start: deferred(consumerGroupDescribe)},
		{key: 75, layout: parseLayout("[ s ] i { s i }"), start: deferred(describeTopicPartitions)},
	}
}

// typed is a start function that takes the request as what it is.
func typed[Req kmsg.Request](
	start func(context.Context, *request, Req) answer,
) func(context.Context, *request, kmsg.Request) answer {
	return func(ctx context.Context, r *request, req kmsg.Request) answer { return start(ctx, r, req.(Req)) }
}

// deferred is the start function of a kind that does everything when its turn to be answered has come.
func deferred[Req kmsg.Request](
	do func(context.Context, *request, Req) kmsg.Response,
) func(context.Context, *request, kmsg.Request) answer {
	return func(_ context.Context, r *request, req kmsg.Request) answer {
		return func(ctx context.Context) (response, error) {
			return message{do(ctx, r, req.(Req))}, nil
		}
	}
}

// find finds the row of a key; nil when there is none.
func find(kinds []kind, key int16) *kind {
	for i := range kinds {
		if kinds[i].key == key {
			return &kinds[i]
		}
	}
	return nil
}
