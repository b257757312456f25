package main

import "strconv"

// testCase is a row of the table: one thing that a client does.
type testCase struct {
	name       string
	title      string // on the page
	partitions int32
	settings   []setting // of the topic
	// before prepares the topic, after looks at what the client left. Nil: nothing.
	before, after func(*target, string) error
}

// setting of a topic, by Skidway's name and by Kafka's.
type setting struct{ name, value, kafkaName, kafkaValue string }

// clientCases are what libraries and kcat are asked to do.
func clientCases() []testCase {
	cases := []testCase{
		{name: "records", title: "keys, headers, timestamps and nulls", partitions: 1},
		{name: "write", title: "writes what the native client reads", partitions: 1, after: readsRecords},
		{name: "read", title: "reads what the native client wrote", partitions: 1, before: writeRecords},
	}
	for code, codec := range codecs() {
		cases = append(cases, testCase{
			name: "codec-" + codec, title: "compression: " + codec, partitions: 1, after: compressed(uint8(code)),
		})
	}
	for _, acks := range []string{"0", "1", "all"} {
		cases = append(cases, testCase{name: "acks-" + acks, title: "acks=" + acks, partitions: 1})
	}
	return append(cases,
		testCase{name: "idempotence", title: "idempotent producer", partitions: 1, after: idempotent},
		testCase{name: "offsets", title: "offsets: earliest, latest, by time", partitions: 1, before: writeRecords},
		testCase{name: "seek", title: "consume from an offset", partitions: 1},
		testCase{name: "large", title: "records of 900,000 bytes", partitions: 1},
		testCase{name: "partitions", title: "100 partitions", partitions: 100},
		testCase{name: "group-eager", title: "group: rebalance, commit, resume (eager)", partitions: 4},
		testCase{name: "group-cooperative", title: "group: the same, cooperative", partitions: 4},
		testCase{name: "group-consumer", title: "group: the same, by KIP-848", partitions: 4, after: servesKIP848},
		testCase{name: "group-static", title: "group: static members", partitions: 4},
		testCase{name: "admin-topics", title: "admin: create, describe, grow, delete topics", partitions: 1},
		testCase{name: "admin-configs", title: "admin: describe and alter settings", partitions: 1},
		testCase{name: "admin-records", title: "admin: delete records", partitions: 1},
		testCase{name: "admin-groups", title: "admin: list, describe, delete groups", partitions: 4},
	)
}

// toolCases are Kafka's own commands.
func toolCases() []testCase {
	return []testCase{
		{name: "console", title: "ConsoleProducer, ConsoleConsumer", partitions: 1},
		{name: "topic-command", title: "TopicCommand", partitions: 1},
		{name: "config-command", title: "ConfigCommand", partitions: 1},
		{name: "consumer-group-command", title: "ConsumerGroupCommand", partitions: 2},
		{name: "delete-records-command", title: "DeleteRecordsCommand", partitions: 1},
		{name: "get-offset-shell", title: "GetOffsetShell", partitions: 2},
		{name: "log-dirs-command", title: "LogDirsCommand", partitions: 1},
		{name: "api-versions-command", title: "BrokerApiVersionsCommand", partitions: 1},
		{name: "producer-performance", title: "ProducerPerformance", partitions: 4, after: holds(20000)},
		{name: "consumer-performance", title: "ConsumerPerformance", partitions: 4},
		{name: "end-to-end-latency", title: "EndToEndLatency", partitions: 1},
		{name: "verifiable-producer", title: "VerifiableProducer", partitions: 4, after: holds(2000)},
		{name: "verifiable-consumer", title: "VerifiableConsumer", partitions: 4},
	}
}

// codecs are the names of the kinds of compression, by their number in a batch.
func codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

// forever keeps records however old they say they are.
func forever() setting { return setting{"retention", "forever", "retention.ms", strconv.Itoa(-1)} }
