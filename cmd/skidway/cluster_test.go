package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skidway/skidway/internal/zkserver"
)

// condition knows whether there is a ZooKeeper. Where everything has to be tested, its absence is an error.
func condition(cond string) (bool, error) {
	if cond != "zookeeper" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	_, err := zkserver.Find("")
	if err != nil && os.Getenv("CI") != "" {
		return false, err
	}
	return err == nil, nil
}

// upcluster FILE waits for the ready file of a cluster, and sets SKIDWAY_SERVER, PID, ZK, ZKPID, and for each broker
// SERVER1 and PID1, and so on.
func cmdUpCluster(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: upcluster READY-FILE")
	}
	var r struct {
		PID          int
		ZooKeeper    []string
		ZooKeeperPID int `json:"zookeeper_pid"`
		Brokers      []struct {
			ID, PID int
			Listen  string
		}
	}
	await(ts, "the ready file "+args[0], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && json.Unmarshal(text, &r) == nil
	})
	var servers []string
	for _, b := range r.Brokers {
		servers = append(servers, b.Listen)
		ts.Setenv(fmt.Sprint("SERVER", b.ID), b.Listen)
		ts.Setenv(fmt.Sprint("PID", b.ID), strconv.Itoa(b.PID))
	}
	ts.Setenv("SKIDWAY_SERVER", strings.Join(servers, ","))
	ts.Setenv("PID", strconv.Itoa(r.PID))
	ts.Setenv("ZK", strings.Join(r.ZooKeeper, ","))
	ts.Setenv("ZKPID", strconv.Itoa(r.ZooKeeperPID))
}

// freeports VAR sets VAR to a port that is free with the 39 behind it: of four brokers.
func cmdFreePorts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeports VAR")
	}
	ts.Setenv(args[0], strconv.Itoa(freePorts(40)))
}

// freePorts gives the first of so many ports in a row that are free, below those that systems give to outgoing
// connections: they stay free while a broker is away.
func freePorts(count int) int {
	for {
		first, free := 10_000+rand.IntN(20_000/count)*count, true
		for port := range count {
			l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", first+port))
			free = free && err == nil && l.Close() == nil
		}
		if free {
			return first
		}
	}
}

// gone PID... waits until no such process is there.
func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gone PID...")
	}
	for _, arg := range args {
		pid, err := strconv.Atoi(arg)
		ts.Check(err)
		await(ts, "the end of process "+arg, func() bool { return ended(pid) })
	}
}

// ended tells whether the process is gone, or is only there to be reaped by whoever its parent is now.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		_, state, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(state, "Z")
	}
	return syscall.Kill(pid, 0) != nil
}
