package main

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (f *franz) transactionalOptions(id string, timeout time.Duration) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(f.bootstrap),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(timeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.Dialer(dialPatiently),
	}
}

// dialPatiently waits for a broker that comes back: the library gives the end of a transaction up when its only broker is away.
func dialPatiently(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if !errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() != nil {
			return conn, err
		}
		time.Sleep(franzBackoff)
	}
}

func (f *franz) openTransactional(ctx context.Context, id string, timeout time.Duration) (txnProducer, error) {
	base, err := kgo.NewClient(f.transactionalOptions(id, timeout)...)
	if err != nil {
		return nil, err
	}
	// It would ask for its producer id at the first record.
	if _, _, err := base.ProducerID(ctx); err != nil {
		base.Close()
		return nil, err
	}
	return &franzTxn{id, base}, nil
}

const franzBackoff = 20 * time.Millisecond

type franzTxn struct {
	id   string
	base *kgo.Client
}

func (t *franzTxn) begin() error { return t.base.BeginTransaction() }

func (t *franzTxn) send(ctx context.Context, p place, values []string) error {
	var records []*kgo.Record
	for _, value := range values {
		records = append(records, &kgo.Record{Topic: p.topic, Partition: p.partition, Value: []byte(value)})
	}
	return t.base.ProduceSync(ctx, records...).FirstErr()
}

// offsets sends what the library's session of a group does, which alone can do it: here nothing has joined the group.
func (t *franzTxn) offsets(ctx context.Context, group string, o offsets) error {
	id, epoch, err := t.base.ProducerID(ctx)
	if err != nil {
		return err
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.id, id, epoch, group
	added, err := add.RequestWith(ctx, t.base)
	for ; err == nil && added.ErrorCode == kerr.ConcurrentTransactions.Code; added, err = add.RequestWith(ctx, t.base) {
		time.Sleep(franzBackoff)
	}
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(added.ErrorCode); err != nil {
		return err
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = t.id, id, epoch, group
	for topic, partitions := range byTopic(o, func(offset groupOffset) int64 { return offset.at }) {
		asked := kmsg.NewTxnOffsetCommitRequestTopic()
		asked.Topic = topic
		for p, at := range partitions {
			one := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			one.Partition, one.Offset = p, at
			asked.Partitions = append(asked.Partitions, one)
		}
		commit.Topics = append(commit.Topics, asked)
	}
	committed, err := commit.RequestWith(ctx, t.base)
	if err != nil {
		return err
	}
	for _, topic := range committed.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *franzTxn) end(ctx context.Context, commit bool) error {
	settle := t.base.AbortBufferedRecords
	if commit {
		settle = t.base.Flush
	}
	if err := settle(ctx); err != nil {
		return err
	}
	return t.base.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

func (t *franzTxn) close() { t.base.Close() }
func (t *franzTxn) drop()  { t.base.Close() }

// franzLoop leaves positions after an abort, and transactions during a rebalance, to the library's session.
type franzLoop struct {
	r       *reporter
	o       loopOptions
	session *kgo.GroupTransactSession
	over    chan struct{}
	ended   chan struct{}
}

// transactionLoop asks for its producer id at once: that ends the transaction of a dead one, whose offsets the group waits for.
func (f *franz) transactionLoop(r *reporter, o loopOptions) (txnLoop, error) {
	session, err := kgo.NewGroupTransactSession(append(f.transactionalOptions(o.id, time.Minute),
		kgo.ConsumerGroup(o.group),
		kgo.ConsumeTopics(o.source),
		kgo.Balancers(kgo.RangeBalancer()),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.RequireStableFetchOffsets(),
	)...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	if _, _, err := session.Client().ProducerID(ctx); err != nil {
		session.Close()
		return nil, err
	}
	l := &franzLoop{r, o, session, make(chan struct{}), make(chan struct{})}
	go l.run()
	return l, nil
}

func (l *franzLoop) run() {
	defer close(l.ended)
	defer l.session.Close()
	for number := 1; ; {
		select {
		case <-l.over:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), franzPoll)
		records := l.session.PollRecords(ctx, loopRecordsMax).Records()
		cancel()
		if len(records) == 0 {
			continue
		}
		switch committed, err := l.transact(records, l.o.aborts(number)); {
		case err != nil:
			l.r.failed(err)
			return
		default:
			l.r.looped(committed, len(records))
			number++
		}
	}
}

func (l *franzLoop) transact(records []*kgo.Record, abort bool) (bool, error) {
	if err := l.session.Begin(); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	for _, in := range records {
		out := &kgo.Record{Topic: l.o.sink, Partition: in.Partition, Value: in.Value}
		l.session.Produce(ctx, out, kgo.AbortingFirstErrPromise(l.session.Client()).Promise())
	}
	committed, err := l.session.End(ctx, kgo.TransactionEndTry(!abort))
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("the transaction did not end in time")
	}
	return committed, err
}

func (l *franzLoop) end() {
	close(l.over)
	<-l.ended
}
