package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

func (a *app) topicListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List all topics",
		Example: "  skidway topic list\n  skidway topic list --format json",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.session(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				topics, err := client.NewAdmin(c).ListTopics(ctx)
				if err != nil {
					return err
				}
				return a.write(func(w io.Writer) error { return topicTable(topics).Write(w, a.format) })
			})
		},
	}
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func topicTable(topics []wire.TopicSummary) *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Title: "TOPIC", Name: "topic"}, {Title: "ID", Name: "id", Show: table.OnlyWide},
		{Title: "PARTITIONS", Name: "partitions"}, {Title: "REPLICAS", Name: "replicas"}, {Title: "RECORDS", Name: "records"},
		{Title: "SIZE", Name: "bytes"}, {Title: "IN/S", Name: "in_records_per_second"},
		{Title: "OUT/S", Name: "out_records_per_second"}, {Title: "HEALTH", Name: "health"}}}
	for _, s := range topics {
		t.Add(s.Name, topicID(s.ID), s.Partitions, s.Replicas, s.Records, size(s.Bytes), rate(s.InPerSec), rate(s.OutPerSec),
			s.Health)
	}
	return t
}

func size(n int64) table.Cell { return table.Cell{Text: units.FormatBytes(n), Value: n} }

func rate(perSecond float64) table.Cell {
	n := int64(math.Round(perSecond))
	return table.Cell{Text: strconv.FormatInt(n, 10), Value: n}
}

// topicID writes an id as people and programs see it: short, and no number that json would round.
func topicID(id uint64) string { return strconv.FormatUint(id, 36) }

func (a *app) topicDescribeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "describe TOPIC...",
		Short:             "Show the settings and partitions of topics",
		Example:           "  skidway topic describe orders\n  skidway topic describe orders --format wide",
		Args:              atLeast(1, "the name of a TOPIC"),
		ValidArgsFunction: a.completeTopics,
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.session(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				topics, err := client.NewAdmin(c).DescribeTopics(ctx, names...)
				if err != nil {
					return err
				}
				cluster, err := client.NewAdmin(c).DescribeCluster(ctx)
				if err != nil {
					return err
				}
				return a.describeAll(ctx, c, topics, clusterView{DescribeClusterResponse: cluster})
			})
		},
	}
	a.formatFlag(cmd, "text", "wide", "json")
	return cmd
}

// describeAll prints every topic that there is, and fails when there is one that is not.
func (a *app) describeAll(ctx context.Context, c *client.Client, topics []wire.TopicDescription, v clusterView) error {
	var l failure.List
	shown := 0
	for _, t := range topics {
		if t.Error != nil {
			err := a.suggestTopic(ctx, c, &client.Error{Code: t.Error.Code, Message: t.Error.Message, Topic: t.Name,
				Partition: -1})
			if f, ok := err.(*failure.Failure); ok {
				l = append(l, f)
			}
			continue
		}
		err := a.write(func(w io.Writer) error {
			if a.format == "json" {
				return failure.EncodeLine(w, describeObject(t, v))
			}
			if shown > 0 {
				fmt.Fprintln(w)
			}
			return describeText(w, t, v, a.format)
		})
		if err != nil {
			return err
		}
		shown++
	}
	if len(l) > 0 {
		return l
	}
	return nil
}

func describeText(w io.Writer, t wire.TopicDescription, v clusterView, format string) error {
	var overrides []string
	values := make(map[string]string)
	for _, s := range t.Settings {
		values[s.Name] = s.Value
		if s.Origin == wire.OriginTopic {
			overrides = append(overrides, s.Name+"="+s.Value)
		}
	}
	lines := [][]string{
		{"NAME", t.Name, "ID", topicID(t.ID), "CREATED", time.UnixMilli(t.CreatedMs).Format("2006-01-02 15:04")},
		{"RETENTION", values["retention"], "MAX SIZE", values["retention_bytes"], "CLEANUP", values["cleanup"]},
		{"MAX BATCH", values["max_batch_bytes"], "TIMESTAMPS", values["timestamps"], "OVERRIDES", orDash(overrides)},
	}
	if err := table.Align(w, lines); err != nil {
		return err
	}
	if format == "wide" {
		fmt.Fprintln(w)
		if err := settingTable(t.Settings).Write(w, "text"); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	return partitionTable(t.Name, t.Partitions, v).Write(w, format)
}

func orDash(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}

func settingTable(settings []wire.SettingValue) *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "SETTING", Name: "name"}, {Title: "VALUE", Name: "value"},
		{Title: "ORIGIN", Name: "origin"}}}
	for _, s := range settings {
		t.Add(s.Name, s.Value, s.Origin)
	}
	return t
}

