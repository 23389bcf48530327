package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const (
	ibmMaxWait = 100 * time.Millisecond
	// From the answer to a commit to the channel of errors.
	ibmErrorsTake = 30 * time.Millisecond
)

func (s *ibm) member(r *reporter) member { return &ibmMember{s: s, r: r} }

// ibmMember is a sarama.ConsumerGroup and the handler of its sessions.
type ibmMember struct {
	s      *ibm
	r      *reporter
	o      joinOptions
	base   sarama.ConsumerGroup
	stop   context.CancelFunc
	ended  chan struct{}
	errors chan error // the latest ones, for a commit that waits

	mu      sync.Mutex
	session sarama.ConsumerGroupSession
}

func (m *ibmMember) join(_ context.Context, o joinOptions) error {
	config, err := ibmGroupConfig(o)
	if err != nil {
		return err
	}
	m.o = o
	m.base, err = sarama.NewConsumerGroup([]string{m.s.bootstrap}, o.group, config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop, m.ended, m.errors = cancel, make(chan struct{}), make(chan error, 100)
	go m.watchErrors()
	go m.loop(ctx)
	return nil
}

func ibmGroupConfig(o joinOptions) (*sarama.Config, error) {
	config := sarama.NewConfig()
	switch {
	case o.consumerProtocol:
		return nil, unsupported{"protocol=consumer"}
	case o.pattern != "":
		return nil, unsupported{"pattern"}
	case o.reset == "none":
		return nil, unsupported{"reset=none"}
	}
	strategy, ok := map[string]func() sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange, "roundrobin": sarama.NewBalanceStrategyRoundRobin,
		"sticky": sarama.NewBalanceStrategySticky, "cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
	}[o.assignor]
	if !ok {
		return nil, unsupported{"assignor " + o.assignor}
	}
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
	config.Consumer.Group.Session.Timeout = o.session
	config.Consumer.Group.Heartbeat.Interval = o.heartbeat
	config.Consumer.Group.InstanceId = o.instance
	config.Consumer.Offsets.AutoCommit.Enable = o.autoCommit > 0
	if o.autoCommit > 0 {
		config.Consumer.Offsets.AutoCommit.Interval = o.autoCommit
	}
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	if o.reset == "latest" {
		config.Consumer.Offsets.Initial = sarama.OffsetNewest
	}
	config.Consumer.Return.Errors = true
	config.Consumer.MaxWaitTime = ibmMaxWait
	config.Metadata.RefreshFrequency = time.Second
	return config, nil
}

func (m *ibmMember) watchErrors() {
	for err := range m.base.Errors() {
		m.r.failed(err)
		select {
		case m.errors <- err:
		default:
		}
	}
}

func (m *ibmMember) loop(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		err := m.base.Consume(ctx, m.o.topics, m)
		if errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return
		}
		if err != nil && ctx.Err() == nil {
			m.r.failed(err)
			// A fenced member would fence the other one in its turn.
			if errors.Is(err, sarama.ErrFencedInstancedId) {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (m *ibmMember) Setup(session sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	m.session = session
	m.mu.Unlock()
	m.r.assigned(session.GenerationID(), session.MemberID(), places(session.Claims()))
	return nil
}

func (m *ibmMember) Cleanup(session sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	m.session = nil
	m.mu.Unlock()
	m.r.gone("revoked", places(session.Claims()))
	return nil
}

func (m *ibmMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			m.deliver(session, claim, message)
		case <-session.Context().Done():
			return nil
		}
	}
}

// deliver takes what has arrived as one batch.
func (m *ibmMember) deliver(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim, message *sarama.ConsumerMessage) {
	p := place{claim.Topic(), claim.Partition()}
	delivered := []int64{message.Offset}
	for more := true; more && len(delivered) < 1000; {
		select {
		case next, ok := <-claim.Messages():
			if more = ok; ok {
				message = next
				delivered = append(delivered, next.Offset)
			}
		default:
			more = false
		}
	}
	m.r.records(p, delivered)
	if m.o.autoCommit > 0 {
		session.MarkMessage(message, "")
	}
	if m.o.commitEach {
		asked, o := now(), offsets{p: {at: message.Offset + 1}}
		if err := m.commitIn(session, o); err != nil {
			m.r.failed(err)
		} else {
			m.r.committed(asked, o)
		}
	}
}

func (m *ibmMember) commit(_ context.Context, async bool, o offsets) error {
	if async {
		return unsupported{"mode=async"}
	}
	m.mu.Lock()
	session := m.session
	m.mu.Unlock()
	if session == nil {
		return errors.New("the session is over")
	}
	return m.commitIn(session, o)
}

