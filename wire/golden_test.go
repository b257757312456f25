package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// goldens is where the worked frames lie, for clients in other languages too.
const goldens = "../testdata/frames"

// exampleBatch is a record batch of one record, made by the page's table alone.
func exampleBatch() []byte {
	record := append([]byte{0, 0, 0, 2}, "k"...) // attributes, deltas, key of 1 byte
	record = append(append(record, 10), "hello"...)
	record = append(record, 0)
	const now = 1_700_000_000_000
	var b []byte
	b = binary.BigEndian.AppendUint16(b, 0)          // attributes
	b = binary.BigEndian.AppendUint32(b, 0)          // last offset delta
	b = binary.BigEndian.AppendUint64(b, now)        // base timestamp
	b = binary.BigEndian.AppendUint64(b, now)        // max timestamp
	b = binary.BigEndian.AppendUint64(b, ^uint64(0)) // producer id -1
	b = binary.BigEndian.AppendUint16(b, ^uint16(0)) // producer epoch -1
	b = binary.BigEndian.AppendUint32(b, ^uint32(0)) // base sequence -1
	b = binary.BigEndian.AppendUint32(b, 1)          // count
	b = append(b, byte(2*len(record)))
	b = append(b, record...)
	head := make([]byte, 8, 21)
	head = binary.BigEndian.AppendUint32(head, uint32(9+len(b)))
	head = binary.BigEndian.AppendUint32(head, ^uint32(0)) // leader epoch -1
	head = append(head, 2)
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return append(head, b...)
}

// golden is one worked frame: req, or resp or err as the answer to api.
type golden struct {
	name        string
	correlation uint32
	req         Request
	api         API
	resp        Response
	err         *Error
}

func goldenFrames() []golden {
	batch := exampleBatch()
	stamped := append([]byte(nil), batch...)
	binary.BigEndian.PutUint64(stamped, 41)
	binary.BigEndian.PutUint32(stamped[12:], 5)
	fetched := []FetchedRecord{{Offset: 41, TimestampMs: 1_700_000_000_000, Key: []byte("k"), Value: []byte("hello")}}
	return []golden{
		{name: "hello_request", correlation: 1, req: &HelloRequest{"mine", "1.0"}},
		{name: "hello_response", correlation: 1, resp: &HelloResponse{ClusterID: "c1", BrokerID: 1,
			BrokerVersion: "0.1", APIs: []APIRange{{APIHello, 1, 1}, {APIProduce, 1, 1}},
			MaxFrameBytes: 8 << 20, MaxBatchBytes: 1 << 20}},
		{name: "metadata_request", correlation: 2, req: &MetadataRequest{Topics: []string{"orders", "oders"}}},
		{name: "metadata_response", correlation: 2, resp: &MetadataResponse{ClusterID: "c1",
			Brokers: []Broker{{1, "127.0.0.1:7440", ""}}, Topics: []TopicMetadata{
				{Name: "orders", ID: 7, Partitions: []PartitionMetadata{{0, 1, 5}}},
				{Name: "oders", Error: &Error{CodeUnknownTopic, `no topic "oders"`}}}}},
		{name: "produce_request", correlation: 3, req: &ProduceRequest{Acks: AcksAll, TimeoutMs: 5000,
			Topics: []ProduceTopic{{7, []ProducePartition{{0, batch}}}}}},
		{name: "produce_response", correlation: 3, resp: &ProduceResponse{Topics: []ProduceTopicResult{
			{7, []ProduceResult{{Index: 0, BaseOffset: 41, AppendTimeMs: -1}}}}}},
		{name: "fetch_request", correlation: 4, req: &FetchRequest{MaxWaitMs: 500, MinBytes: 1, MaxBytes: 1 << 20,
			Topics: []FetchTopic{{7, []FetchPartition{{0, 41, 1 << 20, -1}}}}}},
		{name: "fetch_response", correlation: 4, resp: &FetchResponse{Topics: []FetchTopicResult{
			{7, []FetchResult{{Index: 0, End: 42, Batches: stamped}}}}}},
		{name: "thin_produce_request", correlation: 5, req: &ThinProduceRequest{Topic: "orders", Partition: -1,
			Acks: AcksAll, Records: []ThinRecord{{Key: []byte("k"), Value: []byte("hello"),
				Headers: []ThinHeader{{"h", []byte{1}}}}, {Value: []byte{}}}}},
		{name: "thin_produce_response", correlation: 5, resp: &ThinProduceResponse{0, 42}},
		{name: "thin_fetch_request", correlation: 6, req: &ThinFetchRequest{Topic: "orders", Offset: AtStart,
			MaxRecords: 100, MaxWaitMs: 1000}},
		{name: "thin_fetch_response", correlation: 6, resp: &ThinFetchResponse{0, 42, 42, fetched}},
		{name: "group_heartbeat_request", correlation: 8, req: &GroupHeartbeatRequest{Group: "billing", MemberID: "m1",
			RebalanceTimeoutMs: 60_000, Subscribes: true, Topics: []string{"orders"}, ReportsOwned: true,
			MaxWaitMs: 5000}},
		{name: "group_heartbeat_response", correlation: 8, resp: &GroupHeartbeatResponse{MemberEpoch: 3,
			HeartbeatIntervalMs: 5000, SessionTimeoutMs: 45_000, Assigns: true,
			Assignment: []AssignedTopic{{7, "orders", []int32{0, 2}}}}},
		{name: "commit_offsets_request", correlation: 9, req: &CommitOffsetsRequest{Group: "billing", MemberID: "m1",
			MemberEpoch: 3, Topics: []CommitTopic{{7, []CommitPartition{{0, 42, 5, ""}, {1, 17, -1, "note"}}}}}},
		{name: "commit_offsets_response", correlation: 9, resp: &CommitOffsetsResponse{Topics: []CommitTopicResult{
			{7, []CommitResult{{Index: 0}, {1, &Error{CodeStaleMemberEpoch, "partition 1 is with member m2"}}}}}}},
		{name: "alter_reassignments_request", correlation: 10, req: &AlterReassignmentsRequest{
			Partitions: []Reassignment{{7, 0, []int32{3, 1, 2}}, {7, 1, nil}}}},
		{name: "alter_reassignments_response", correlation: 10, resp: &AlterReassignmentsResponse{[]OrderResult{
			{ID: 7, Index: 0}, {7, 1, &Error{CodeInvalidArgument, "the partition is not being moved"}}}}},
		{name: "error_response", correlation: 7, api: APIThinFetch,
			err: &Error{CodeUnknownTopic, `no topic "oders"`}},
	}
}

