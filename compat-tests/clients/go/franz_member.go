package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz-go serves the KIP-848 protocol only to those who put this into their context.
const franz848 = "opt_in_kafka_next_gen_balancer_beta"

const franzPoll = 50 * time.Millisecond

func (f *franz) member(r *reporter) member { return &franzMember{f: f, r: r} }

type franzMember struct {
	f      *franz
	r      *reporter
	o      joinOptions
	base   *kgo.Client
	tasks  chan func() // run between two polls
	closed chan struct{}
}

func (m *franzMember) join(_ context.Context, o joinOptions) error {
	opts := []kgo.Opt{
		kgo.SeedBrokers(m.f.bootstrap),
		kgo.ConsumerGroup(o.group),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MetadataMaxAge(time.Second),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.SessionTimeout(o.session),
		kgo.HeartbeatInterval(o.heartbeat),
		// Without it, partitions may go while records of the last poll are being told of.
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, base *kgo.Client, topics map[string][]int32) {
			id, generation := base.GroupMetadata()
			m.r.assigned(generation, id, places(topics))
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, topics map[string][]int32) {
			// What the library does at this place unless there is a callback.
			if o.autoCommit > 0 {
				if err := commitAndTell(ctx, m, m.r, false, nil); err != nil {
					m.r.failed(err)
				}
			}
			m.r.gone("revoked", places(topics))
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			m.r.gone("lost", places(topics))
		}),
	}
	more, err := m.options(o)
	if err != nil {
		return err
	}
	m.o = o
	m.base, err = kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return err
	}
	m.tasks, m.closed = make(chan func()), make(chan struct{})
	go m.loop()
	return nil
}

func (m *franzMember) options(o joinOptions) ([]kgo.Opt, error) {
	if o.reset == "none" {
		return nil, unsupported{"without a commit it starts at an end, whatever happens to offsets out of range"}
	}
	var opts []kgo.Opt
	balancer, ok := map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer(),
		// What stands for the broker's own ones.
		"uniform": kgo.StickyBalancer(), "": kgo.StickyBalancer(),
	}[o.assignor]
	if !ok {
		return nil, unsupported{"assignor " + o.assignor}
	}
	opts = append(opts, kgo.Balancers(balancer))
	if o.consumerProtocol {
		//nolint:staticcheck // the library looks for a plain string
		opts = append(opts, kgo.WithContext(context.WithValue(context.Background(), franz848, true)))
	}
	if o.pattern != "" {
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(o.pattern))
	} else {
		opts = append(opts, kgo.ConsumeTopics(o.topics...))
	}
	reset := map[string]kgo.Offset{
		"earliest": kgo.NewOffset().AtStart(), "latest": kgo.NewOffset().AtEnd(),
	}
	opts = append(opts, kgo.ConsumeResetOffset(reset[o.reset]))
	if o.instance != "" {
		opts = append(opts, kgo.InstanceID(o.instance))
	}
	if o.autoCommit == 0 {
		return append(opts, kgo.DisableAutoCommit()), nil
	}
	return append(opts, kgo.AutoCommitInterval(o.autoCommit), kgo.AutoCommitCallback(
		func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if acked := acknowledged(req, resp, err); len(acked) > 0 {
				m.r.committed(now(), acked)
			}
		})), nil
}

func acknowledged(req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) offsets {
	acked := offsets{}
	if err != nil || franzCommitError(resp) != nil {
		return acked
	}
	for _, topic := range req.Topics {
		for _, p := range topic.Partitions {
			acked[place{topic.Topic, p.Partition}] = groupOffset{at: p.Offset}
		}
	}
	return acked
}

func (m *franzMember) loop() {
	defer close(m.closed)
	for {
		select {
		case task := <-m.tasks:
			task()
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), franzPoll)
		fetches := m.base.PollFetches(ctx)
		cancel()
		if fetches.IsClientClosed() {
			return
		}
		m.deliver(fetches)
		m.base.AllowRebalance()
	}
}

func (m *franzMember) deliver(fetches kgo.Fetches) {
	fetches.EachError(func(_ string, _ int32, err error) {
		if !errors.Is(err, context.DeadlineExceeded) {
			m.r.failed(err)
		}
	})
	fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
		var delivered []int64
		for _, record := range fetched.Records {
			delivered = append(delivered, record.Offset)
		}
		m.r.records(place{fetched.Topic, fetched.Partition}, delivered)
	})
	if m.o.commitEach && fetches.NumRecords() > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
		defer cancel()
		if err := commitAndTell(ctx, m, m.r, false, nil); err != nil {
			m.r.failed(err)
		}
	}
}

func (m *franzMember) commit(ctx context.Context, async bool, o offsets) error {
	answer := make(chan error, 1)
	done := func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err == nil {
			err = franzCommitError(resp)
		}
		answer <- err
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				p := &req.Topics[i].Partitions[j]
				p.Metadata = kmsg.StringPtr(o[place{req.Topics[i].Topic, p.Partition}].metadata)
			}
		}
		return nil
	})
	asked := byTopic(o, func(offset groupOffset) kgo.EpochOffset { return kgo.EpochOffset{Epoch: -1, Offset: offset.at} })
	if async {
		m.base.CommitOffsets(ctx, asked, done)
	} else {
		m.base.CommitOffsetsSync(ctx, asked, done)
	}
	return <-answer
}