// commitIn commits as the library's users do. Commit has no result, so that the broker is asked for one.
func (m *ibmMember) commitIn(session sarama.ConsumerGroupSession, o offsets) error {
	for len(m.errors) > 0 {
		<-m.errors
	}
	for p, offset := range o {
		// The first one goes forwards only, the second one backwards.
		session.MarkOffset(p.topic, p.partition, offset.at, offset.metadata)
		session.ResetOffset(p.topic, p.partition, offset.at, offset.metadata)
	}
	session.Commit()
	found, err := m.s.groupOffsets(context.Background(), m.o.group)
	if err != nil {
		return err
	}
	select {
	case err := <-m.errors:
		return err
	case <-time.After(ibmErrorsTake):
	}
	for p, offset := range o {
		if found[p] != offset {
			return fmt.Errorf("%s: committed %d, found %d", p, offset.at, found[p].at)
		}
	}
	return nil
}

func (m *ibmMember) committed(ctx context.Context, asked []place) (offsets, error) {
	found, err := m.s.groupOffsets(ctx, m.o.group)
	wanted := offsets{}
	for _, p := range asked {
		if offset, ok := found[p]; ok {
			wanted[p] = offset
		}
	}
	return wanted, err
}

func (m *ibmMember) seek(context.Context, place, int64) error {
	return unsupported{"positions can be set only while a session begins, and only by changing what is committed"}
}

func (m *ibmMember) pause(_ context.Context, chosen []place) error {
	m.base.Pause(partitionsByTopic(chosen))
	// It holds from the next fetch on.
	time.Sleep(2 * ibmMaxWait)
	return nil
}

func (m *ibmMember) resume(_ context.Context, chosen []place) error {
	m.base.Resume(partitionsByTopic(chosen))
	return nil
}

func (m *ibmMember) close(context.Context) error {
	m.stop()
	<-m.ended
	return m.base.Close()
}

func (s *ibm) groups(context.Context) ([]string, error) {
	listed, err := s.admin.ListConsumerGroups()
	var lines []string
	for group := range listed {
		lines = append(lines, group+":-:-")
	}
	return lines, err
}

func (s *ibm) describeGroup(_ context.Context, group string) (groupDescription, error) {
	described, err := s.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return groupDescription{}, err
	}
	found := described[0]
	if found.Err != sarama.ErrNoError {
		return groupDescription{}, found.Err
	}
	d := groupDescription{state: found.State, assignor: found.Protocol, members: len(found.Members)}
	for _, one := range found.Members {
		d.instances = appendInstance(d.instances, one.GroupInstanceId)
		assignment, err := one.GetMemberAssignment()
		if err != nil {
			return d, err
		}
		if assignment != nil {
			d.places = append(d.places, places(assignment.Topics)...)
		}
	}
	return d, nil
}

func (s *ibm) groupOffsets(_ context.Context, group string) (offsets, error) {
	fetched, err := s.admin.ListConsumerGroupOffsets(group, nil)
	if err != nil {
		return nil, err
	}
	found := offsets{}
	for topic, partitions := range fetched.Blocks {
		for partition, block := range partitions {
			if block.Err != sarama.ErrNoError {
				return nil, block.Err
			}
			if block.Offset >= 0 {
				found[place{topic, partition}] = groupOffset{block.Offset, block.Metadata}
			}
		}
	}
	return found, nil
}

func (s *ibm) alterOffsets(_ context.Context, group string, o offsets) error {
	asked := byTopic(o, func(offset groupOffset) sarama.OffsetAndMetadata {
		return sarama.OffsetAndMetadata{Offset: offset.at, Metadata: offset.metadata, LeaderEpoch: -1}
	})
	answer, err := s.admin.AlterConsumerGroupOffsets(group, asked, nil)
	if err != nil {
		return err
	}
	for _, partitions := range answer.Errors {
		for _, code := range partitions {
			if code != sarama.ErrNoError {
				return code
			}
		}
	}
	return nil
}

func (s *ibm) deleteOffsets(_ context.Context, group string, chosen []place) error {
	for _, p := range chosen {
		if err := s.admin.DeleteConsumerGroupOffset(group, p.topic, p.partition); err != nil {
			return err
		}
	}
	return nil
}

func (s *ibm) deleteGroup(_ context.Context, group string) error {
	return s.admin.DeleteConsumerGroup(group)
}
