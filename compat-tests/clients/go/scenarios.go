package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

const (
	retryLong  = 60 * time.Second
	retryShort = 4 * time.Second
	baseTimeMs = 1600000000000
)

// keep is the config of topics whose records carry old timestamps: the default retention may delete those at any time.
var keep = map[string]string{"retention.ms": "-1"}

// run is one scenario of one client.
type run struct {
	ctx             context.Context
	client          client
	scenario, topic string
	fast            bool
}

func (r *run) play() error {
	switch {
	case strings.HasPrefix(r.scenario, "roundtrip-"):
		return r.roundtrip(strings.TrimPrefix(r.scenario, "roundtrip-"))
	case r.scenario == "restart":
		return r.restart("RESTART")
	case r.scenario == "restart-term":
		return r.restart("RESTART term")
	}
	scenario, ok := map[string]func() error{
		"sizes":            r.sizes,
		"idempotent":       r.idempotent,
		"partitions-100":   r.partitions100,
		"seek-offset":      r.seekOffset,
		"seek-timestamp":   r.seekTimestamp,
		"auto-create":      r.autoCreate,
		"admin-topics":     r.adminTopics,
		"admin-configs":    r.adminConfigs,
		"admin-partitions": r.adminPartitions,
		"admin-records":    r.adminRecords,
		"admin-cluster":    r.adminCluster,
		"produce-errors":   r.produceErrors,
		"long-poll":        r.longPoll,
		"read-while-write": r.readWhileWrite,
	}[r.scenario]
	if !ok {
		return skip{"unknown scenario " + r.scenario}
	}
	return scenario()
}

func (r *run) count(full, fast int) int {
	if r.fast {
		return fast
	}
	return full
}

// newTopic creates a topic and waits until every partition has a leader.
func (r *run) newTopic(topic string, partitions int32, configs map[string]string) error {
	if err := r.client.createTopic(r.ctx, topic, partitions, configs); err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	return r.awaitPartitions(topic, int(partitions))
}

func (r *run) awaitPartitions(topic string, expected int) error {
	return r.await(fmt.Sprintf("%d partitions with leaders", expected), func() (bool, error) {
		partitions, err := r.client.describeTopic(r.ctx, topic)
		if err != nil && errorCode(err) != codeUnknownTopic {
			return false, err
		}
		led := 0
		for _, p := range partitions {
			if p.leader >= 0 {
				led++
			}
		}
		return led == expected && len(partitions) == expected, nil
	})
}

// await asks again and again for at most 10 seconds.
func (r *run) await(what string, reached func() (bool, error)) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		ok, err := reached()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not seen within 10 s", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (r *run) newProducer(o producerOptions) (producer, error) {
	if o.topic == "" {
		o.topic = r.topic
	}
	if o.retryFor == 0 {
		o.retryFor = retryLong
	}
	if o.codec == "" {
		o.codec = "none"
	}
	return r.client.producer(o)
}

// open reads partition 0 of the scenario's topic from an offset.
func (r *run) open(from int64) (consumer, error) {
	return r.client.consumer(consumerOptions{topic: r.topic, from: map[int32]int64{0: from}, wait: 500 * time.Millisecond})
}

