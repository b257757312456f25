// Package client is the Go client of Skidway: a Producer, a Consumer, a GroupConsumer and an Admin on one Client.
//
// It is: batching, partitioning, retries, idempotence, positions, a member's side of consumer groups, and the client's
// view of topics and brokers. It is not the protocol (package wire) nor the format of a batch (package record), and it
// assigns no partitions: the group's coordinator does. It imports wire, record, backoff, golang.org/x/sync and the
// standard library, and never the store: a program that links it links neither Pebble nor ZooKeeper.
//
// # Connections
//
// A Client holds one connection, for metadata and administration, and shares it. Each Producer opens a connection of
// its own to each broker that it writes to, each Consumer one to each broker that it reads from: a fetch that waits
// for records holds up what follows it. So does a heartbeat that waits for news: each GroupConsumer has a connection
// to its coordinator for it; commits share one to each coordinator. All are opened when first used and opened again,
// with a jittered and growing pause, when they break.
//
// # What an error says
//
// Every error of a request is an *Error. Its Outcome tells a definite failure (OutcomeFailed: the request had no
// effect and never will) from one whose effect is not known (OutcomeUnknown: it may have reached the broker, and no
// answer came). Sentinels such as ErrUnknownTopic are for errors.Is.
//
// # Order of locks
//
// topic.mu, partition.mu, then sender.mu or Producer.mu or promises.mu; no other lock is taken under the last three.
// GroupConsumer.mu, then Consumer.mu.
// Nobody holds a lock while he waits, does I/O, or calls a function that the user gave.
package client
