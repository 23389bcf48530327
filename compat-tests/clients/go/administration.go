package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Sources of a config, as the protocol numbers them.
const (
	sourceTopic   = 1
	sourceDefault = 5
)

// errLeftOut is what an administrator answers that has no such request.
var errLeftOut = errors.New("this client has no such request")

type resource struct {
	broker bool
	name   string
}

type change struct {
	operation   int8 // 0 set, 1 delete, 2 append, 3 subtract
	name, value string
}

// administrator has a method per request. Replicas are of partition 0 of a topic where nothing else is said.
type administrator interface {
	createAs(ctx context.Context, topic string, assignments [][]int32, configs map[string]string, validateOnly bool) error
	growTo(ctx context.Context, topic string, partitions int32, assignments [][]int32, validateOnly bool) error
	config(ctx context.Context, of resource, name string) (value string, source int, err error)
	change(ctx context.Context, of resource, changes []change, validateOnly bool) error
	replace(ctx context.Context, topic string, configs map[string]string) error
	elect(ctx context.Context, unclean bool, topic string, partition int32) error
	// reassign cancels without replicas.
	reassign(ctx context.Context, topic string, replicas []int32) error
	reassigning(ctx context.Context, topic string) (bool, error)
	// deleteRecords returns the low watermark, or -1 if the client does not tell it.
	deleteRecords(ctx context.Context, topic string, before int64) (int64, error)
	cluster(ctx context.Context) (controller int32, nodes []int32, err error)
	// logDirs returns the bytes that a topic has in each directory.
	logDirs(ctx context.Context, topic string) (map[string]int64, error)
	moveReplica(ctx context.Context, topic, directory string) error
	describeACLs(ctx context.Context) error
	createACL(ctx context.Context, topic string) error
	deleteACLs(ctx context.Context) error
	quotas(ctx context.Context, user string) (map[string]float64, error)
	setQuota(ctx context.Context, user, name string, value float64) error
	removeQuota(ctx context.Context, user, name string) error
	// iterations of the user's SCRAM-SHA-256 credential.
	iterations(ctx context.Context, user string) (int32, error)
	addCredential(ctx context.Context, user string, iterations int32) error
	deleteCredential(ctx context.Context, user string) error
}

