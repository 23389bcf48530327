package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
)

// createAs has no assignments to give: kadm's requests have none.
func (f *franz) createAs(ctx context.Context, topic string, assignments [][]int32, configs map[string]string, validateOnly bool) error {
	if assignments != nil || !validateOnly {
		return errLeftOut
	}
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	answers, err := f.admin.ValidateCreateTopics(ctx, 1, 1, values, topic)
	return errors.Join(err, answers.Error())
}

func (f *franz) growTo(context.Context, string, int32, [][]int32, bool) error { return errLeftOut }

func (f *franz) config(ctx context.Context, of resource, name string) (string, int, error) {
	found, err := f.described(ctx, of)
	if err != nil {
		return "", 0, err
	}
	answer, err := found.On(of.name, nil)
	for _, c := range answer.Configs {
		if c.Key == name {
			return c.MaybeValue(), int(c.Source), nil
		}
	}
	return "", 0, errors.Join(err, answer.Err)
}

func (f *franz) described(ctx context.Context, of resource) (kadm.ResourceConfigs, error) {
	if of.broker {
		return f.admin.DescribeBrokerConfigs(ctx, nodeOf(of))
	}
	return f.admin.DescribeTopicConfigs(ctx, of.name)
}

func nodeOf(of resource) int32 {
	node, _ := strconv.ParseInt(of.name, 10, 32)
	return int32(node)
}

func (f *franz) change(ctx context.Context, of resource, changes []change, validateOnly bool) error {
	var wanted []kadm.AlterConfig
	for _, c := range changes {
		wanted = append(wanted, kadm.AlterConfig{Op: kadm.IncrementalOp(c.operation), Name: c.name, Value: &c.value})
	}
	var answers kadm.AlterConfigsResponses
	var err error
	switch {
	case of.broker && validateOnly:
		answers, err = f.admin.ValidateAlterBrokerConfigs(ctx, wanted, nodeOf(of))
	case of.broker:
		answers, err = f.admin.AlterBrokerConfigs(ctx, wanted, nodeOf(of))
	case validateOnly:
		answers, err = f.admin.ValidateAlterTopicConfigs(ctx, wanted, of.name)
	default:
		answers, err = f.admin.AlterTopicConfigs(ctx, wanted, of.name)
	}
	return altered(answers, err)
}

func (f *franz) replace(ctx context.Context, topic string, configs map[string]string) error {
	var wanted []kadm.AlterConfig
	for name, value := range configs {
		wanted = append(wanted, kadm.AlterConfig{Name: name, Value: &value})
	}
	return altered(f.admin.AlterTopicConfigsState(ctx, wanted, topic))
}

func altered(answers kadm.AlterConfigsResponses, err error) error {
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	return err
}

func (f *franz) elect(ctx context.Context, unclean bool, topic string, partition int32) error {
	how := kadm.ElectPreferredReplica
	if unclean {
		how = kadm.ElectLiveReplica
	}
	var places kadm.TopicsSet
	places.Add(topic, partition)
	answers, err := f.admin.ElectLeaders(ctx, how, places)
	return errors.Join(err, answers[topic][partition].Err)
}

func (f *franz) reassign(ctx context.Context, topic string, replicas []int32) error {
	var wanted kadm.AlterPartitionAssignmentsReq
	wanted.Assign(topic, 0, replicas)
	answers, err := f.admin.AlterPartitionAssignments(ctx, wanted)
	return errors.Join(err, answers.Error())
}

func (f *franz) reassigning(ctx context.Context, topic string) (bool, error) {
	var places kadm.TopicsSet
	places.Add(topic, 0)
	answers, err := f.admin.ListPartitionReassignments(ctx, places)
	return len(answers) > 0, err
}

func (f *franz) deleteRecords(ctx context.Context, topic string, before int64) (int64, error) {
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, before, -1)
	answers, err := f.admin.DeleteRecords(ctx, offsets)
	answer := answers[topic][0]
	return answer.LowWatermark, errors.Join(err, answer.Err)
}

