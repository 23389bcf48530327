package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// segment adapts github.com/segmentio/kafka-go: Writer, one Reader per partition, Client for the rest.
type segment struct {
	bootstrap string
	admin     *kafka.Client
}

func newSegmentio(bootstrap string) client {
	// A short metadata life lets the describing scenarios see changes.
	transport := &kafka.Transport{MetadataTTL: 200 * time.Millisecond}
	return &segment{bootstrap, &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 20 * time.Second, Transport: transport}}
}

func (s *segment) createTopic(ctx context.Context, topic string, partitions int32, configs map[string]string) error {
	t := kafka.TopicConfig{Topic: topic, NumPartitions: int(partitions), ReplicationFactor: 1}
	for k, v := range configs {
		t.ConfigEntries = append(t.ConfigEntries, kafka.ConfigEntry{ConfigName: k, ConfigValue: v})
	}
	res, err := s.admin.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{t}})
	if err != nil {
		return err
	}
	return res.Errors[topic]
}

func (s *segment) deleteTopic(ctx context.Context, topic string) error {
	res, err := s.admin.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return res.Errors[topic]
}

func (s *segment) metadata(ctx context.Context, topics ...string) ([]kafka.Topic, error) {
	res, err := s.admin.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, err
	}
	return res.Topics, nil
}

func (s *segment) listTopics(ctx context.Context) ([]string, error) {
	topics, err := s.metadata(ctx)
	var names []string
	for _, t := range topics {
		names = append(names, t.Name)
	}
	return names, err
}

func (s *segment) describeTopic(ctx context.Context, topic string) ([]partition, error) {
	topics, err := s.metadata(ctx, topic)
	if err != nil {
		return nil, err
	}
	if len(topics) != 1 {
		return nil, fmt.Errorf("metadata of one topic asked, got %d", len(topics))
	}
	if topics[0].Error != nil {
		return nil, topics[0].Error
	}
	var partitions []partition
	for _, p := range topics[0].Partitions {
		partitions = append(partitions, partition{int32(p.ID), int32(p.Leader.ID)})
	}
	return partitions, nil
}

func (s *segment) describeConfigs(ctx context.Context, topic string) (map[string]string, error) {
	res, err := s.admin.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}},
	})
	if err != nil {
		return nil, err
	}
	configs := map[string]string{}
	for _, r := range res.Resources {
		if r.Error != nil {
			return nil, r.Error
		}
		for _, e := range r.ConfigEntries {
			configs[e.ConfigName] = e.ConfigValue
		}
	}
	return configs, nil
}

func (s *segment) growTopic(ctx context.Context, topic string, partitions int32) error {
	res, err := s.admin.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: partitions}},
	})
	if err != nil {
		return err
	}
	return res.Errors[topic]
}

func (s *segment) offset(ctx context.Context, topic string, partition int32, at int64) (int64, error) {
	res, err := s.admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {{Partition: int(partition), Timestamp: at}}},
	})
	if err != nil {
		return 0, err
	}
	for _, p := range res.Topics[topic] {
		if p.Error != nil {
			return 0, p.Error
		}
		switch at {
		case offsetEarliest:
			return p.FirstOffset, nil
		case offsetLatest:
			return p.LastOffset, nil
		}
		for offset := range p.Offsets {
			return offset, nil
		}
	}
	return -1, nil
}

func (s *segment) latestOffsets(ctx context.Context, topic string, partitions int32) ([]int64, error) {
	var asked []kafka.OffsetRequest
	for p := range partitions {
		asked = append(asked, kafka.LastOffsetOf(int(p)))
	}
	res, err := s.admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}})
	if err != nil {
		return nil, err
	}
	offsets := make([]int64, partitions)
	for _, p := range res.Topics[topic] {
		if p.Error != nil {
			return nil, p.Error
		}
		offsets[p.Partition] = p.LastOffset
	}
	return offsets, nil
}

// blursEmpty: the Reader returns empty keys, values and header values as nil.
func (s *segment) blursEmpty() bool { return true }