// steps plays all that the client can do.
func steps(all ...func() error) error {
	for _, step := range all {
		err := step()
		if errors.Is(err, errLeftOut) {
			fmt.Println("left out:", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// refused expects this error code, or an error whose code the client keeps to itself.
func refused(what string, err error, code int16) error {
	if errors.Is(err, errLeftOut) || err != nil && errorCode(err) == 0 {
		fmt.Println(what, "without a code:", err)
		return nil
	}
	return expectCode(what, err, code)
}

func (r *run) adminConfigs() error {
	admin := r.client.(administrator)
	if err := r.newTopic(r.topic, 1, nil); err != nil {
		return err
	}
	return steps(
		func() error { return r.validateOnly(admin) },
		func() error { return r.incremental(admin) },
		func() error { return r.replaced(admin) },
		func() error { return r.brokerConfigs(admin) },
	)
}

func (r *run) validateOnly(admin administrator) error {
	name := r.topic + "-not"
	if err := admin.createAs(r.ctx, name, nil, nil, true); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	err := admin.createAs(r.ctx, name, nil, map[string]string{"retention.ms": "abc"}, true)
	if err := refused("validate a bad config", err, codeInvalidConfig); err != nil {
		return err
	}
	names, err := r.client.listTopics(r.ctx)
	if slices.Contains(names, name) {
		return errors.New("a topic that was only to be validated is there")
	}
	return err
}

func (r *run) incremental(admin administrator) error {
	topic := resource{name: r.topic}
	if err := admin.change(r.ctx, topic, []change{{0, "retention.ms", "1000"}, {2, "cleanup.policy", "compact"}}, false); err != nil {
		return fmt.Errorf("set and append: %w", err)
	}
	if err := errors.Join(r.configured(admin, "retention.ms", "1000", sourceTopic),
		r.configured(admin, "cleanup.policy", "delete,compact", sourceTopic)); err != nil {
		return err
	}
	if err := admin.change(r.ctx, topic, []change{{0, "retention.ms", "2000"}}, true); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	if err := r.configured(admin, "retention.ms", "1000", sourceTopic); err != nil {
		return err
	}
	if err := admin.change(r.ctx, topic, []change{{1, "retention.ms", ""}, {3, "cleanup.policy", "delete"}}, false); err != nil {
		return fmt.Errorf("delete and subtract: %w", err)
	}
	change := func(of resource, operation int8, name, value string) error {
		return admin.change(r.ctx, of, []change{{operation, name, value}}, false)
	}
	return errors.Join(
		r.configured(admin, "retention.ms", "604800000", sourceDefault),
		r.configured(admin, "cleanup.policy", "compact", sourceTopic),
		refused("bad value", change(topic, 0, "retention.ms", "abc"), codeInvalidConfig),
		refused("unknown config", change(topic, 0, "no.such.config", "1"), codeInvalidConfig),
		refused("append to a number", change(topic, 2, "retention.ms", "1"), codeInvalidConfig),
		refused("unknown topic", change(resource{name: r.topic + "-not"}, 0, "retention.ms", "1"), codeUnknownTopic),
	)
}

func (r *run) replaced(admin administrator) error {
	if err := admin.replace(r.ctx, r.topic, map[string]string{"max.message.bytes": "2000"}); err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	return errors.Join(
		r.configured(admin, "max.message.bytes", "2000", sourceTopic),
		r.configured(admin, "cleanup.policy", "delete", sourceDefault),
		refused("bad value", admin.replace(r.ctx, r.topic, map[string]string{"retention.ms": "abc"}), codeInvalidConfig),
	)
}

func (r *run) brokerConfigs(admin administrator) error {
	broker := resource{broker: true, name: "1"}
	value, source, err := admin.config(r.ctx, broker, "log.retention.hours")
	if err != nil || value != "168" || source != sourceDefault {
		return fmt.Errorf("log.retention.hours is %s by %d (%w)", value, source, err)
	}
	if err := admin.change(r.ctx, broker, []change{{0, "log.cleaner.threads", "2"}}, true); err != nil {
		return fmt.Errorf("validate a broker config: %w", err)
	}
	return errors.Join(
		refused("bad value", admin.change(r.ctx, broker, []change{{0, "log.cleaner.threads", "abc"}}, false), codeInvalidRequest),
		refused("static config", admin.change(r.ctx, broker, []change{{0, "node.id", "7"}}, false), codeInvalidRequest),
	)
}

// configured waits: Apache Kafka answers before its brokers have taken a change over.
func (r *run) configured(admin administrator, name, value string, source int) error {
	return r.await(fmt.Sprintf("%s is %s by %d", name, value, source), func() (bool, error) {
		foundValue, foundSource, err := admin.config(r.ctx, resource{name: r.topic}, name)
		return foundValue == value && foundSource == source, err
	})
}

func (r *run) adminPartitions() error {
	admin := r.client.(administrator)
	return steps(
		func() error { return r.assigned(admin) },
		func() error { return r.grown(admin) },
		func() error { return r.elections(admin) },
		func() error { return r.reassignments(admin) },
	)
}

func (r *run) assigned(admin administrator) error {
	err := admin.createAs(r.ctx, r.topic, [][]int32{{1}, {1}}, nil, false)
	if errors.Is(err, errLeftOut) {
		return errors.Join(r.newTopic(r.topic, 2, nil), err)
	}
	if err != nil {
		return fmt.Errorf("create with assignments: %w", err)
	}
	err = admin.createAs(r.ctx, r.topic+"-not", [][]int32{{2}}, nil, false)
	return errors.Join(r.awaitPartitions(r.topic, 2), refused("unknown broker", err, codeInvalidReplicaAssignment))
}

func (r *run) grown(admin administrator) error {
	if err := admin.growTo(r.ctx, r.topic, 3, [][]int32{{1}}, true); err != nil {
		return fmt.Errorf("validate 3 partitions: %w", err)
	}
	err := admin.growTo(r.ctx, r.topic, 3, [][]int32{{2}}, false)
	if err := errors.Join(refused("unknown broker", err, codeInvalidReplicaAssignment), r.awaitPartitions(r.topic, 2)); err != nil {
		return err
	}
	if err := admin.growTo(r.ctx, r.topic, 3, [][]int32{{1}}, false); err != nil {
		return fmt.Errorf("grow to 3: %w", err)
	}
	return r.awaitPartitions(r.topic, 3)
}

func (r *run) elections(admin administrator) error {
	return errors.Join(
		refused("preferred election", admin.elect(r.ctx, false, r.topic, 0), codeElectionNotNeeded),
		refused("unclean election", admin.elect(r.ctx, true, r.topic, 0), codeElectionNotNeeded),
		refused("election of nothing", admin.elect(r.ctx, false, r.topic, 9), codeUnknownTopic),
	)
}

func (r *run) reassignments(admin administrator) error {
	if err := admin.reassign(r.ctx, r.topic, []int32{1}); err != nil {
		return fmt.Errorf("reassign: %w", err)
	}
	done := r.await("no reassignment is under way", func() (bool, error) {
		moving, err := admin.reassigning(r.ctx, r.topic)
		return !moving, err
	})
	return errors.Join(done,
		refused("unknown broker", admin.reassign(r.ctx, r.topic, []int32{2}), codeInvalidReplicaAssignment),
		refused("cancel nothing", admin.reassign(r.ctx, r.topic, nil), codeNoReassignment),
		refused("unknown topic", admin.reassign(r.ctx, r.topic+"-not", []int32{1}), codeUnknownTopic),
	)
}

func (r *run) adminRecords() error {
	admin := r.client.(administrator)
	if err := r.newTopic(r.topic, 1, nil); err != nil {
		return err
	}
	if err := r.produceValues(10); err != nil {
		return err
	}
	deleteTo := func(before, low int64) error {
		found, err := admin.deleteRecords(r.ctx, r.topic, before)
		if err != nil || found != low && found != -1 {
			return fmt.Errorf("delete before %d: low watermark %d (%w)", before, found, err)
		}
		return r.bounds(low, 10)
	}
	if err := errors.Join(r.bounds(0, 10), deleteTo(4, 4), deleteTo(2, 4)); err != nil {
		return err
	}
	_, err := admin.deleteRecords(r.ctx, r.topic, 11)
	return errors.Join(refused("delete beyond the end", err, codeOffsetOutOfRange), deleteTo(-1, 10))
}

func (r *run) produceValues(count int) error {
	p, err := r.newProducer(producerOptions{})
	if err != nil {
		return err
	}
	defer p.close()
	for i := range count {
		if err := send(r.ctx, p, &record{value: fmt.Appendf(nil, "%d", i)}); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) bounds(earliest, latest int64) error {
	first, err := r.client.offset(r.ctx, r.topic, 0, offsetEarliest)
	next, other := r.client.offset(r.ctx, r.topic, 0, offsetLatest)
	if first != earliest || next != latest {
		return fmt.Errorf("the log is %d to %d, expected %d to %d (%w)", first, next, earliest, latest, errors.Join(err, other))
	}
	return nil
}

func (r *run) adminCluster() error {
	admin := r.client.(administrator)
	if err := r.newTopic(r.topic, 1, nil); err != nil {
		return err
	}
	if err := r.produceValues(1); err != nil {
		return err
	}
	return steps(
		func() error {
			controller, nodes, err := admin.cluster(r.ctx)
			if controller != 1 || !slices.Equal(nodes, []int32{1}) {
				return fmt.Errorf("controller %d, nodes %v (%w)", controller, nodes, err)
			}
			return nil
		},
		func() error { return r.directories(admin) },
		func() error { return refused("describe ACLs", admin.describeACLs(r.ctx), codeSecurityDisabled) },
		func() error { return refused("create an ACL", admin.createACL(r.ctx, r.topic), codeSecurityDisabled) },
		func() error { return refused("delete ACLs", admin.deleteACLs(r.ctx), codeSecurityDisabled) },
		func() error { return r.clientQuotas(admin) },
		func() error { return r.credentials(admin) },
	)
}

func (r *run) directories(admin administrator) error {
	sizes, err := admin.logDirs(r.ctx, r.topic)
	if err != nil {
		return fmt.Errorf("log directories: %w", err)
	}
	for directory, size := range sizes {
		if size > 0 {
			refusal := refused("unknown directory", admin.moveReplica(r.ctx, r.topic, "/no/such/dir"), codeLogDirNotFound)
			return errors.Join(refusal, admin.moveReplica(r.ctx, r.topic, directory))
		}
	}
	return fmt.Errorf("the topic's log has no size: %v", sizes)
}

func (r *run) clientQuotas(admin administrator) error {
	const rate = "producer_byte_rate"
	is := func(value float64) error {
		return r.await(fmt.Sprintf("quota %f", value), func() (bool, error) {
			found, err := admin.quotas(r.ctx, r.topic)
			return found[rate] == value, err
		})
	}
	if err := admin.setQuota(r.ctx, r.topic, rate, 1024); err != nil {
		return fmt.Errorf("set a quota: %w", err)
	}
	if err := errors.Join(is(1024),
		refused("negative quota", admin.setQuota(r.ctx, r.topic, rate, -1), codeInvalidRequest),
		refused("unknown quota", admin.setQuota(r.ctx, r.topic, "no_such_rate", 1), codeInvalidRequest)); err != nil {
		return err
	}
	return errors.Join(admin.removeQuota(r.ctx, r.topic, rate), is(0))
}

func (r *run) credentials(admin administrator) error {
	if err := admin.addCredential(r.ctx, r.topic, 8192); err != nil {
		return fmt.Errorf("add a credential: %w", err)
	}
	told := r.await("the credential is told", func() (bool, error) {
		found, _ := admin.iterations(r.ctx, r.topic)
		return found == 8192, nil
	})
	weak := refused("too few iterations", admin.addCredential(r.ctx, r.topic, 4095), codeUnacceptableCredential)
	if err := errors.Join(told, weak, admin.deleteCredential(r.ctx, r.topic)); err != nil {
		return err
	}
	gone := r.await("the credential is gone", func() (bool, error) {
		_, err := admin.iterations(r.ctx, r.topic)
		return errorCode(err) == codeResourceNotFound, nil
	})
	return errors.Join(gone, refused("delete no credential", admin.deleteCredential(r.ctx, r.topic), codeResourceNotFound))
}
