package kafka

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// DescribeLogDirs tells how large the partitions are that the broker which is asked has copies of: all, or those named.
// A broker has one directory.
func describeLogDirs(ctx context.Context, r *request, req *kmsg.DescribeLogDirsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	self, refused := ask[*wire.DescribeBrokerResponse](ctx, r, &wire.DescribeBrokerRequest{})
	if refused != nil {
		resp.ErrorCode = errorCode(refused)
		return resp
	}
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir, dir.TotalBytes, dir.UsableBytes = self.DataDir, self.DiskTotal, self.DiskFree
	names, wanted, refused := r.wantedLogs(ctx, req)
	if refused == nil {
		var found *wire.DescribeTopicsResponse
		found, refused = ask[*wire.DescribeTopicsResponse](ctx, r, &wire.DescribeTopicsRequest{Names: names})
		for i := 0; refused == nil && i < len(found.Topics); i++ {
			if t, any := logsOf(&found.Topics[i], wanted); any {
				dir.Topics = append(dir.Topics, t)
			}
		}
	}
	dir.ErrorCode = errorCode(refused)
	resp.Dirs = append(resp.Dirs, dir)
	return resp
}

// wantedLogs are the topics asked for, and of each the partitions; nil: all.
func (r *request) wantedLogs(
	ctx context.Context, req *kmsg.DescribeLogDirsRequest,
) (names []string, wanted map[string][]int32, refused *wire.Error) {
	if req.Topics != nil {
		wanted = make(map[string][]int32)
		for _, t := range req.Topics {
			if _, again := wanted[t.Topic]; !again {
				names = append(names, t.Topic)
			}
			wanted[t.Topic] = append(wanted[t.Topic], t.Partitions...)
		}
		return names, wanted, nil
	}
	all, refused := ask[*wire.MetadataResponse](ctx, r, &wire.MetadataRequest{All: true})
	if refused != nil {
		return nil, nil, refused
	}
	for i := range all.Topics {
		names = append(names, all.Topics[i].Name)
	}
	return names, nil, nil
}

// logsOf are the partitions of a topic that are wanted, and that the broker has.
func logsOf(t *wire.TopicDescription, wanted map[string][]int32) (out kmsg.DescribeLogDirsResponseDirTopic, any bool) {
	out.Topic = t.Name
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if p.Error != nil || p.Bytes < 0 || wanted != nil && !slices.Contains(wanted[t.Name], p.Index) {
			continue
		}
		out.Partitions = append(out.Partitions, kmsg.DescribeLogDirsResponseDirTopicPartition{
			Partition: p.Index, Size: p.Bytes, OffsetLag: max(p.HighWatermark-p.End, 0),
		})
	}
	return out, len(out.Partitions) > 0
}