func (f *franz) cluster(ctx context.Context) (int32, []int32, error) {
	found, err := f.admin.BrokerMetadata(ctx)
	return found.Controller, found.Brokers.NodeIDs(), err
}

func (f *franz) logDirs(ctx context.Context, topic string) (map[string]int64, error) {
	found, err := f.admin.DescribeBrokerLogDirs(ctx, 1, nil)
	sizes := map[string]int64{}
	for name, directory := range found {
		for _, partition := range directory.Topics[topic] {
			sizes[name] += partition.Size
		}
	}
	return sizes, errors.Join(err, found.Error())
}

func (f *franz) moveReplica(ctx context.Context, topic, directory string) error {
	var places kadm.TopicsSet
	places.Add(topic, 0)
	var wanted kadm.AlterReplicaLogDirsReq
	wanted.Add(directory, places)
	answers, err := f.admin.AlterBrokerReplicaLogDirs(ctx, 1, wanted)
	answers.Each(func(answer kadm.AlterReplicaLogDirsResponse) { err = errors.Join(err, answer.Err) })
	return err
}

func anyACL() *kadm.ACLBuilder {
	return kadm.NewACLs().AnyResource().Allow().AllowHosts().Deny().DenyHosts().Operations().
		ResourcePatternType(kadm.ACLPatternAny)
}

func (f *franz) describeACLs(ctx context.Context) error {
	answers, err := f.admin.DescribeACLs(ctx, anyACL())
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	return err
}

func (f *franz) createACL(ctx context.Context, topic string) error {
	wanted := kadm.NewACLs().Topics(topic).Allow("User:alice").AllowHosts().Operations(kadm.OpRead)
	answers, err := f.admin.CreateACLs(ctx, wanted)
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	return err
}

func (f *franz) deleteACLs(ctx context.Context) error {
	answers, err := f.admin.DeleteACLs(ctx, anyACL())
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	return err
}

func (f *franz) quotas(ctx context.Context, user string) (map[string]float64, error) {
	found, err := f.admin.DescribeClientQuotas(ctx, true, []kadm.DescribeClientQuotaComponent{{Type: "user", MatchName: &user}})
	values := map[string]float64{}
	for _, entry := range found {
		for _, value := range entry.Values {
			values[value.Key] = value.Value
		}
	}
	return values, err
}

func (f *franz) setQuota(ctx context.Context, user, name string, value float64) error {
	return f.alterQuota(ctx, user, kadm.AlterClientQuotaOp{Key: name, Value: value})
}

func (f *franz) removeQuota(ctx context.Context, user, name string) error {
	return f.alterQuota(ctx, user, kadm.AlterClientQuotaOp{Key: name, Remove: true})
}

func (f *franz) alterQuota(ctx context.Context, user string, op kadm.AlterClientQuotaOp) error {
	entity := kadm.ClientQuotaEntity{{Type: "user", Name: &user}}
	answers, err := f.admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{Entity: entity, Ops: []kadm.AlterClientQuotaOp{op}}})
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	return err
}

func (f *franz) iterations(ctx context.Context, user string) (int32, error) {
	found, err := f.admin.DescribeUserSCRAMs(ctx, user)
	for _, info := range found[user].CredInfos {
		return info.Iterations, err
	}
	return 0, errors.Join(err, found.Error())
}

func (f *franz) addCredential(ctx context.Context, user string, iterations int32) error {
	wanted := kadm.UpsertSCRAM{User: user, Mechanism: kadm.ScramSha256, Iterations: iterations, Password: "secret"}
	answers, err := f.admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{wanted})
	return errors.Join(err, answers.Error())
}

func (f *franz) deleteCredential(ctx context.Context, user string) error {
	answers, err := f.admin.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: user, Mechanism: kadm.ScramSha256}}, nil)
	return errors.Join(err, answers.Error())
}
