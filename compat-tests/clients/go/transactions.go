package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Transactional producers and followers (README.md, "The members of a program"): verbs that begin with `txn-`.

// transactor is a client with transactions.
type transactor interface {
	client
	openTransactional(ctx context.Context, id string, timeout time.Duration) (txnProducer, error)
	transactionLoop(r *reporter, o loopOptions) (txnLoop, error)
}

type txnProducer interface {
	begin() error
	// send returns when all are acknowledged.
	send(ctx context.Context, p place, values []string) error
	offsets(ctx context.Context, group string, o offsets) error
	end(ctx context.Context, commit bool) error
	close()
	// drop leaves the producer alone, as if its program had died.
	drop()
}

// txnLoop works from its beginning on, and is over at an error that says that another one has its id.
type txnLoop interface{ end() }

type loopOptions struct {
	id, group, source, sink string
	abortEvery              int
}

// aborts tells whether the transaction of this number, from 1 on, is one of those to abort.
func (o loopOptions) aborts(number int) bool { return o.abortEvery > 0 && number%o.abortEvery == 0 }

const (
	loopRecordsMax = 20
	lineValuesMax  = 200
)

// acting is what one name of the harness has: a producer, a follower, or a loop.
type acting struct {
	c        transactor
	r        *reporter
	producer txnProducer
	loop     txnLoop
}

func (a *acting) perform(ctx context.Context, cmd command) error {
	if a.c == nil {
		return unsupported{"no transactions in this client"}
	}
	switch cmd.verb {
	case "txn-open":
		return a.open(ctx, cmd)
	case "txn-follow":
		return a.follow(cmd)
	case "txn-loop":
		return a.startLoop(cmd)
	case "txn-loop-end":
		a.loop.end()
		return nil
	}
	if a.producer == nil {
		return errors.New("no producer")
	}
	switch cmd.verb {
	case "txn-begin":
		return a.producer.begin()
	case "txn-send":
		return a.send(ctx, cmd)
	case "txn-offsets":
		group := cmd.take("group", "")
		o, err := cmd.takeOffsets()
		if err != nil {
			return err
		}
		return a.producer.offsets(ctx, group, o)
	case "txn-commit", "txn-abort":
		return a.producer.end(ctx, cmd.verb == "txn-commit")
	case "txn-close":
		a.producer.close()
		a.producer = nil
		return nil
	}
	return unsupported{"no verb " + cmd.verb}
}

func (a *acting) open(ctx context.Context, cmd command) error {
	if a.producer != nil {
		a.producer.drop()
		a.producer = nil
	}
	ms, err := strconv.Atoi(cmd.take("timeout_ms", "60000"))
	if err != nil {
		return err
	}
	p, err := a.c.openTransactional(ctx, cmd.take("id", ""), time.Duration(ms)*time.Millisecond)
	if err == nil {
		a.producer = p
	}
	return err
}

func (a *acting) send(ctx context.Context, cmd command) error {
	p, _, err := parsePlace(cmd.take("part", ""))
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(cmd.take("first", ""))
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(cmd.take("count", ""))
	if err != nil {
		return err
	}
	var values []string
	for number := first; number < first+count; number++ {
		values = append(values, strconv.Itoa(number))
	}
	return a.producer.send(ctx, p, values)
}

func (a *acting) follow(cmd command) error {
	partitions, err := strconv.Atoi(cmd.take("partitions", ""))
	if err != nil {
		return err
	}
	o := consumerOptions{
		topic: cmd.take("topic", ""), from: map[int32]int64{}, wait: 100 * time.Millisecond,
		committed: cmd.take("isolation", "committed") == "committed",
	}
	for p := range partitions {
		o.from[int32(p)] = 0
	}
	c, err := a.c.consumer(o)
	if err != nil {
		return err
	}
	go a.tellAll(c, o.topic)
	return nil
}

func (a *acting) tellAll(c consumer, topic string) {
	for {
		found, err := nextBatch(c)
		for p, values := range found {
			a.r.event("values t=%d part=%s values=%s", now(), place{topic, p}, strings.Join(values, ","))
		}
		if err != nil {
			a.r.failed(err)
		}
	}
}

// nextBatch waits for a record, and takes what comes at once with it, by partition.
func nextBatch(c consumer) (map[int32][]string, error) {
	found := map[int32][]string{}
	got, err := c.next(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for count := 1; err == nil; count++ {
		found[got.partition] = append(found[got.partition], fmt.Sprintf("%d=%s", got.offset, got.value))
		if count == lineValuesMax {
			break
		}
		got, err = c.next(ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return found, err
}

func (a *acting) startLoop(cmd command) error {
	every, err := strconv.Atoi(cmd.take("abort_every", "0"))
	if err != nil {
		return err
	}
	o := loopOptions{
		id: cmd.take("id", ""), group: cmd.take("group", ""), source: cmd.take("from", ""), sink: cmd.take("to", ""),
		abortEvery: every,
	}
	a.loop, err = a.c.transactionLoop(a.r, o)
	return err
}

func (r *reporter) looped(committed bool, count int) {
	outcome := "abort"
	if committed {
		outcome = "commit"
	}
	r.event("looped t=%d outcome=%s count=%d", now(), outcome, count)
}

// fenced tells that another producer has the id.
func fenced(err error) bool {
	return slices.Contains([]int16{codeInvalidProducerEpoch, codeProducerFenced}, errorCode(err))
}
