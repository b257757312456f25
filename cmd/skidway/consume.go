package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/position"
	"github.com/skidway/skidway/cmd/skidway/internal/recordio"
)

type consumeFlags struct {
	offset      string
	from, until string
	count       int64
	partitions  []int32
	grep        []string
	group       string
}

func (a *app) consumeCommand() *cobra.Command {
	var flags consumeFlags
	cmd := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Read records of a topic",
		Example: `  skidway consume demo --from start --until end
  skidway consume demo -o @-5m -n 10 --format json
  skidway consume demo --group billing
  skidway consume demo -f '%d{go[15:04:05.000]} %p/%o %k=%v\n' --grep 'k:^k1$'`,
		Long: "Read records: new ones as they come, or from -o (or --from) on. It goes on until Ctrl-C, unless --until\n" +
			"or -n says when to end; the end is that of the moment it starts.\n\n" +
			"Positions: start, end, 47 (an offset), +3 (3 after the start), -3 (3 before the end), 10:20 (from 10 up to 19),\n" +
			"@-1h, @now, @2026-11-22, @2026-11-22T10:00:00Z, @1763769600000, and two with a colon: @2026-11-22:@now.\n" +
			"Dates without a zone are local.\n\n" +
			"With --group it is a member of a consumer group: it reads the partitions that it is given, from where the\n" +
			"group is, and commits what it has printed, in the background and when it ends. --from start or end says\n" +
			"where to begin in a partition for which nothing is committed (default start); --until end ends when all\n" +
			"is read that was there at the start.\n\n" +
			"Formats: text (the value), wide, json, tsv, or a template of %t topic, %p partition, %o offset, %k key,\n" +
			"%v value, %d milliseconds, %d{go[15:04:05]} time, %h headers, %h{%k=%v }, %v{hex}, %v{base64}, %%, \\n, \\t.",
		Args:              exactly(1, "the name of a TOPIC"),
		ValidArgsFunction: a.completeTopics,
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.plan(cmd, args[0], flags)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("group") {
				if flags.group == "" {
					return failure.BadValue("--group", "a group's name cannot be empty") // of a variable that is not set
				}
				return a.consumeInGroup(cmd.Context(), flags, plan)
			}
			return a.consume(cmd.Context(), plan)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&a.format, "format", "f", "text",
		"form of a record: text, wide, json, tsv, or a template such as '%k=%v\\n'")
	f.StringVarP(&flags.offset, "offset", "o", "",
		"where to begin: a `POSITION`, or FROM:UNTIL; default end, or start with --until")
	f.StringVar(&flags.from, "from", "", "where to begin: a `POSITION`, a date, or \"1h ago\"")
	f.StringVar(&flags.until, "until", "", "where to end: a `POSITION`, a date, or \"1h ago\"; without, it goes on")
	f.Int64VarP(&flags.count, "count", "n", 0, "end after this many records")
	f.Int32SliceVarP(&flags.partitions, "partitions", "p", nil, "`NUMBERS` of partitions, with commas; all without")
	f.StringVar(&flags.group, "group", "", "be a member of this consumer `GROUP`")
	f.StringArrayVar(&flags.grep, "grep", nil,
		"only records that match `k:REGEXP`, v:REGEXP or h:REGEXP; all that are given")
	_ = cmd.RegisterFlagCompletionFunc("group", a.completeFlag(groupNames))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(recordio.Words(),
		cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// consumePlan is what a consume is to do, checked.
type consumePlan struct {
	topic      string
	span       position.Range
	fromGiven  bool  // where to begin was said, and not supposed
	count      int64 // 0: no bound
	partitions []int32
	format     *recordio.Format
	filter     recordio.Filter
}

func (a *app) plan(cmd *cobra.Command, topic string, flags consumeFlags) (p consumePlan, err error) {
	p = consumePlan{topic: topic, count: flags.count, fromGiven: flags.from != "",
		partitions: slices.Compact(slices.Sorted(slices.Values(flags.partitions)))}
	if cmd.Flags().Changed("count") && flags.count < 1 {
		return p, failure.BadValue("--count", "%d is no number of records", flags.count)
	}
	if p.span, err = readSpan(flags, position.Clock{Now: time.Now()}); err != nil {
		return p, err
	}
	if p.format, err = recordio.ParseFormat(a.format, time.Local); err != nil {
		return p, failure.BadValue("--format", "%v", err)
	}
	if p.filter, err = recordio.ParseFilter(flags.grep); err != nil {
		return p, failure.BadValue("--grep", "%v", err)
	}
	return p, nil
}

// positionOf reads the value of a flag that is a position.
func positionOf(clock position.Clock, flag, text string) (position.Position, error) {
	p, err := clock.ParseWords(text)
	if err != nil {
		return p, failure.BadValue(flag, "%v", err).WithHint("it wants %s", position.Accepted)
	}
	return p, nil
}

func readSpan(flags consumeFlags, clock position.Clock) (r position.Range, err error) {
	if flags.offset != "" {
		if flags.from != "" {
			return r, failure.Usage("-o and --from say the same: give one of them")
		}
		if r, err = clock.ParseRange(flags.offset); err != nil {
			return r, failure.BadValue("--offset", "%v", err).WithHint("it wants %s", position.Accepted)
		}
	}
	if flags.from != "" {
		if r.From, err = positionOf(clock, "--from", flags.from); err != nil {
			return r, err
		}
	}
	if flags.until != "" {
		if r.Until.Kind != position.None {
			return r, failure.Usage("-o %s and --until both say where to end: give one of them", flags.offset)
		}
		if r.Until, err = positionOf(clock, "--until", flags.until); err != nil {
			return r, err
		}
	}
	if r.Until.Kind == position.Time && r.Until.N > clock.Now.UnixMilli() {
		return r, failure.BadValue("--until", "%s is yet to come", r.Until).WithHint("without --until it goes on; -n ends it")
	}
	if r.From.Kind == position.None {
		r.From.Kind = position.End
		if r.Until.Kind != position.None {
			r.From.Kind = position.Start
		}
	}
	return r, nil
}

// stretch is what is to be read of one partition.
type stretch struct {
	index       int32
	from, until int64 // until is -1 when there is no end
}

// stretches looks up what the plan means in offsets.
func (p consumePlan) stretches(ctx context.Context, c *client.Client) (open []stretch, partitions int, err error) {
	from, err := locate(ctx, c, p.topic, p.partitions, p.span.From)
	if err != nil {
		return nil, 0, err
	}
	until := from
	if p.span.Until.Kind == position.Time {
		if until, err = locate(ctx, c, p.topic, p.partitions, p.span.Until); err != nil {
			return nil, 0, err
		}
	}
	if len(until) != len(from) {
		return nil, 0, fmt.Errorf("topic %s got partitions while they were looked up; run the command again", p.topic)
	}
	for i, pl := range from {
		s := stretch{index: pl.index, from: pl.offset, until: -1}
		if s.from < pl.start || s.from > pl.end {
			return nil, 0, outside(p.topic, pl, s.from)
		}
		switch p.span.Until.Kind {
		case position.None:
		case position.Time:
			s.until = until[i].offset
		default:
			s.until = p.span.Until.Resolve(position.Bounds{Start: pl.start, End: pl.end}, -1)
		}
		if s.until < 0 || s.from < s.until {
			open = append(open, s)
		}
	}
	return open, len(from), nil
}
