package wire

import "fmt"

// API is the number of a request kind. A number is never reused.
type API uint16

// The request kinds.
const (
	APIHello              API = 0
	APIMetadata           API = 1
	APIProduce            API = 2
	APIFetch              API = 3
	APIListOffsets        API = 4
	APIDeleteRecords      API = 5
	APIInitProducerID     API = 6
	APIDescribeOffsets    API = 7
	APICreateTopics       API = 10
	APIDeleteTopics       API = 11
	APIListTopics         API = 12
	APIDescribeTopics     API = 13
	APIAlterTopics        API = 14
	APIAddPartitions      API = 15
	APIDescribeCluster    API = 20
	APIDescribeBroker     API = 21
	APIElectLeaders       API = 22
	APIAlterReassignments API = 23
	APIListReassignments  API = 24
	APIDrainBroker        API = 25
	APIDecommissionBroker API = 26
	APIThinProduce        API = 30
	APIThinFetch          API = 31
	APIFindCoordinators   API = 40
	APIGroupHeartbeat     API = 41
	APICommitOffsets      API = 42
	APIFetchOffsets       API = 43
	APIListGroups         API = 44
	APIDescribeGroups     API = 45
	APIDeleteGroups       API = 46
	APIDeleteOffsets      API = 47
)

// Request is the body of a request: a pointer to one of this package's Request
// structs. The encoding methods are not exported, so no other type is one.
//
// Byte slices of a decoded request alias the frame they arrived in; see Handler
// for how long that lives.
type Request interface {
	// API names the kind of request.
	API() API
	encode(*encoder)
	decode(*decoder)
}

// Response is the body of a response: a pointer to one of this package's
// Response structs, or a struct of another package that embeds one, for instance
// to add a Release method (see Releaser).
//
// Byte slices of a decoded response alias the frame they arrived in, which
// belongs to that response alone: it is never reused.
type Response interface {
	// API names the kind of request that this answers.
	API() API
	encode(*encoder)
	decode(*decoder)
}

// Releaser is what a Response may implement in addition, to have memory back
// that its fields refer to.
type Releaser interface {
	// Release is called by the server exactly once, after the response was
	// written or dropped. Nothing of the response is read afterwards.
	Release()
}

// String is the name of the API as the specification spells it, or "api 99".
func (a API) String() string {
	if k := a.kind(); k != nil {
		return k.name
	}
	return fmt.Sprintf("api %d", uint16(a))
}

// apiKind is a row of the table of request kinds.
type apiKind struct {
	api      API
	name     string
	min, max uint16 // versions served
	// aliases tells that decoded requests refer to bytes of the frame, which
	// must then live until the answer is written.
	aliases     bool
	newRequest  func() Request
	newResponse func() Response
}