func (s *segment) producer(o producerOptions) (producer, error) {
	codecs := map[string]kafka.Compression{
		"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	}
	if o.idempotent {
		return nil, skip{"no idempotent producer in this client"}
	}
	const backoff = 250 * time.Millisecond
	w := &kafka.Writer{
		Addr:                   kafka.TCP(s.bootstrap),
		Topic:                  o.topic,
		RequiredAcks:           kafka.RequireAll,
		Async:                  true,
		BatchTimeout:           5 * time.Millisecond,
		BatchSize:              1000,
		MaxAttempts:            int(o.retryFor/backoff) + 1,
		WriteBackoffMin:        backoff,
		WriteBackoffMax:        backoff,
		Compression:            codecs[o.codec],
		AllowAutoTopicCreation: o.autoCreate,
		Balancer: kafka.BalancerFunc(func(m kafka.Message, _ ...int) int {
			return int(m.WriterData.(*waiting).record.partition)
		}),
		Completion: func(messages []kafka.Message, err error) {
			for _, m := range messages {
				w := m.WriterData.(*waiting)
				w.record.offset = m.Offset
				w.done(err)
			}
		},
	}
	if o.bytesMax > 0 {
		w.BatchBytes = int64(o.bytesMax)
	}
	return &segmentProducer{w, o}, nil
}

type segmentProducer struct {
	base    *kafka.Writer
	options producerOptions
}

func (p *segmentProducer) enqueue(ctx context.Context, r *record, done func(error)) {
	out := kafka.Message{Key: r.key, Value: r.value, WriterData: &waiting{r, done}}
	if r.timestampMs != 0 {
		out.Time = time.UnixMilli(r.timestampMs)
	}
	for _, h := range r.headers {
		out.Headers = append(out.Headers, kafka.Header{Key: h.key, Value: h.value})
	}
	err := p.base.WriteMessages(ctx, out)
	// The Writer asks for the topic's creation but leaves the waiting to the program (its README).
	deadline := time.Now().Add(p.options.retryFor)
	for p.options.autoCreate && errors.Is(err, kafka.UnknownTopicOrPartition) && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
		err = p.base.WriteMessages(ctx, out)
	}
	if err != nil {
		done(err)
	}
}

func (p *segmentProducer) close() { _ = p.base.Close() }

func (s *segment) consumer(o consumerOptions) (consumer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &segmentConsumer{in: make(chan result, 100), ctx: ctx, cancel: cancel}
	bytesMax := int(o.bytesMax)
	if bytesMax == 0 {
		bytesMax = 1 << 20
	}
	for p, at := range o.from {
		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{s.bootstrap}, Topic: o.topic, Partition: int(p),
			MinBytes: 1, MaxBytes: bytesMax, MaxWait: o.wait, OffsetOutOfRangeError: true,
			ReadLagInterval: -1, MaxAttempts: 100,
		})
		if err := reader.SetOffset(at); err != nil {
			cancel()
			return nil, err
		}
		go c.forward(reader)
	}
	return c, nil
}

type segmentConsumer struct {
	in     chan result
	ctx    context.Context
	cancel context.CancelFunc
}

func (c *segmentConsumer) forward(reader *kafka.Reader) {
	defer reader.Close()
	for {
		m, err := reader.ReadMessage(c.ctx)
		if errors.Is(err, context.Canceled) {
			return
		}
		out := result{err: err}
		if err == nil {
			out.record = fromSegment(&m)
		}
		select {
		case c.in <- out:
		case <-c.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func fromSegment(m *kafka.Message) *record {
	r := &record{key: m.Key, value: m.Value, timestampMs: m.Time.UnixMilli(), partition: int32(m.Partition), offset: m.Offset}
	for _, h := range m.Headers {
		r.headers = append(r.headers, header{h.Key, h.Value})
	}
	return r
}

func (c *segmentConsumer) next(ctx context.Context) (*record, error) {
	select {
	case out := <-c.in:
		return out.record, out.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *segmentConsumer) close() { c.cancel() }