func (g golden) encode() []byte {
	e := newEncoder()
	if g.req != nil {
		encodeRequest(e, 1, g.correlation, g.req)
	} else {
		encodeResponse(e, envelope{g.api, 1, g.correlation}, g.resp, g.err)
	}
	return flatten(e)
}

// The worked frames, in their files and in the page, are what the code writes
// and reads.
func TestGoldenFrames(t *testing.T) {
	for _, g := range goldenFrames() {
		t.Run(g.name, func(t *testing.T) {
			path := filepath.Join(goldens, g.name+".txt")
			text := annotate(g.encode(), g.req != nil)
			if rewriting() {
				require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
			}
			stored, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(stored), text)
			checkPart(t, "frame "+g.name, "```\n"+text+"```\n")
			g.checkDecode(t, parseFrame(t, string(stored))[frameHeader:])
		})
	}
}

func (g golden) checkDecode(t *testing.T, frame []byte) {
	d := newDecoder()
	if g.req != nil {
		env, err := decodeEnvelope(d, frame)
		require.NoError(t, err)
		req, err := decodeBody(d, env)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(g.req, req))
		return
	}
	c, err := decodeCorrelation(d, frame)
	require.NoError(t, err)
	require.Equal(t, g.correlation, c)
	api := g.api
	if g.resp != nil {
		api = g.resp.API()
	}
	resp := api.kind().newResponse()
	refusal, err := decodeAnswer(d, 1, resp)
	require.NoError(t, err)
	require.Equal(t, g.err, refusal)
	if g.resp != nil {
		require.Empty(t, cmp.Diff(g.resp, resp))
	}
}

// Every file has its example: none is left behind.
func TestGoldenFilesAreKnown(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldens, "*.txt"))
	require.NoError(t, err)
	require.Len(t, files, len(goldenFrames()))
}

// parseFrame reads what annotate wrote: hex up to the first "|" of each line.
func parseFrame(t testing.TB, text string) []byte {
	var out []byte
	for _, line := range strings.Split(text, "\n") {
		digits, _, _ := strings.Cut(line, "|")
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(digits), " ", ""))
		require.NoError(t, err, line)
		out = append(out, b...)
	}
	return out
}

// annotator writes a frame as a table of bytes and their meaning.
type annotator struct {
	b     []byte
	out   strings.Builder
	names []string // of the outermost array's elements
}

func annotate(frame []byte, request bool) string {
	a := &annotator{b: frame, names: []string{"correlation", "error", "body"}}
	if request {
		a.names = []string{"api", "version", "correlation", "body"}
	}
	a.line(4, 0, fmt.Sprintf("length %d", len(frame)-4))
	a.value(0, "")
	return a.out.String()
}

// line takes n bytes; long ones go on in further lines.
func (a *annotator) line(n, depth int, meaning string) {
	for first := true; n > 0 || first; first = false {
		k := min(n, 16)
		fmt.Fprintf(&a.out, "%-47s |", strings.TrimRight(fmt.Sprintf("% x", a.b[:k]), " "))
		if first {
			fmt.Fprintf(&a.out, " %s%s", strings.Repeat("  ", depth), meaning)
		}
		a.out.WriteString("\n")
		a.b, n = a.b[k:], n-k
	}
}

// value takes one value; it knows the types that goldens use.
func (a *annotator) value(depth int, name string) {
	if name != "" {
		name += ": "
	}
	c, size := a.b[0], 1
	d := newDecoder()
	d.reset(a.b)
	switch kindOf(c) {
	case "array":
		n := d.array("", 1<<20)
		a.line(d.cur.pos, depth, fmt.Sprintf("%sarray of %d", name, n))
		for i := range n {
			label := ""
			if depth == 0 {
				label = a.names[i]
			}
			a.value(depth+1, label)
		}
		return
	case "integer":
		name += fmt.Sprint(d.i64("", -never-1, never))
		size = d.cur.pos
	case "str":
		name += fmt.Sprintf("%q", d.str("", 1<<20))
		size = d.cur.pos
	case "bin":
		b := d.bin("")
		what := fmt.Sprintf("bin %q", b)
		if len(b) > 61 {
			what = fmt.Sprintf("bin: a record batch of %d bytes", len(b))
		}
		name += what
		size = d.cur.pos
	case "nil":
		name += "nil"
	case "bool":
		name += fmt.Sprint(c == msgpcode.True)
	default:
		panic("no golden has such a value")
	}
	a.line(size, depth, name)
}
