package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const ibmBackoff = 100 * time.Millisecond

func ibmTransactional(id string, timeout time.Duration) *sarama.Config {
	config := sarama.NewConfig()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Retry.Backoff = ibmBackoff
	// It asks again after INVALID_PRODUCER_EPOCH, too; a broker that is away is waited for by its requests for metadata.
	config.Producer.Retry.Max = 20
	config.Metadata.Retry.Max = int(commandTimeout / config.Metadata.Retry.Backoff)
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Transaction.ID = id
	config.Producer.Transaction.Timeout = timeout
	config.Producer.Transaction.Retry.Max = int(commandTimeout / config.Producer.Transaction.Retry.Backoff)
	return config
}

// openTransactional asks again where the library leaves that to its user: the broker aborts a transaction under the id first.
func (s *ibm) openTransactional(ctx context.Context, id string, timeout time.Duration) (txnProducer, error) {
	for {
		base, err := sarama.NewSyncProducer([]string{s.bootstrap}, ibmTransactional(id, timeout))
		if !errors.Is(err, sarama.ErrConcurrentTransactions) || ctx.Err() != nil {
			return &ibmTxn{base}, err
		}
		time.Sleep(ibmBackoff)
	}
}

type ibmTxn struct{ base sarama.SyncProducer }

func (t *ibmTxn) begin() error { return t.base.BeginTxn() }

func (t *ibmTxn) send(_ context.Context, p place, values []string) error {
	var messages []*sarama.ProducerMessage
	for _, value := range values {
		messages = append(messages, &sarama.ProducerMessage{Topic: p.topic, Partition: p.partition, Value: sarama.StringEncoder(value)})
	}
	err := t.base.SendMessages(messages)
	var several sarama.ProducerErrors
	if errors.As(err, &several) && len(several) > 0 {
		return several[0]
	}
	return err
}

func (t *ibmTxn) offsets(_ context.Context, group string, o offsets) error {
	return t.base.AddOffsetsToTxn(ibmOffsets(o), group)
}

func ibmOffsets(o offsets) map[string][]*sarama.PartitionOffsetMetadata {
	asked := map[string][]*sarama.PartitionOffsetMetadata{}
	for p, offset := range o {
		one := &sarama.PartitionOffsetMetadata{Partition: p.partition, Offset: offset.at, LeaderEpoch: -1}
		asked[p.topic] = append(asked[p.topic], one)
	}
	return asked
}

func (t *ibmTxn) end(_ context.Context, commit bool) error {
	if commit {
		return t.base.CommitTxn()
	}
	return t.base.AbortTxn()
}

func (t *ibmTxn) close() { _ = t.base.Close() }

// It does nothing that it is not told to.
func (t *ibmTxn) drop() {}

// ibmLoop is the handler of a group's sessions. Positions go back only with a new session.
type ibmLoop struct {
	r        *reporter
	o        loopOptions
	producer *ibmTxn
	group    sarama.ConsumerGroup
	stop     context.CancelFunc
	ended    chan struct{}

	mu     sync.Mutex // one transaction at a time, whatever partition it is about
	number int
	failed error // the producer is of no use any more
}

func (s *ibm) transactionLoop(r *reporter, o loopOptions) (txnLoop, error) {
	producer, err := s.openTransactional(context.Background(), o.id, time.Minute)
	if err != nil {
		return nil, err
	}
	config, err := ibmGroupConfig(joinOptions{
		group: o.group, assignor: "range", session: 6 * time.Second, heartbeat: 500 * time.Millisecond, reset: "earliest",
	})
	if err != nil {
		return nil, err
	}
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	group, err := sarama.NewConsumerGroup([]string{s.bootstrap}, o.group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &ibmLoop{r: r, o: o, producer: producer.(*ibmTxn), group: group, stop: cancel, ended: make(chan struct{})}
	go func() {
		for range group.Errors() {
		}
	}()
	go l.run(ctx)
	return l, nil
}

func (l *ibmLoop) run(ctx context.Context) {
	defer close(l.ended)
	for ctx.Err() == nil && l.failed == nil {
		if err := l.group.Consume(ctx, []string{l.o.source}, l); err != nil && ctx.Err() == nil {
			time.Sleep(ibmBackoff)
		}
	}
	_ = l.group.Close()
	l.producer.close()
	if l.failed != nil {
		l.r.failed(l.failed)
	}
}

func (l *ibmLoop) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (l *ibmLoop) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim returns after a transaction that was not committed, which ends the session: the next one begins at what is committed.
func (l *ibmLoop) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok || !l.guarded(session, messagesNow(message, claim)) {
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

// messagesNow is what has arrived, as one batch.
func messagesNow(first *sarama.ConsumerMessage, claim sarama.ConsumerGroupClaim) []*sarama.ConsumerMessage {
	batch := []*sarama.ConsumerMessage{first}
	for len(batch) < loopRecordsMax {
		select {
		case next, ok := <-claim.Messages():
			if !ok {
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// guarded is one transaction, and whether it was committed.
func (l *ibmLoop) guarded(session sarama.ConsumerGroupSession, batch []*sarama.ConsumerMessage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil || session.Context().Err() != nil {
		return false
	}
	l.number++
	commit := !l.o.aborts(l.number)
	err := l.transact(session, batch, commit)
	if err == nil {
		l.r.looped(commit, len(batch))
		return commit
	}
	// What can be aborted is over with that, and anything else is the end of this producer.
	if fenced(err) || l.producer.end(context.Background(), false) != nil {
		l.failed = err
	}
	return false
}

func (l *ibmLoop) transact(session sarama.ConsumerGroupSession, batch []*sarama.ConsumerMessage, commit bool) error {
	if err := l.producer.begin(); err != nil {
		return err
	}
	var values []string
	for _, message := range batch {
		values = append(values, string(message.Value))
	}
	last := batch[len(batch)-1]
	if err := l.producer.send(context.Background(), place{l.o.sink, last.Partition}, values); err != nil {
		return err
	}
	metadata := sarama.NewConsumerGroupMetadataFromSession(session, l.o.group, nil)
	offsets := ibmOffsets(offsets{place{last.Topic, last.Partition}: {at: last.Offset + 1}})
	if err := l.producer.base.AddOffsetsToTxnWithGroupMetadata(offsets, metadata); err != nil {
		return err
	}
	return l.producer.end(context.Background(), commit)
}

func (l *ibmLoop) end() {
	l.stop()
	<-l.ended
}
