package kafka

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeConfigs tells the settings of topics, under Kafka's names, with where each comes from; and of the broker that
// is asked, those that its topics take theirs from.
func describeConfigs(_ context.Context, r *request, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	type resource struct {
		kind kmsg.ConfigResourceType
		name string
	}
	seen := make(once[resource])
	for i := range req.Resources {
		in := &req.Resources[i]
		if !seen.first(resource{in.ResourceType, in.ResourceName}) {
			continue
		}
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		values, refused := r.conn.configsOf(in.ResourceType, in.ResourceName)
		if refused != nil {
			out.ErrorCode, out.ErrorMessage = refused.code, textOf(refused.text)
		}
		for _, v := range values {
			name := v.name
			if in.ResourceType == kmsg.ConfigResourceTypeBroker {
				name = v.broker
			}
			if len(in.ConfigNames) > 0 && !slices.Contains(in.ConfigNames, name) {
				continue
			}
			out.Configs = append(out.Configs, describeConfig(req, name, v))
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func describeConfig(
	req *kmsg.DescribeConfigsRequest, name string, v configValue,
) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.ReadOnly, c.Source, c.ConfigType = name, &v.value, v.fixed, v.source, v.kind
	c.IsDefault = v.source == kmsg.ConfigSourceDefaultConfig
	if req.IncludeSynonyms {
		synonym := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
		synonym.Name, synonym.Value, synonym.Source = name, &v.value, v.source
		c.ConfigSynonyms = append(c.ConfigSynonyms, synonym)
	}
	return c
}

// configsOf are the settings of a topic or of this broker.
func (c *conn) configsOf(kind kmsg.ConfigResourceType, name string) ([]configValue, *refusal) {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		id := c.node.TopicID(name)
		if id == 0 {
			return nil, &refusal{kerr.UnknownTopicOrPartition.Code, fmt.Sprintf("no topic %q", name)}
		}
		return configValues(c.node.Settings(id), c.replicas(id)), nil
	case kmsg.ConfigResourceTypeBroker:
		if self := strconv.Itoa(int(c.node.Cluster().Self)); name != self && name != "" {
			return nil, &refusal{kerr.InvalidRequest.Code, fmt.Sprintf("this is broker %s, not %q", self, name)}
		}
		values := configValues(c.node.Settings(0), 1)
		for i := range values {
			values[i].fixed = true // a broker's settings are its file's
		}
		return values, nil
	}
	return nil, &refusal{kerr.InvalidRequest.Code, fmt.Sprintf("there are no settings of the kind %v", kind)}
}

// replicas is how many a topic's partitions have.
func (c *conn) replicas(topic uint64) int32 {
	if parts := c.node.Replication(topic); len(parts) > 0 {
		return int32(len(parts[0].Replicas))
	}
	return 1
}