// expectSilence fails if a record comes within the time.
func (r *run) expectSilence(c consumer, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(r.ctx, wait)
	defer cancel()
	extra, err := c.next(ctx)
	if err == nil {
		return fmt.Errorf("unexpected record at offset %d of partition %d", extra.offset, extra.partition)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func (r *run) roundtrip(codec string) error {
	if err := r.newTopic(r.topic, 1, keep); err != nil {
		return err
	}
	producer, err := r.newProducer(producerOptions{codec: codec})
	if err != nil {
		return err
	}
	defer producer.close()
	var sent []*record
	for i := range 300 {
		sent = append(sent, roundtripRecord(i))
	}
	if err := send(r.ctx, producer, sent...); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	return r.readBack(sent, 0)
}

func roundtripRecord(i int) *record {
	out := &record{timestampMs: baseTimeMs + int64(i), offset: int64(i)}
	switch i % 4 {
	case 0:
	case 1:
		out.key = []byte{}
	default:
		out.key = fmt.Appendf(nil, "key-%d", i)
	}
	switch i % 5 {
	case 0:
	case 1:
		out.value = []byte{}
	default:
		out.value = bytes.Repeat(fmt.Appendf(nil, "value-%d-", i), i)
	}
	switch i % 3 {
	case 1:
		out.headers = []header{{"h", []byte(strconv.Itoa(i))}}
	case 2:
		out.headers = []header{{"h", []byte("1")}, {"other", []byte("x")}, {"h", []byte("2")}, {"empty", []byte{}}, {"null", nil}}
	}
	return out
}

// readBack expects exactly these records on partition 0 of the scenario's topic.
func (r *run) readBack(expected []*record, bytesMax int32) error {
	for i, want := range expected {
		if want.offset != int64(i) {
			return fmt.Errorf("record %d was acknowledged at offset %d", i, want.offset)
		}
	}
	c, err := r.client.consumer(consumerOptions{
		topic: r.topic, from: map[int32]int64{0: 0}, wait: 500 * time.Millisecond, bytesMax: bytesMax,
	})
	if err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	defer c.close()
	for i, want := range expected {
		got, err := c.next(r.ctx)
		if err != nil {
			return fmt.Errorf("consume at %d: %w", i, err)
		}
		if err := got.compare(want, r.client.blursEmpty()); err != nil {
			return err
		}
	}
	return r.expectSilence(c, time.Second)
}

func (r *run) sizes() error {
	const limit = 16 << 20
	if err := r.newTopic(r.topic, 1, map[string]string{"max.message.bytes": strconv.Itoa(limit), "retention.ms": "-1"}); err != nil {
		return err
	}
	producer, err := r.newProducer(producerOptions{bytesMax: limit})
	if err != nil {
		return err
	}
	defer producer.close()
	var sent []*record
	for _, size := range []int{1, 2, 100, 1024, 65535, 65536, 1048576, 1048577, 5242880, 8388608} {
		value := make([]byte, size)
		for j := range value {
			value[j] = byte((j*31 + size) % 251)
		}
		one := &record{value: value, timestampMs: baseTimeMs + int64(size)}
		if err := send(r.ctx, producer, one); err != nil {
			return fmt.Errorf("produce %d bytes: %w", size, err)
		}
		sent = append(sent, one)
	}
	return r.readBack(sent, limit)
}

func (r *run) idempotent() error {
	if err := r.newTopic(r.topic, 3, nil); err != nil {
		return err
	}
	producer, err := r.newProducer(producerOptions{idempotent: true})
	if err != nil {
		return err
	}
	defer producer.close()
	n := r.count(50000, 5000)
	var sent []*record
	for i := range n {
		sent = append(sent, &record{partition: int32(i % 3), value: []byte(strconv.Itoa(i))})
	}
	if err := send(r.ctx, producer, sent...); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	c, err := r.client.consumer(consumerOptions{
		topic: r.topic, from: map[int32]int64{0: 0, 1: 0, 2: 0}, wait: 500 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	defer c.close()
	read := [3]int{}
	for range n {
		got, err := c.next(r.ctx)
		if err != nil {
			return fmt.Errorf("consume: %w", err)
		}
		p := got.partition
		want := int(p) + 3*read[p]
		if string(got.value) != strconv.Itoa(want) || got.offset != int64(read[p]) {
			return fmt.Errorf("partition %d offset %d: value %s, expected %d at %d", p, got.offset, got.value, want, read[p])
		}
		read[p]++
	}
	return r.expectSilence(c, time.Second)
}

func (r *run) partitions100() error {
	const partitions, each = 100, 10
	if err := r.newTopic(r.topic, partitions, nil); err != nil {
		return err
	}
	producer, err := r.newProducer(producerOptions{})
	if err != nil {
		return err
	}
	defer producer.close()
	var sent []*record
	for n := range each {
		for p := range partitions {
			sent = append(sent, &record{partition: int32(p), value: fmt.Appendf(nil, "%d-%d", p, n)})
		}
	}
	if err := send(r.ctx, producer, sent...); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	latest, err := r.client.latestOffsets(r.ctx, r.topic, partitions)
	if err != nil {
		return fmt.Errorf("latest offsets: %w", err)
	}
	from := map[int32]int64{}
	for p, offset := range latest {
		from[int32(p)] = 0
		if offset != each {
			return fmt.Errorf("latest offset of partition %d is %d", p, offset)
		}
	}
	c, err := r.client.consumer(consumerOptions{topic: r.topic, from: from, wait: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	defer c.close()
	read := [partitions]int{}
	for range partitions * each {
		got, err := c.next(r.ctx)
		if err != nil {
			return fmt.Errorf("consume: %w", err)
		}
		want := fmt.Sprintf("%d-%d", got.partition, read[got.partition])
		if string(got.value) != want {
			return fmt.Errorf("partition %d: value %s, expected %s", got.partition, got.value, want)
		}
		read[got.partition]++
	}
	return r.expectSilence(c, time.Second)
}

func (r *run) seekOffset() error {
	if err := r.newTopic(r.topic, 1, nil); err != nil {
		return err
	}
	producer, err := r.newProducer(producerOptions{})
	if err != nil {
		return err
	}
	defer producer.close()
	for batch := range 20 {
		var sent []*record
		for i := range 50 {
			sent = append(sent, &record{value: []byte(strconv.Itoa(batch*50 + i))})
		}
		if err := send(r.ctx, producer, sent...); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
	}
	for at, want := range map[int64]int64{offsetEarliest: 0, offsetLatest: 1000} {
		got, err := r.client.offset(r.ctx, r.topic, 0, at)
		if err != nil || got != want {
			return fmt.Errorf("list offset %d: %d (%v), expected %d", at, got, err, want)
		}
	}
	for _, at := range []int64{0, 1, 499, 500, 999} {
		if err := r.readOneAt(at); err != nil {
			return fmt.Errorf("read at %d: %w", at, err)
		}
	}
	c, err := r.open(1000)
	if err != nil {
		return err
	}
	defer c.close()
	if err := r.expectSilence(c, time.Second); err != nil {
		return fmt.Errorf("read at the end: %w", err)
	}
	beyond, err := r.open(5000)
	if err == nil {
		defer beyond.close()
		_, err = beyond.next(r.ctx)
	}
	return expectCode("read at 5000", err, codeOffsetOutOfRange)
}

func (r *run) readOneAt(at int64) error {
	c, err := r.open(at)
	if err != nil {
		return err
	}
	defer c.close()
	got, err := c.next(r.ctx)
	if err != nil {
		return err
	}
	if got.offset != at || string(got.value) != strconv.FormatInt(at, 10) {
		return fmt.Errorf("got offset %d with value %s", got.offset, got.value)
	}
	return nil
}

func (r *run) seekTimestamp() error {
	if err := r.newTopic(r.topic, 1, keep); err != nil {
		return err
	}
	producer, err := r.newProducer(producerOptions{})
	if err != nil {
		return err
	}
	defer producer.close()
	for i := range 100 {
		one := &record{value: []byte(strconv.Itoa(i)), timestampMs: baseTimeMs + 1000*int64(i)}
		if err := send(r.ctx, producer, one); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
	}
	last := int64(baseTimeMs + 99000)
	for _, ask := range []struct{ timeMs, offset int64 }{
		{1, 0}, {baseTimeMs - 1, 0}, {baseTimeMs, 0}, {baseTimeMs + 50000, 50}, {baseTimeMs + 50001, 51}, {last, 99},
	} {
		got, err := r.client.offset(r.ctx, r.topic, 0, ask.timeMs)
		if err != nil || got != ask.offset {
			return fmt.Errorf("offset for time %d: %d (%v), expected %d", ask.timeMs, got, err, ask.offset)
		}
	}
	got, err := r.client.offset(r.ctx, r.topic, 0, last+1)
	if err != nil || (got != -1 && got != 100) {
		return fmt.Errorf("offset after the last time: %d (%v), expected none", got, err)
	}
	return nil
}

func (r *run) autoCreate() error {
	producer, err := r.newProducer(producerOptions{autoCreate: true})
	if err != nil {
		return err
	}
	defer producer.close()
	var sent []*record
	for i := range 10 {
		sent = append(sent, &record{value: []byte(strconv.Itoa(i)), timestampMs: time.Now().UnixMilli()})
	}
	if err := send(r.ctx, producer, sent...); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := r.readBack(sent, 0); err != nil {
		return err
	}
	return r.awaitPartitions(r.topic, 1)
}

func (r *run) adminTopics() error {
	configs := map[string]string{"retention.ms": "123456", "cleanup.policy": "compact"}
	if err := r.newTopic(r.topic, 3, configs); err != nil {
		return err
	}
	err := r.client.createTopic(r.ctx, r.topic, 3, nil)
	if err := expectCode("second creation", err, codeTopicExists); err != nil {
		return err
	}
	if listed, err := r.listed(); err != nil || !listed {
		return fmt.Errorf("the topic is not listed (%v)", err)
	}
	got, err := r.client.describeConfigs(r.ctx, r.topic)
	if err != nil {
		return fmt.Errorf("describe configs: %w", err)
	}
	configs["max.message.bytes"] = "1048588"
	for name, want := range configs {
		if got[name] != want {
			return fmt.Errorf("config %s is %q, expected %q", name, got[name], want)
		}
	}
	if err := r.client.growTopic(r.ctx, r.topic, 5); err != nil {
		return fmt.Errorf("grow to 5: %w", err)
	}
	if err := r.awaitPartitions(r.topic, 5); err != nil {
		return err
	}
	if err := r.adminErrors(); err != nil {
		return err
	}
	if err := r.client.deleteTopic(r.ctx, r.topic); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := r.await("the topic is gone", func() (bool, error) {
		listed, err := r.listed()
		return !listed, err
	}); err != nil {
		return err
	}
	return expectCode("second deletion", r.client.deleteTopic(r.ctx, r.topic), codeUnknownTopic)
}

func (r *run) listed() (bool, error) {
	names, err := r.client.listTopics(r.ctx)
	for _, name := range names {
		if name == r.topic {
			return true, nil
		}
	}
	return false, err
}

func (r *run) adminErrors() error {
	return errors.Join(
		expectCode("shrink to 2", r.client.growTopic(r.ctx, r.topic, 2), codeInvalidPartitions),
		expectCode("name with a space", r.client.createTopic(r.ctx, r.topic+"-a b", 1, nil), codeInvalidTopic),
		expectCode("0 partitions", r.client.createTopic(r.ctx, r.topic+"-zero", 0, nil), codeInvalidPartitions),
		expectCode("retention.ms=abc", r.client.createTopic(r.ctx, r.topic+"-config", 1, map[string]string{"retention.ms": "abc"}),
			codeInvalidConfig),
	)
}

func (r *run) produceErrors() error {
	compacted := r.topic + "-compacted"
	if err := r.newTopic(r.topic, 1, nil); err != nil {
		return err
	}
	if err := r.newTopic(compacted, 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		return err
	}
	plain, err := r.newProducer(producerOptions{bytesMax: 8 << 20, retryFor: retryShort})
	if err != nil {
		return err
	}
	defer plain.close()
	keyed, err := r.newProducer(producerOptions{topic: compacted, retryFor: retryShort})
	if err != nil {
		return err
	}
	defer keyed.close()
	large := make([]byte, 2<<20)
	for i := range large {
		large[i] = byte(rand.UintN(256))
	}
	if err := expectCode("2 MiB record", send(r.ctx, plain, &record{value: large}), codeMessageTooLarge); err != nil {
		return err
	}
	if err := expectCode("record without key", send(r.ctx, keyed, &record{value: []byte("v")}), codeInvalidRecord); err != nil {
		return err
	}
	if err := r.badNameAndPartition(plain); err != nil {
		return err
	}
	good := &record{key: []byte("k"), value: []byte("good"), timestampMs: time.Now().UnixMilli()}
	for topic, p := range map[string]producer{r.topic: plain, compacted: keyed} {
		if err := send(r.ctx, p, good); err != nil {
			return fmt.Errorf("good record to %s: %w", topic, err)
		}
		reader := &run{ctx: r.ctx, client: r.client, topic: topic}
		if err := reader.readBack([]*record{good}, 0); err != nil {
			return fmt.Errorf("%s: %w", topic, err)
		}
	}
	return nil
}

func (r *run) badNameAndPartition(plain producer) error {
	bad, err := r.newProducer(producerOptions{topic: "bad name!", retryFor: retryShort, autoCreate: true})
	if err == nil {
		defer bad.close()
		ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
		defer cancel()
		err = send(ctx, bad, &record{value: []byte("v")})
	}
	if err == nil {
		return errors.New("a record to the topic `bad name!` was accepted")
	}
	if code := errorCode(err); code != 0 && code != codeInvalidTopic {
		return fmt.Errorf("topic `bad name!`: %w", err)
	}
	ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
	defer cancel()
	if err := send(ctx, plain, &record{partition: 7, value: []byte("v")}); err == nil {
		return errors.New("a record to partition 7 of 1 was accepted")
	}
	return nil
}

func (r *run) longPoll() error {
	if err := r.newTopic(r.topic, 1, nil); err != nil {
		return err
	}
	producer, err := r.newProducer(producerOptions{})
	if err != nil {
		return err
	}
	defer producer.close()
	// The producer's connections and metadata are not what is timed.
	if err := send(r.ctx, producer, &record{value: []byte("first")}); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	c, err := r.client.consumer(consumerOptions{topic: r.topic, from: map[int32]int64{0: 1}, wait: 10 * time.Second})
	if err != nil {
		return err
	}
	defer c.close()
	for round := range 3 {
		if err := r.expectSilence(c, 1500*time.Millisecond); err != nil {
			return err
		}
		if err := send(r.ctx, producer, &record{value: []byte(strconv.Itoa(round))}); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		got, err := c.next(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("round %d: not there within a second: %w", round, err)
		}
		if string(got.value) != strconv.Itoa(round) {
			return fmt.Errorf("round %d: value %s", round, got.value)
		}
	}
	return nil
}

func (r *run) readWhileWrite() error {
	if err := r.newTopic(r.topic, 1, nil); err != nil {
		return err
	}
	producer, err := r.newProducer(producerOptions{})
	if err != nil {
		return err
	}
	defer producer.close()
	c, err := r.open(0)
	if err != nil {
		return err
	}
	defer c.close()
	n := r.count(50000, 10000)
	produced := make(chan error, 1)
	go func() {
		for first := 0; first < n; first += 500 {
			var sent []*record
			for i := first; i < first+500; i++ {
				sent = append(sent, &record{value: fmt.Appendf(nil, "%-100d", i)})
			}
			if err := send(r.ctx, producer, sent...); err != nil {
				produced <- fmt.Errorf("produce: %w", err)
				return
			}
		}
		produced <- nil
	}()
	for i := range n {
		got, err := c.next(r.ctx)
		if err != nil {
			return fmt.Errorf("consume at %d: %w", i, err)
		}
		if string(got.value) != fmt.Sprintf("%-100d", i) || got.offset != int64(i) {
			return fmt.Errorf("expected %d at its offset, got %s at %d", i, bytes.TrimSpace(got.value), got.offset)
		}
	}
	return <-produced
}
