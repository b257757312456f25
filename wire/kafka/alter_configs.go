package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// IncrementalAlterConfigs sets settings of topics, or gives them back to the broker's defaults; AlterConfigs sets some
// and gives all others back. All of one topic's changes are made, or none. The settings of a broker are those of its
// file and cannot be changed from afar.

// configChange is what one topic is to change.
type configChange struct {
	kind    kmsg.ConfigResourceType
	name    string
	change  wire.TopicChange
	refused *refusal
}

func incrementalAlterConfigs(ctx context.Context, r *request, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	changes := make([]configChange, len(req.Resources))
	for i := range req.Resources {
		in := &req.Resources[i]
		c := newConfigChange(in.ResourceType, in.ResourceName)
		for _, config := range in.Configs {
			c.apply(config.Op, config.Name, config.Value)
		}
		changes[i] = c
	}
	r.change(ctx, changes, req.ValidateOnly)
	for _, c := range changes {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = c.kind, c.name
		out.ErrorCode, out.ErrorMessage = c.result()
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func alterConfigs(ctx context.Context, r *request, req *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	changes := make([]configChange, len(req.Resources))
	for i := range req.Resources {
		in := &req.Resources[i]
		c := newConfigChange(in.ResourceType, in.ResourceName)
		for _, config := range in.Configs {
			c.apply(kmsg.IncrementalAlterConfigOpSet, config.Name, config.Value)
		}
		c.unsetOthers(r.conn.node.Settings(r.conn.node.TopicID(c.name)))
		changes[i] = c
	}
	r.change(ctx, changes, req.ValidateOnly)
	for _, c := range changes {
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = c.kind, c.name
		out.ErrorCode, out.ErrorMessage = c.result()
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func newConfigChange(kind kmsg.ConfigResourceType, name string) configChange {
	c := configChange{kind: kind, name: name, change: wire.TopicChange{Name: name}}
	if kind != kmsg.ConfigResourceTypeTopic {
		c.refused = &refusal{kerr.InvalidRequest.Code, "only the settings of topics can be changed by a client"}
	}
	return c
}

// apply adds one change.
func (c *configChange) apply(op kmsg.IncrementalAlterConfigOp, name string, value *string) {
	switch {
	case c.refused != nil:
	case op == kmsg.IncrementalAlterConfigOpDelete:
		known := findConfig(name)
		if known == nil {
			c.refused = &refusal{kerr.InvalidConfig.Code, name + ": this broker has no such setting"}
		} else if known.ours != "" {
			c.change.Unset = append(c.change.Unset, known.ours)
		}
	case op != kmsg.IncrementalAlterConfigOpSet:
		c.refused = &refusal{kerr.InvalidConfig.Code, name + ": it has one value; set it"}
	case value == nil:
		c.refused = &refusal{kerr.InvalidRequest.Code, name + ": a value is missing"}
	default:
		set, refused := nativeSetting(name, *value)
		c.change.Set, c.refused = append(c.change.Set, set...), refused
	}
}

// unsetOthers gives those of a topic's own settings back that are not set.
func (c *configChange) unsetOthers(values []wire.SettingValue) {
	set := make(map[string]bool)
	for _, s := range c.change.Set {
		set[s.Name] = true
	}
	for _, v := range values {
		if v.Origin == wire.OriginTopic && !set[v.Name] {
			c.change.Unset = append(c.change.Unset, v.Name)
		}
	}
}

// result is what the client is told.
func (c *configChange) result() (code int16, text *string) {
	if c.refused == nil {
		return 0, nil
	}
	return c.refused.code, textOf(c.refused.text)
}

// change carries out those changes that are not refused yet.
func (r *request) change(ctx context.Context, changes []configChange, validateOnly bool) {
	native := &wire.AlterTopicsRequest{ValidateOnly: validateOnly}
	var places []int
	for i := range changes {
		if c := &changes[i]; c.refused == nil {
			native.Topics, places = append(native.Topics, c.change), append(places, i)
		}
	}
	if len(places) == 0 {
		return
	}
	resp, refused := ask[*wire.AlterTopicsResponse](ctx, r, native)
	for i, place := range places {
		err := refused
		if err == nil {
			err = resp.Topics[i].Error
		}
		if err != nil {
			changes[place].refused = &refusal{changeCode(err), fmt.Sprintf("%v", err)}
		}
	}
}
