package main

import (
	"context"
	"errors"
	"sync"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

func (s *segment) member(r *reporter) member { return &segmentMember{s: s, r: r} }

// segmentMember is a kafka.ConsumerGroup with a Reader for each partition: a Reader with a GroupID does the same,
// but tells nothing of it. Only auto-commit, which is the Reader's own, is asked of such a Reader.
type segmentMember struct {
	s     *segment
	r     *reporter
	o     joinOptions
	base  *kafka.ConsumerGroup
	auto  *kafka.Reader
	stop  context.CancelFunc
	ended chan struct{}

	mu         sync.Mutex
	generation *kafka.Generation
	readers    map[place]*segmentReader
}

// segmentReader reads one partition during one generation.
type segmentReader struct {
	base *kafka.Reader
	// Held while a message is waited for: a seek while the Reader waits goes wrong, and no record of the old position
	// may be told of after it.
	mu sync.Mutex
}

const (
	segmentPoll = 50 * time.Millisecond
	segmentMore = time.Millisecond
)

func (m *segmentMember) join(_ context.Context, o joinOptions) error {
	balancers, ok := map[string][]kafka.GroupBalancer{
		"range": {kafka.RangeGroupBalancer{}}, "roundrobin": {kafka.RoundRobinGroupBalancer{}},
	}[o.assignor]
	switch {
	case o.consumerProtocol:
		return unsupported{"protocol=consumer"}
	case o.pattern != "":
		return unsupported{"pattern"}
	case o.instance != "":
		return unsupported{"instance"}
	case o.reset == "none":
		return unsupported{"reset=none"}
	case !ok:
		return unsupported{"assignor " + o.assignor}
	}
	m.o = o
	ctx, cancel := context.WithCancel(context.Background())
	m.stop, m.ended = cancel, make(chan struct{})
	if o.autoCommit > 0 {
		m.auto = kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{m.s.bootstrap}, GroupID: o.group, GroupTopics: o.topics, GroupBalancers: balancers,
			SessionTimeout: o.session, HeartbeatInterval: o.heartbeat, CommitInterval: o.autoCommit,
			StartOffset: m.startOffset(), MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 100 * time.Millisecond,
		})
		go m.readAuto(ctx)
		return nil
	}
	var err error
	m.base, err = kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: o.group, Brokers: []string{m.s.bootstrap}, Topics: o.topics, GroupBalancers: balancers,
		SessionTimeout: o.session, HeartbeatInterval: o.heartbeat, StartOffset: m.startOffset(),
		WatchPartitionChanges: true, PartitionWatchInterval: time.Second,
	})
	if err == nil {
		go m.loop(ctx)
	}
	return err
}

func (m *segmentMember) startOffset() int64 {
	if m.o.reset == "latest" {
		return kafka.LastOffset
	}
	return kafka.FirstOffset
}

// readAuto tells of an assignment when the first record of a partition comes: the Reader tells nothing else.
func (m *segmentMember) readAuto(ctx context.Context) {
	defer close(m.ended)
	for {
		message, err := m.auto.ReadMessage(ctx)
		if err != nil {
			return
		}
		p := place{message.Topic, int32(message.Partition)}
		m.r.mu.Lock()
		_, mine := m.r.next[p]
		m.r.mu.Unlock()
		if !mine {
			m.r.assigned(-1, "", []place{p})
		}
		m.r.records(p, []int64{message.Offset})
	}
}

func (m *segmentMember) loop(ctx context.Context) {
	defer close(m.ended)
	for {
		generation, err := m.base.Next(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, kafka.ErrGroupClosed):
			return
		case err != nil:
			m.r.failed(err)
		default:
			m.begin(generation)
		}
	}
}