func franzCommitError(resp *kmsg.OffsetCommitResponse) error {
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *franzMember) committed(ctx context.Context, asked []place) (offsets, error) {
	found, err := m.f.groupOffsets(ctx, m.o.group)
	wanted := offsets{}
	for _, p := range asked {
		if offset, ok := found[p]; ok {
			wanted[p] = offset
		}
	}
	return wanted, err
}

// between runs a task between two polls, so that no record of an earlier position is told of after it.
func (m *franzMember) between(ctx context.Context, task func()) error {
	done := make(chan struct{})
	select {
	case m.tasks <- func() { task(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *franzMember) seek(ctx context.Context, p place, at int64) error {
	if at < 0 {
		listed, err := m.f.offset(ctx, p.topic, p.partition, at)
		if err != nil {
			return err
		}
		at = listed
	}
	return m.between(ctx, func() {
		m.base.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.topic: {p.partition: {Epoch: -1, Offset: at}}})
	})
}

func (m *franzMember) pause(ctx context.Context, chosen []place) error {
	return m.between(ctx, func() { m.base.PauseFetchPartitions(partitionsByTopic(chosen)) })
}

func (m *franzMember) resume(ctx context.Context, chosen []place) error {
	return m.between(ctx, func() { m.base.ResumeFetchPartitions(partitionsByTopic(chosen)) })
}

// close happens between two polls as well: it tells of what is revoked, and no record may be told of after that.
func (m *franzMember) close(ctx context.Context) error {
	err := m.between(ctx, m.base.CloseAllowingRebalance)
	if err == nil {
		<-m.closed
	}
	return err
}

func (f *franz) groups(ctx context.Context) ([]string, error) {
	listed, err := f.admin.ListGroups(ctx)
	var lines []string
	for _, group := range listed.Sorted() {
		lines = append(lines, fmt.Sprintf("%s:%s:-", group.Group, orDash(strings.ToLower(group.State))))
	}
	return lines, err
}

// describeGroup asks as Kafka's own admin client does: for a KIP-848 group first.
func (f *franz) describeGroup(ctx context.Context, group string) (groupDescription, error) {
	modern, err := f.admin.DescribeConsumerGroups(ctx, group)
	if err != nil {
		return groupDescription{}, err
	}
	if found, ok := modern[group]; ok && found.Err == nil {
		d := groupDescription{state: found.State, kind: "consumer", assignor: found.AssignorName, members: len(found.Members)}
		for _, one := range found.Members {
			d.instances = appendInstance(d.instances, one.InstanceID)
			d.places = appendPlaces(d.places, one.Assignment)
		}
		return d, nil
	}
	described, err := f.admin.DescribeGroups(ctx, group)
	if err != nil {
		return groupDescription{}, err
	}
	found := described[group]
	if found.Err != nil {
		return groupDescription{}, found.Err
	}
	d := groupDescription{state: found.State, kind: "classic", assignor: found.Protocol, members: len(found.Members)}
	for _, one := range found.Members {
		d.instances = appendInstance(d.instances, one.InstanceID)
	}
	d.places = appendPlaces(d.places, found.AssignedPartitions())
	return d, nil
}

func appendInstance(instances []string, id *string) []string {
	if id == nil {
		return instances
	}
	return append(instances, *id)
}

func appendPlaces(found []place, set kadm.TopicsSet) []place {
	for topic, partitions := range set {
		for partition := range partitions {
			found = append(found, place{topic, partition})
		}
	}
	return found
}

func (f *franz) groupOffsets(ctx context.Context, group string) (offsets, error) {
	fetched, err := f.admin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	found := offsets{}
	fetched.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			found[place{o.Topic, o.Partition}] = groupOffset{o.At, o.Metadata}
		}
	})
	return found, fetched.Error()
}

func (f *franz) alterOffsets(ctx context.Context, group string, o offsets) error {
	asked := kadm.Offsets{}
	for p, offset := range o {
		asked.Add(kadm.Offset{Topic: p.topic, Partition: p.partition, At: offset.at, LeaderEpoch: -1, Metadata: offset.metadata})
	}
	return f.admin.CommitAllOffsets(ctx, group, asked)
}

func (f *franz) deleteOffsets(ctx context.Context, group string, chosen []place) error {
	set := kadm.TopicsSet{}
	for _, p := range chosen {
		set.Add(p.topic, p.partition)
	}
	deleted, err := f.admin.DeleteOffsets(ctx, group, set)
	if err != nil {
		return err
	}
	return deleted.Error()
}

func (f *franz) deleteGroup(ctx context.Context, group string) error {
	deleted, err := f.admin.DeleteGroup(ctx, group)
	return errors.Join(err, deleted.Err)
}
