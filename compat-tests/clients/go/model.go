package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	segmentio "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Error codes of the protocol that the scenarios expect.
const (
	codeOffsetOutOfRange               = 1
	codeUnknownTopic                   = 3
	codeMessageTooLarge                = 10
	codeInvalidTopic                   = 17
	codeTopicExists                    = 36
	codeInvalidPartitions              = 37
	codeInvalidReplicaAssignment       = 39
	codeInvalidConfig                  = 40
	codeInvalidRequest                 = 42
	codeInvalidProducerEpoch           = 47
	codeSecurityDisabled               = 54
	codeLogDirNotFound                 = 57
	codeElectionNotNeeded              = 84
	codeNoReassignment                 = 85
	codeInvalidRecord                  = 87
	codeProducerFenced                 = 90
	codeResourceNotFound               = 91
	codeUnacceptableCredential         = 93
	offsetEarliest               int64 = -2
	offsetLatest                 int64 = -1
)

type header struct {
	key   string
	value []byte
}

// record is what is sent and what must come back. nil keys and values are null, empty ones are empty.
type record struct {
	key, value  []byte
	headers     []header
	timestampMs int64
	partition   int32
	offset      int64
}

type partition struct {
	id, leader int32
}

type producerOptions struct {
	topic      string
	codec      string // none, gzip, snappy, lz4 or zstd
	idempotent bool
	bytesMax   int           // the client's own limit of a request or record
	retryFor   time.Duration // how long the client hides transient errors
	autoCreate bool
}

type consumerOptions struct {
	topic     string
	from      map[int32]int64 // partition to first offset
	wait      time.Duration   // the fetch's max wait
	bytesMax  int32
	committed bool // read_committed
}

// client is what a scenario needs from a client library. Errors keep the library's type, so that errorCode finds the code.
type client interface {
	createTopic(ctx context.Context, topic string, partitions int32, configs map[string]string) error
	deleteTopic(ctx context.Context, topic string) error
	listTopics(ctx context.Context) ([]string, error)
	describeTopic(ctx context.Context, topic string) ([]partition, error)
	describeConfigs(ctx context.Context, topic string) (map[string]string, error)
	growTopic(ctx context.Context, topic string, partitions int32) error
	// offset answers for offsetEarliest, offsetLatest or a time in ms; -1 if no record is that young.
	offset(ctx context.Context, topic string, partition int32, at int64) (int64, error)
	latestOffsets(ctx context.Context, topic string, partitions int32) ([]int64, error)
	// blursEmpty tells that the client cannot tell empty from null when it reads.
	blursEmpty() bool
	producer(o producerOptions) (producer, error)
	consumer(o consumerOptions) (consumer, error)
}

// producer sends with acks=all to the partition that the record names.
type producer interface {
	// enqueue calls done once, from any goroutine, with record.offset set if the client tells it.
	enqueue(ctx context.Context, r *record, done func(error))
	close()
}

type consumer interface {
	// next fails with the context's error if nothing comes.
	next(ctx context.Context) (*record, error)
	close()
}

// send writes the records as one burst and waits for all of them; the first error wins.
func send(ctx context.Context, p producer, records ...*record) error {
	results := make(chan error, len(records))
	for _, r := range records {
		p.enqueue(ctx, r, func(err error) { results <- err })
	}
	var first error
	for range records {
		select {
		case err := <-results:
			if first == nil {
				first = err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return first
}

// errorCode is the protocol's error code inside an error of any of the three libraries, or 0.
func errorCode(err error) int16 {
	var franz *kerr.Error
	var ibm sarama.KError
	var ibmSend *sarama.ProducerError
	var segment segmentio.Error
	var segmentTooLarge segmentio.MessageTooLargeError
	switch {
	case errors.As(err, &franz):
		return franz.Code
	case errors.As(err, &ibmSend):
		return errorCode(ibmSend.Err)
	case errors.As(err, &ibm):
		return int16(ibm)
	case errors.As(err, &segment):
		return int16(segment)
	case errors.As(err, &segmentTooLarge):
		return codeMessageTooLarge
	}
	return 0
}

func expectCode(what string, err error, code int16) error {
	if err == nil {
		return fmt.Errorf("%s: succeeded, expected error code %d", what, code)
	}
	if got := errorCode(err); got != code {
		return fmt.Errorf("%s: error code %d (%v), expected %d", what, got, err, code)
	}
	return nil
}

// compare takes empty for null in both records if the client that read cannot tell them apart.
func (r *record) compare(want *record, blurEmpty bool) error {
	same := func(a, b []byte) bool {
		return bytes.Equal(a, b) && (blurEmpty || (a == nil) == (b == nil))
	}
	switch {
	case r.partition != want.partition:
		return fmt.Errorf("partition %d, expected %d", r.partition, want.partition)
	case r.offset != want.offset:
		return fmt.Errorf("offset %d, expected %d", r.offset, want.offset)
	case r.timestampMs != want.timestampMs:
		return fmt.Errorf("offset %d: timestamp %d, expected %d", r.offset, r.timestampMs, want.timestampMs)
	case !same(r.key, want.key):
		return fmt.Errorf("offset %d: key %s, expected %s", r.offset, show(r.key), show(want.key))
	case !same(r.value, want.value):
		return fmt.Errorf("offset %d: value %s, expected %s", r.offset, show(r.value), show(want.value))
	case len(r.headers) != len(want.headers):
		return fmt.Errorf("offset %d: %d headers, expected %d", r.offset, len(r.headers), len(want.headers))
	}
	for i, h := range want.headers {
		if r.headers[i].key != h.key || !same(r.headers[i].value, h.value) {
			return fmt.Errorf("offset %d: header %d is %s=%s, expected %s=%s", r.offset, i,
				r.headers[i].key, show(r.headers[i].value), h.key, show(h.value))
		}
	}
	return nil
}

func show(b []byte) string {
	if b == nil {
		return "null"
	}
	if len(b) > 40 {
		return fmt.Sprintf("%q... (%d bytes)", b[:40], len(b))
	}
	return fmt.Sprintf("%q", b)
}