func (m *segmentMember) begin(generation *kafka.Generation) {
	readers, all := map[place]*segmentReader{}, []place{}
	for topic, assignments := range generation.Assignments {
		for _, assignment := range assignments {
			p := place{topic, int32(assignment.ID)}
			base := kafka.NewReader(kafka.ReaderConfig{
				Brokers: []string{m.s.bootstrap}, Topic: topic, Partition: assignment.ID,
				MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 100 * time.Millisecond, ReadLagInterval: -1, MaxAttempts: 100,
			})
			if err := base.SetOffset(assignment.Offset); err != nil {
				m.r.failed(err)
			}
			readers[p] = &segmentReader{base: base}
			all = append(all, p)
		}
	}
	m.mu.Lock()
	m.generation, m.readers = generation, readers
	m.mu.Unlock()
	m.r.assigned(generation.ID, generation.MemberID, all)
	// One function for all of them: when it ends, all have stopped and the partitions may go.
	generation.Start(func(ctx context.Context) {
		var reading sync.WaitGroup
		for p, reader := range readers {
			reading.Go(func() { m.read(ctx, p, reader) })
		}
		<-ctx.Done()
		reading.Wait()
		m.mu.Lock()
		m.generation, m.readers = nil, nil
		m.mu.Unlock()
		m.r.gone("revoked", all)
	})
}

func (m *segmentMember) read(ctx context.Context, p place, reader *segmentReader) {
	defer reader.base.Close()
	// The generation's context only ends; the Reader wants one that is cancelled.
	ctx, cancel := withDone(ctx)
	defer cancel()
	for ctx.Err() == nil {
		if o := m.deliver(ctx, p, reader); m.o.commitEach && len(o) > 0 && ctx.Err() == nil {
			asked := now()
			if err := m.commit(ctx, false, o); err != nil {
				m.r.failed(err)
			} else {
				m.r.committed(asked, o)
			}
		}
	}
}

// deliver takes what comes at once as one batch, and returns what to commit.
func (m *segmentMember) deliver(ctx context.Context, p place, reader *segmentReader) offsets {
	reader.mu.Lock()
	defer reader.mu.Unlock()
	var delivered []int64
	for wait := segmentPoll; len(delivered) < 1000; wait = segmentMore {
		short, cancel := context.WithTimeout(ctx, wait)
		message, err := reader.base.FetchMessage(short)
		expired := short.Err() != nil
		cancel()
		if err != nil {
			if !expired {
				m.r.failed(err)
				time.Sleep(segmentPoll)
			}
			break
		}
		delivered = append(delivered, message.Offset)
	}
	if len(delivered) == 0 {
		return nil
	}
	m.r.records(p, delivered)
	return offsets{p: {at: delivered[len(delivered)-1] + 1}}
}

// withDone makes a cancelled context of one that only ends.
func withDone(ctx context.Context) (context.Context, context.CancelFunc) {
	usual, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-ctx.Done():
		case <-usual.Done():
		}
		cancel()
	}()
	return usual, cancel
}

func (m *segmentMember) commit(ctx context.Context, async bool, o offsets) error {
	if async {
		return unsupported{"mode=async"}
	}
	m.mu.Lock()
	generation := m.generation
	m.mu.Unlock()
	if generation == nil {
		return errors.New("the generation is over")
	}
	plain, metadata := map[string]map[int]int64{}, false
	for p, offset := range o {
		if plain[p.topic] == nil {
			plain[p.topic] = map[int]int64{}
		}
		plain[p.topic][int(p.partition)] = offset.at
		metadata = metadata || offset.metadata != ""
	}
	if !metadata {
		return generation.CommitOffsets(plain)
	}
	// Only the low-level client has metadata.
	return m.s.commitAs(ctx, m.o.group, int(generation.ID), generation.MemberID, o)
}

func (m *segmentMember) committed(ctx context.Context, asked []place) (offsets, error) {
	return m.s.fetchCommitted(ctx, m.o.group, asked)
}