// apiKinds is the table of request kinds, by ascending number.
var apiKinds = []apiKind{
	{APIHello, "hello", 1, 1, false,
		func() Request { return new(HelloRequest) }, func() Response { return new(HelloResponse) }},
	{APIMetadata, "metadata", 1, 1, false,
		func() Request { return new(MetadataRequest) }, func() Response { return new(MetadataResponse) }},
	{APIProduce, "produce", 1, 1, true,
		func() Request { return new(ProduceRequest) }, func() Response { return new(ProduceResponse) }},
	{APIFetch, "fetch", 1, 1, false,
		func() Request { return new(FetchRequest) }, func() Response { return new(FetchResponse) }},
	{APIListOffsets, "list_offsets", 1, 1, false,
		func() Request { return new(ListOffsetsRequest) }, func() Response { return new(ListOffsetsResponse) }},
	{APIDeleteRecords, "delete_records", 1, 1, false,
		func() Request { return new(DeleteRecordsRequest) }, func() Response { return new(DeleteRecordsResponse) }},
	{APIInitProducerID, "init_producer_id", 1, 1, false,
		func() Request { return new(InitProducerIDRequest) }, func() Response { return new(InitProducerIDResponse) }},
	{APIDescribeOffsets, "describe_offsets", 1, 1, false,
		func() Request { return new(DescribeOffsetsRequest) },
		func() Response { return new(DescribeOffsetsResponse) }},
	{APICreateTopics, "create_topics", 1, 1, false,
		func() Request { return new(CreateTopicsRequest) }, func() Response { return new(CreateTopicsResponse) }},
	{APIDeleteTopics, "delete_topics", 1, 1, false,
		func() Request { return new(DeleteTopicsRequest) }, func() Response { return new(DeleteTopicsResponse) }},
	{APIListTopics, "list_topics", 1, 1, false,
		func() Request { return new(ListTopicsRequest) }, func() Response { return new(ListTopicsResponse) }},
	{APIDescribeTopics, "describe_topics", 1, 1, false,
		func() Request { return new(DescribeTopicsRequest) }, func() Response { return new(DescribeTopicsResponse) }},
	{APIAlterTopics, "alter_topics", 1, 1, false,
		func() Request { return new(AlterTopicsRequest) }, func() Response { return new(AlterTopicsResponse) }},
	{APIAddPartitions, "add_partitions", 1, 1, false,
		func() Request { return new(AddPartitionsRequest) }, func() Response { return new(AddPartitionsResponse) }},
	{APIDescribeCluster, "describe_cluster", 1, 1, false,
		func() Request { return new(DescribeClusterRequest) }, func() Response { return new(DescribeClusterResponse) }},
	{APIDescribeBroker, "describe_broker", 1, 1, false,
		func() Request { return new(DescribeBrokerRequest) }, func() Response { return new(DescribeBrokerResponse) }},
	{APIElectLeaders, "elect_leaders", 1, 1, false,
		func() Request { return new(ElectLeadersRequest) },
		func() Response { return new(ElectLeadersResponse) }},
	{APIAlterReassignments, "alter_reassignments", 1, 1, false,
		func() Request { return new(AlterReassignmentsRequest) },
		func() Response { return new(AlterReassignmentsResponse) }},
	{APIListReassignments, "list_reassignments", 1, 1, false,
		func() Request { return new(ListReassignmentsRequest) },
		func() Response { return new(ListReassignmentsResponse) }},
	{APIDrainBroker, "drain_broker", 1, 1, false,
		func() Request { return new(DrainBrokerRequest) },
		func() Response { return new(DrainBrokerResponse) }},
	{APIDecommissionBroker, "decommission_broker", 1, 1, false,
		func() Request { return new(DecommissionBrokerRequest) },
		func() Response { return new(DecommissionBrokerResponse) }},
	{APIThinProduce, "thin_produce", 1, 1, true,
		func() Request { return new(ThinProduceRequest) }, func() Response { return new(ThinProduceResponse) }},
	{APIThinFetch, "thin_fetch", 1, 1, false,
		func() Request { return new(ThinFetchRequest) }, func() Response { return new(ThinFetchResponse) }},
	{APIFindCoordinators, "find_coordinators", 1, 1, false,
		func() Request { return new(FindCoordinatorsRequest) },
		func() Response { return new(FindCoordinatorsResponse) }},
	{APIGroupHeartbeat, "group_heartbeat", 1, 1, false,
		func() Request { return new(GroupHeartbeatRequest) },
		func() Response { return new(GroupHeartbeatResponse) }},
	{APICommitOffsets, "commit_offsets", 1, 1, false,
		func() Request { return new(CommitOffsetsRequest) },
		func() Response { return new(CommitOffsetsResponse) }},
	{APIFetchOffsets, "fetch_offsets", 1, 1, false,
		func() Request { return new(FetchOffsetsRequest) },
		func() Response { return new(FetchOffsetsResponse) }},
	{APIListGroups, "list_groups", 1, 1, false,
		func() Request { return new(ListGroupsRequest) },
		func() Response { return new(ListGroupsResponse) }},
	{APIDescribeGroups, "describe_groups", 1, 1, false,
		func() Request { return new(DescribeGroupsRequest) },
		func() Response { return new(DescribeGroupsResponse) }},
	{APIDeleteGroups, "delete_groups", 1, 1, false,
		func() Request { return new(DeleteGroupsRequest) },
		func() Response { return new(DeleteGroupsResponse) }},
	{APIDeleteOffsets, "delete_offsets", 1, 1, false,
		func() Request { return new(DeleteOffsetsRequest) },
		func() Response { return new(DeleteOffsetsResponse) }},
}

// kind finds the row of an API; nil when there is none.
func (a API) kind() *apiKind {
	for i := range apiKinds {
		if apiKinds[i].api == a {
			return &apiKinds[i]
		}
	}
	return nil
}

// APIs lists the request kinds and the versions that this package speaks, as a
// hello response offers them. The caller owns the slice.
func APIs() []APIRange {
	out := make([]APIRange, len(apiKinds))
	for i, k := range apiKinds {
		out[i] = APIRange{API: k.api, Min: k.min, Max: k.max}
	}
	return out
}
