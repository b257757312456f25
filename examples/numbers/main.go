// Command numbers writes numbered records and keeps a ledger of those that were acknowledged, and holds a topic against
// the ledger: what was acknowledged must be there, once, at its offset and in order. scripts/demo-cluster kills brokers
// in between.
//
//	numbers write TOPIC LEDGER    until SIGTERM or Ctrl-C
//	numbers check TOPIC LEDGER
//
// The brokers are those of SKIDWAY_SERVER. It is an example of the client, too; it may import client alone.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/skidway/skidway/client"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "numbers:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 4 {
		return errors.New("usage: numbers write|check TOPIC LEDGER")
	}
	ctx := context.Background()
	c, err := client.Connect(ctx, strings.Split(os.Getenv("SKIDWAY_SERVER"), ","),
		client.Options{RequestTimeout: 5 * time.Second})
	if err != nil {
		return err
	}
	topic, path := os.Args[2], os.Args[3]
	switch os.Args[1] {
	case "write":
		err = write(ctx, c, topic, path)
	case "check":
		err = check(ctx, c, topic, path)
	default:
		err = fmt.Errorf("%q is neither write nor check", os.Args[1])
	}
	return errors.Join(err, c.Close(ctx))
}

// write sends a number a millisecond, and notes each acknowledgement as it comes: partition, offset, number, and when,
// in ms.
func write(ctx context.Context, c *client.Client, topic, path string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	p, err := client.NewProducer(c, client.ProducerOptions{DeliveryTimeout: 5 * time.Minute,
		Partitioner: client.RoundRobin})
	if err != nil {
		return errors.Join(err, file.Close())
	}
	var mu sync.Mutex // guards the next two
	var acked int
	var faults []error
	sent := 0
	for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; sent++ {
		value := fmt.Sprint(sent)
		record := client.Record{Topic: topic, Value: []byte(value)}
		p.SendAsync(context.Background(), record, func(r client.Record, err error) {
			if err == nil {
				_, err = fmt.Fprintln(file, r.Partition, r.Offset, value, time.Now().UnixMilli())
			}
			mu.Lock()
			defer mu.Unlock()
			if acked++; err != nil {
				acked--
				faults = append(faults, fmt.Errorf("record %s: %w", value, err))
			}
		})
		<-tick.C
	}
	err = errors.Join(p.Close(context.Background()), file.Close()) // with it the last acknowledgements have come
	fmt.Printf("%d sent, %d acknowledged, %d failed\n", sent, acked, len(faults))
	return errors.Join(err, errors.Join(faults[:min(len(faults), 3)]...))
}

// place is where a record is.
type place struct {
	partition int32
	offset    int64
}

func readLedger(path string) (acked map[int]place, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	acked = make(map[int]place)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var p place
		var n int
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &p.partition, &p.offset, &n, &at); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, lines.Text(), err)
		}
		acked[n] = p
	}
	return acked, lines.Err()
}

// check reads all that the topic has when it begins.
func check(ctx context.Context, c *client.Client, topic, path string) error {
	acked, err := readLedger(path)
	if err != nil {
		return err
	}
	info, err := client.NewAdmin(c).DescribeTopics(ctx, topic)
	if err != nil {
		return err
	}
	left := make(map[int32]int64) // partition: its end
	for _, p := range info[0].Partitions {
		if p.End > p.Start {
			left[p.Index] = p.End
		}
	}
	r, err := client.NewConsumer(c, client.ConsumerOptions{})
	if err != nil {
		return err
	}
	if err := r.Assign(ctx, topic, client.AtStart()); err != nil {
		return err
	}
	seen, newest := make(map[int]place), make(map[int32]int)
	duplicates, disorder := 0, 0
	for len(left) > 0 {
		records, err := r.Poll(ctx)
		if err != nil {
			return err
		}
		for _, rec := range records {
			var n int
			if _, err := fmt.Sscan(string(rec.Value), &n); err != nil {
				return fmt.Errorf("partition %d, offset %d: %q is no number", rec.Partition, rec.Offset, rec.Value)
			}
			if _, twice := seen[n]; twice {
				duplicates++
			}
			if last, ok := newest[rec.Partition]; ok && n <= last {
				disorder++
			}
			seen[n], newest[rec.Partition] = place{rec.Partition, rec.Offset}, n
			if end, ok := left[rec.Partition]; ok && rec.Offset+1 >= end {
				delete(left, rec.Partition)
			}
		}
	}
	lost := 0
	for n, p := range acked {
		if seen[n] != p {
			lost++
		}
	}
	fmt.Printf("%d acknowledged, %d read back: %d lost, %d twice, %d out of order\n", len(acked), len(seen), lost,
		duplicates, disorder)
	if lost+duplicates+disorder > 0 || len(acked) == 0 {
		return errors.New("the topic is not what was acknowledged")
	}
	return r.Close(ctx)
}