func (m *segmentMember) seek(ctx context.Context, p place, at int64) error {
	m.mu.Lock()
	reader := m.readers[p]
	m.mu.Unlock()
	if reader == nil {
		return errors.New("not assigned")
	}
	end, err := m.s.offset(ctx, p.topic, p.partition, offsetLatest)
	if err != nil {
		return err
	}
	if at > end {
		return unsupported{"beyond the end it waits there, whatever the reset policy"}
	}
	if at == offsetEarliest || at == offsetLatest {
		at = map[int64]int64{offsetEarliest: kafka.FirstOffset, offsetLatest: kafka.LastOffset}[at]
	}
	reader.mu.Lock()
	defer reader.mu.Unlock()
	return reader.base.SetOffset(at)
}

func (m *segmentMember) pause(context.Context, []place) error  { return unsupported{"no pausing"} }
func (m *segmentMember) resume(context.Context, []place) error { return unsupported{"no pausing"} }

func (m *segmentMember) close(context.Context) error {
	if m.auto != nil {
		m.stop()
		<-m.ended
		err := m.auto.Close()
		m.r.gone("revoked", m.r.owned())
		return err
	}
	err := m.base.Close()
	m.stop()
	<-m.ended
	return err
}

func (s *segment) groups(ctx context.Context) ([]string, error) {
	listed, err := s.admin.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, group := range listed.Groups {
		lines = append(lines, group.GroupID+":-:-")
	}
	return lines, listed.Error
}

func (s *segment) describeGroup(ctx context.Context, group string) (groupDescription, error) {
	described, err := s.admin.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return groupDescription{}, err
	}
	found := described.Groups[0]
	d := groupDescription{state: found.GroupState, members: len(found.Members)}
	for _, one := range found.Members {
		for _, topic := range one.MemberAssignments.Topics {
			for _, partition := range topic.Partitions {
				d.places = append(d.places, place{topic.Topic, int32(partition)})
			}
		}
	}
	return d, found.Error
}

// groupOffsets: the client cannot ask for all partitions at once, so that it asks for those of all topics.
func (s *segment) groupOffsets(ctx context.Context, group string) (offsets, error) {
	topics, err := s.metadata(ctx)
	if err != nil {
		return nil, err
	}
	var all []place
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			all = append(all, place{topic.Name, int32(p.ID)})
		}
	}
	return s.fetchCommitted(ctx, group, all)
}

func (s *segment) fetchCommitted(ctx context.Context, group string, asked []place) (offsets, error) {
	topics := map[string][]int{}
	for _, p := range asked {
		topics[p.topic] = append(topics[p.topic], int(p.partition))
	}
	fetched, err := s.admin.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: topics})
	if err != nil {
		return nil, err
	}
	found := offsets{}
	for topic, partitions := range fetched.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, p.Error
			}
			if p.CommittedOffset >= 0 {
				found[place{topic, int32(p.Partition)}] = groupOffset{p.CommittedOffset, p.Metadata}
			}
		}
	}
	return found, fetched.Error
}

func (s *segment) alterOffsets(ctx context.Context, group string, o offsets) error {
	return s.commitAs(ctx, group, -1, "", o)
}

func (s *segment) commitAs(ctx context.Context, group string, generation int, memberID string, o offsets) error {
	topics := map[string][]kafka.OffsetCommit{}
	for p, offset := range o {
		one := kafka.OffsetCommit{Partition: int(p.partition), Offset: offset.at, Metadata: offset.metadata}
		topics[p.topic] = append(topics[p.topic], one)
	}
	answer, err := s.admin.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: generation, MemberID: memberID, Topics: topics,
	})
	if err != nil {
		return err
	}
	for _, partitions := range answer.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return p.Error
			}
		}
	}
	return nil
}

func (s *segment) deleteOffsets(ctx context.Context, group string, chosen []place) error {
	topics := map[string][]int{}
	for _, p := range chosen {
		topics[p.topic] = append(topics[p.topic], int(p.partition))
	}
	answer, err := s.admin.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: group, Topics: topics})
	if err != nil {
		return err
	}
	for _, partitions := range answer.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return p.Error
			}
		}
	}
	return answer.Error
}

func (s *segment) deleteGroup(ctx context.Context, group string) error {
	answer, err := s.admin.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return answer.Errors[group]
}
