package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type franz struct {
	bootstrap string
	admin     *kadm.Client
}

func newFranz(bootstrap string) client {
	base, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		panic(err)
	}
	return &franz{bootstrap: bootstrap, admin: kadm.NewClient(base)}
}

func (f *franz) createTopic(ctx context.Context, topic string, partitions int32, configs map[string]string) error {
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	_, err := f.admin.CreateTopic(ctx, partitions, 1, values, topic)
	return err
}

func (f *franz) deleteTopic(ctx context.Context, topic string) error {
	_, err := f.admin.DeleteTopic(ctx, topic)
	return err
}

func (f *franz) listTopics(ctx context.Context) ([]string, error) {
	topics, err := f.admin.ListTopics(ctx)
	return topics.Names(), err
}

func (f *franz) describeTopic(ctx context.Context, topic string) ([]partition, error) {
	topics, err := f.admin.ListTopics(ctx, topic)
	if err != nil {
		return nil, err
	}
	detail := topics[topic]
	if detail.Err != nil {
		return nil, detail.Err
	}
	if detail.ID == (kadm.TopicID{}) {
		return nil, fmt.Errorf("topic %s has no topic id", topic)
	}
	var partitions []partition
	for _, p := range detail.Partitions.Sorted() {
		partitions = append(partitions, partition{p.Partition, p.Leader})
	}
	return partitions, nil
}

func (f *franz) describeConfigs(ctx context.Context, topic string) (map[string]string, error) {
	resources, err := f.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	resource, err := resources.On(topic, nil)
	if err != nil {
		return nil, err
	}
	if resource.Err != nil {
		return nil, resource.Err
	}
	configs := map[string]string{}
	for _, c := range resource.Configs {
		configs[c.Key] = c.MaybeValue()
	}
	return configs, nil
}

func (f *franz) growTopic(ctx context.Context, topic string, partitions int32) error {
	responses, err := f.admin.UpdatePartitions(ctx, int(partitions), topic)
	if err != nil {
		return err
	}
	return responses.Error()
}

func (f *franz) offset(ctx context.Context, topic string, partition int32, at int64) (int64, error) {
	var listed kadm.ListedOffsets
	var err error
	switch at {
	case offsetEarliest:
		listed, err = f.admin.ListStartOffsets(ctx, topic)
	case offsetLatest:
		listed, err = f.admin.ListEndOffsets(ctx, topic)
	default:
		listed, err = f.admin.ListOffsetsAfterMilli(ctx, at, topic)
	}
	if err != nil {
		return 0, err
	}
	o, ok := listed.Lookup(topic, partition)
	if !ok {
		return 0, fmt.Errorf("no answer for partition %d", partition)
	}
	return o.Offset, o.Err
}

func (f *franz) latestOffsets(ctx context.Context, topic string, partitions int32) ([]int64, error) {
	listed, err := f.admin.ListEndOffsets(ctx, topic)
	offsets := make([]int64, partitions)
	listed.Each(func(o kadm.ListedOffset) { offsets[o.Partition] = o.Offset })
	return offsets, errors.Join(err, listed.Error())
}

func (f *franz) blursEmpty() bool { return false }

// producer leaves idempotence at franz-go's default, which is on, and retries without limit until the context ends:
// RecordDeliveryTimeout counts from the record's own timestamp, which the scenarios set to years ago.
func (f *franz) producer(o producerOptions) (producer, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(f.bootstrap),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.DefaultProduceTopic(o.topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[o.codec]),
		kgo.ProducerLinger(5 * time.Millisecond),
	}
	if o.bytesMax > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(int32(o.bytesMax)))
	}
	if o.autoCreate {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	base, err := kgo.NewClient(opts...)
	return &franzProducer{base}, err
}

type franzProducer struct{ base *kgo.Client }

func (p *franzProducer) enqueue(ctx context.Context, r *record, done func(error)) {
	out := &kgo.Record{Key: r.key, Value: r.value, Partition: r.partition}
	if r.timestampMs != 0 {
		out.Timestamp = time.UnixMilli(r.timestampMs)
	}
	for _, h := range r.headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.key, Value: h.value})
	}
	p.base.Produce(ctx, out, func(sent *kgo.Record, err error) {
		r.offset = sent.Offset
		done(err)
	})
}

func (p *franzProducer) close() { p.base.Close() }

func (f *franz) consumer(o consumerOptions) (consumer, error) {
	offsets := map[int32]kgo.Offset{}
	for p, at := range o.from {
		offsets[p] = kgo.NewOffset().At(at)
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(f.bootstrap),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(o.wait),
		kgo.FetchMinBytes(1),
	}
	if o.committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if o.bytesMax > 0 {
		opts = append(opts, kgo.FetchMaxPartitionBytes(o.bytesMax), kgo.FetchMaxBytes(o.bytesMax))
	}
	base, err := kgo.NewClient(opts...)
	return &franzConsumer{base: base}, err
}

type franzConsumer struct {
	base    *kgo.Client
	pending []*kgo.Record
}

func (c *franzConsumer) next(ctx context.Context) (*record, error) {
	for len(c.pending) == 0 {
		fetches := c.base.PollRecords(ctx, 10000)
		for _, e := range fetches.Errors() {
			return nil, e.Err
		}
		c.pending = fetches.Records()
	}
	in := c.pending[0]
	c.pending = c.pending[1:]
	r := &record{key: in.Key, value: in.Value, timestampMs: in.Timestamp.UnixMilli(), partition: in.Partition, offset: in.Offset}
	for _, h := range in.Headers {
		r.headers = append(r.headers, header{h.Key, h.Value})
	}
	return r, nil
}

func (c *franzConsumer) close() { c.base.Close() }
