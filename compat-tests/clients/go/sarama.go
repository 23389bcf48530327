package main

import (
	"context"
	"time"

	"github.com/IBM/sarama"
)

// ibm adapts github.com/IBM/sarama at its default protocol version (Config.Version is left alone).
type ibm struct {
	bootstrap string
	base      sarama.Client
	admin     sarama.ClusterAdmin
}

func newSarama(bootstrap string) client {
	config := sarama.NewConfig()
	base, err := sarama.NewClient([]string{bootstrap}, config)
	if err != nil {
		panic(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(base)
	if err != nil {
		panic(err)
	}
	return &ibm{bootstrap: bootstrap, base: base, admin: admin}
}

func (s *ibm) createTopic(_ context.Context, topic string, partitions int32, configs map[string]string) error {
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: values}
	return s.admin.CreateTopic(topic, detail, false)
}

func (s *ibm) deleteTopic(_ context.Context, topic string) error { return s.admin.DeleteTopic(topic) }

func (s *ibm) listTopics(context.Context) ([]string, error) {
	topics, err := s.admin.ListTopics()
	var names []string
	for name := range topics {
		names = append(names, name)
	}
	return names, err
}

func (s *ibm) describeTopic(_ context.Context, topic string) ([]partition, error) {
	topics, err := s.admin.DescribeTopics([]string{topic})
	if err != nil {
		return nil, err
	}
	if topics[0].Err != sarama.ErrNoError {
		return nil, topics[0].Err
	}
	var partitions []partition
	for _, p := range topics[0].Partitions {
		partitions = append(partitions, partition{p.ID, p.Leader})
	}
	return partitions, nil
}

func (s *ibm) describeConfigs(_ context.Context, topic string) (map[string]string, error) {
	entries, err := s.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	configs := map[string]string{}
	for _, e := range entries {
		configs[e.Name] = e.Value
	}
	return configs, err
}

func (s *ibm) growTopic(_ context.Context, topic string, partitions int32) error {
	return s.admin.CreatePartitions(topic, partitions, nil, false)
}

func (s *ibm) offset(_ context.Context, topic string, partition int32, at int64) (int64, error) {
	if err := s.base.RefreshMetadata(topic); err != nil {
		return 0, err
	}
	return s.base.GetOffset(topic, partition, at)
}

func (s *ibm) latestOffsets(ctx context.Context, topic string, partitions int32) ([]int64, error) {
	offsets := make([]int64, partitions)
	for p := range partitions {
		var err error
		if offsets[p], err = s.base.GetOffset(topic, p, offsetLatest); err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

func (s *ibm) blursEmpty() bool { return false }

func (s *ibm) producer(o producerOptions) (producer, error) {
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
	config := sarama.NewConfig()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Compression = codecs[o.codec]
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Producer.Retry.Backoff = 100 * time.Millisecond
	config.Producer.Retry.Max = int(o.retryFor / config.Producer.Retry.Backoff)
	config.Metadata.Retry.Max = int(o.retryFor / config.Metadata.Retry.Backoff)
	config.Metadata.AllowAutoTopicCreation = o.autoCreate
	if o.bytesMax > 0 {
		config.Producer.MaxMessageBytes = o.bytesMax
	}
	if o.idempotent {
		// sarama insists on one request in flight here.
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	base, err := sarama.NewAsyncProducer([]string{s.bootstrap}, config)
	if err != nil {
		return nil, err
	}
	p := &ibmProducer{base: base, topic: o.topic}
	go func() {
		for sent := range base.Successes() {
			w := sent.Metadata.(*waiting)
			w.record.offset = sent.Offset
			w.done(nil)
		}
	}()
	go func() {
		for failed := range base.Errors() {
			failed.Msg.Metadata.(*waiting).done(failed.Err)
		}
	}()
	return p, nil
}

type ibmProducer struct {
	base  sarama.AsyncProducer
	topic string
}

type waiting struct {
	record *record
	done   func(error)
}

func (p *ibmProducer) enqueue(ctx context.Context, r *record, done func(error)) {
	out := &sarama.ProducerMessage{Topic: p.topic, Partition: r.partition, Metadata: &waiting{r, done}}
	if r.key != nil {
		out.Key = sarama.ByteEncoder(r.key)
	}
	if r.value != nil {
		out.Value = sarama.ByteEncoder(r.value)
	}
	if r.timestampMs != 0 {
		out.Timestamp = time.UnixMilli(r.timestampMs)
	}
	for _, h := range r.headers {
		out.Headers = append(out.Headers, sarama.RecordHeader{Key: []byte(h.key), Value: h.value})
	}
	select {
	case p.base.Input() <- out:
	case <-ctx.Done():
		done(ctx.Err())
	}
}

func (p *ibmProducer) close() { p.base.AsyncClose() }

func (s *ibm) consumer(o consumerOptions) (consumer, error) {
	config := sarama.NewConfig()
	config.Consumer.Return.Errors = true
	config.Consumer.MaxWaitTime = o.wait
	config.Consumer.Fetch.Min = 1
	if o.committed {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	if o.bytesMax > 0 {
		config.Consumer.Fetch.Default = o.bytesMax
	}
	base, err := sarama.NewConsumer([]string{s.bootstrap}, config)
	if err != nil {
		return nil, err
	}
	c := &ibmConsumer{base: base, in: make(chan result, 100), stop: make(chan struct{})}
	for p, at := range o.from {
		reader, err := base.ConsumePartition(o.topic, p, at)
		if err != nil {
			return nil, err
		}
		go c.forward(reader)
	}
	return c, nil
}

type result struct {
	record *record
	err    error
}

type ibmConsumer struct {
	base sarama.Consumer
	in   chan result
	stop chan struct{}
}

func (c *ibmConsumer) forward(reader sarama.PartitionConsumer) {
	for {
		var out result
		select {
		case m, ok := <-reader.Messages():
			if !ok {
				return
			}
			out.record = fromSarama(m)
		case e := <-reader.Errors():
			// Errors of a connection are reported and then retried by sarama itself.
			if e == nil || errorCode(e.Err) == 0 {
				continue
			}
			out.err = e.Err
		case <-c.stop:
			reader.AsyncClose()
			return
		}
		select {
		case c.in <- out:
		case <-c.stop:
			reader.AsyncClose()
			return
		}
	}
}

func fromSarama(m *sarama.ConsumerMessage) *record {
	r := &record{key: m.Key, value: m.Value, timestampMs: m.Timestamp.UnixMilli(), partition: m.Partition, offset: m.Offset}
	for _, h := range m.Headers {
		r.headers = append(r.headers, header{string(h.Key), h.Value})
	}
	return r
}

func (c *ibmConsumer) next(ctx context.Context) (*record, error) {
	select {
	case out := <-c.in:
		return out.record, out.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *ibmConsumer) close() { close(c.stop) }