func partitionTable(topic string, partitions []wire.PartitionDescription, v clusterView) *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Title: "PARTITION", Name: "partition"}, {Title: "LEADER", Name: "leader"}, {Title: "EPOCH", Name: "leader_epoch"},
		{Title: "REPLICAS", Name: "replicas"}, {Title: "IN-SYNC", Name: "in_sync"}, {Title: "START", Name: "start"},
		{Title: "END", Name: "end"}, {Title: "SIZE", Name: "bytes"},
		{Title: "COMMITTED", Name: "high_watermark", Show: table.OnlyWide},
		{Title: "MIN-IN-SYNC", Name: "min_in_sync", Show: table.OnlyWide}, {Title: "ELR", Name: "elr", Show: table.OnlyWide},
		{Title: "ADDING", Name: "adding", Show: table.OnlyWide}, {Title: "REMOVING", Name: "removing", Show: table.OnlyWide},
		{Title: "BEHIND", Name: "followers", Show: table.OnlyWide},
		{Title: "NOTE", Name: "note"}, {Title: "CODE", Name: "error", Show: table.OnlyWide}}}
	for i := range partitions {
		p := &partitions[i]
		note, fault := partitionNote(p, v.present), table.Cell{}
		if p.Error != nil && note == "" {
			note = p.Error.Message
		}
		if p.Error != nil {
			fault.Text, fault.Value = p.Error.Code.String(), ofTopic(topic, p.Error.Code, p.Error.Message, p.Error)
		}
		t.Add(p.Index, table.Cell{Text: orNone(p.Leader), Value: p.Leader}, p.LeaderEpoch, brokers(p.Replicas),
			brokers(p.ISR), known(p.Start), known(p.End), knownSize(p.Bytes), known(p.HighWatermark), p.MinInSync,
			brokers(p.ELR), brokers(p.Adding), brokers(p.Removing), followers(p.Followers), note, fault)
	}
	return t
}

// known is a number that may not be known, which the protocol says with -1.
func known(n int64) table.Cell {
	if n < 0 {
		return table.Cell{Text: "-"}
	}
	return table.Cell{Text: strconv.FormatInt(n, 10), Value: n}
}

func knownSize(n int64) table.Cell {
	if n < 0 {
		return table.Cell{Text: "-"}
	}
	return size(n)
}

// followers tells how far each is behind its leader: "2:0 3:120".
func followers(list []wire.FollowerLag) table.Cell {
	texts, objects := make([]string, len(list)), make([]table.Object, len(list))
	for i, f := range list {
		texts[i] = fmt.Sprintf("%d:%s", f.Broker, known(f.Lag).Text)
		objects[i] = table.Object{{Name: "broker", Value: f.Broker}, {Name: "lag", Value: known(f.Lag).Value},
			{Name: "lag_ms", Value: known(f.LagMs).Value}}
	}
	return table.Cell{Text: strings.Join(texts, " "), Value: objects}
}

func brokers(ids []int32) table.Cell {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(int(id))
	}
	if ids == nil {
		ids = []int32{}
	}
	return table.Cell{Text: strings.Join(texts, ","), Value: ids}
}

func describeObject(t wire.TopicDescription, v clusterView) table.Object {
	settings := make([]table.Object, len(t.Settings))
	for i, s := range t.Settings {
		settings[i] = table.Object{{Name: "name", Value: s.Name}, {Name: "value", Value: s.Value}, {Name: "origin",
			Value: s.Origin}}
	}
	return table.Object{
		{Name: "topic", Value: t.Name}, {Name: "id", Value: topicID(t.ID)},
		{Name: "created", Value: time.UnixMilli(t.CreatedMs).UTC().Format(time.RFC3339)}, {Name: "replicas",
			Value: t.Replicas},
		{Name: "settings", Value: settings}, {Name: "partitions", Value: partitionTable(t.Name, t.Partitions, v).Objects()},
	}
}
