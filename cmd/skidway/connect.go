package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

const (
	defaultPort   = "7440"
	defaultServer = client.DefaultAddress
	dialTimeout   = 3 * time.Second
)

// servers are the addresses to try, and where they come from.
type servers struct {
	addresses []string
	from      string
}

// servers takes the addresses from --server, SKIDWAY_SERVER, or the default, in that order.
func (a *app) servers() (servers, error) {
	text, from, source := a.server, "--server", "--server"
	if text == "" {
		text, from, source = a.getenv("SKIDWAY_SERVER"), "SKIDWAY_SERVER", "SKIDWAY_SERVER"
	}
	if text == "" {
		return servers{[]string{defaultServer}, "default (no --server, no SKIDWAY_SERVER)"}, nil
	}
	s := servers{from: from}
	for part := range strings.SplitSeq(text, ",") {
		addr, fault := address(strings.TrimSpace(part))
		if fault != "" {
			return s, failure.BadValue(source, "%q %s", part,
				fault).WithHint("it wants HOST or HOST:PORT, or several with commas")
		}
		s.addresses = append(s.addresses, addr)
	}
	return s, nil
}

// address adds the default port where none is given; it returns what is wrong otherwise.
func address(text string) (addr, fault string) {
	if text == "" {
		return "", "is no address"
	}
	if strings.Contains(text, "://") {
		return "", "is a URL, not an address"
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), defaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", "is no address"
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "has no port from 1 to 65535"
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if strings.ContainsAny(host, " \t/") {
		return "", "has no host name"
	}
	return net.JoinHostPort(host, port), ""
}

// connect finds a broker. The error is a failure that names every address tried and where it came from.
func (a *app) connect(ctx context.Context, hooks client.Hooks) (*client.Client, error) {
	s, err := a.servers()
	if err != nil {
		return nil, err
	}
	c, err := client.Connect(ctx, s.addresses, client.Options{
		ClientName: "skidway", ClientVersion: clipped(readBuild().version), DialTimeout: min(dialTimeout, a.timeout),
		RequestTimeout: a.timeout, Hooks: hooks,
	})
	if err != nil {
		return nil, a.unreachable(ctx, err, s)
	}
	return c, nil
}

// clipped keeps within what a hello may carry.
func clipped(s string) string { return s[:min(len(s), 255)] }

// connectData connects for a command that reads or writes records, which it does at the addresses that brokers
// advertise: one that does not answer is told at once, and not after all attempts.
func (a *app) connectData(ctx context.Context, hooks client.Hooks) (*client.Client, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	c, err := a.connect(ctx, hooks)
	if err != nil {
		return nil, err
	}
	if err := a.checkAdvertised(ctx, c); err != nil {
		a.close(c)
		return nil, err
	}
	return c, nil
}

// checkAdvertised wants one of the brokers to answer at the address that it advertises: some may be down for a while.
func (a *app) checkAdvertised(ctx context.Context, c *client.Client) error {
	cluster, err := client.NewAdmin(c).DescribeCluster(ctx)
	if err != nil {
		return err
	}
	var first error
	for _, b := range cluster.Brokers {
		if !b.Present { // others say so
			continue
		}
		if b.Address == c.Address() {
			return nil
		}
		err := dial(ctx, b.Address)
		if err == nil {
			return nil
		}
		if first == nil {
			f := ofCode(client.CodeAdvertised, "", err)
			f.Message = fmt.Sprintf("broker %d advertises %s, which does not answer from this machine: %v", b.ID, b.Address, err)
			f.Hint = advertiseHint
			first = f.WithNote("reached", fmt.Sprintf("%s (broker %d)", c.Address(), c.Hello().BrokerID))
		}
	}
	return first
}

// close ends the connection of a command that has nothing under way any more.
func (a *app) close(c *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // all answers are in: there is nothing that could fail and matter
}

// session connects, runs f with the time that --timeout allows, and closes the connection.
func (a *app) session(ctx context.Context, f func(ctx context.Context, c *client.Client) error) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	c, err := a.connect(ctx, client.Hooks{})
	if err != nil {
		return err
	}
	defer a.close(c)
	if err := f(ctx, c); err != nil {
		return a.suggestTopic(ctx, c, err)
	}
	return nil
}
