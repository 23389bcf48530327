package main

import (
	"context"
	"errors"

	"github.com/IBM/sarama"
)

func (s *ibm) createAs(_ context.Context, topic string, assignments [][]int32, configs map[string]string, validateOnly bool) error {
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
	if assignments != nil {
		detail.NumPartitions, detail.ReplicationFactor, detail.ReplicaAssignment = -1, -1, map[int32][]int32{}
		for i, replicas := range assignments {
			detail.ReplicaAssignment[int32(i)] = replicas
		}
	}
	for k, v := range configs {
		detail.ConfigEntries[k] = &v
	}
	return s.admin.CreateTopic(topic, detail, validateOnly)
}

func (s *ibm) growTo(_ context.Context, topic string, partitions int32, assignments [][]int32, validateOnly bool) error {
	return s.admin.CreatePartitions(topic, partitions, assignments, validateOnly)
}

func kindOf(of resource) sarama.ConfigResourceType {
	if of.broker {
		return sarama.BrokerResource
	}
	return sarama.TopicResource
}

func (s *ibm) config(_ context.Context, of resource, name string) (string, int, error) {
	entries, err := s.admin.DescribeConfig(sarama.ConfigResource{Type: kindOf(of), Name: of.name, ConfigNames: []string{name}})
	for _, e := range entries {
		if e.Name == name {
			return e.Value, int(e.Source), nil
		}
	}
	return "", 0, err
}

func (s *ibm) change(_ context.Context, of resource, changes []change, validateOnly bool) error {
	entries := map[string]sarama.IncrementalAlterConfigsEntry{}
	for _, c := range changes {
		entry := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperation(c.operation)}
		if c.value != "" {
			entry.Value = &c.value
		}
		entries[c.name] = entry
	}
	return s.admin.IncrementalAlterConfig(kindOf(of), of.name, entries, validateOnly)
}

// replace is left out: Apache Kafka closes the connection that an AlterConfigs of sarama comes in.
func (s *ibm) replace(context.Context, string, map[string]string) error { return errLeftOut }

func (s *ibm) elect(_ context.Context, unclean bool, topic string, partition int32) error {
	kind := sarama.PreferredElection
	if unclean {
		kind = sarama.UncleanElection
	}
	answers, err := s.admin.ElectLeaders(kind, map[string][]int32{topic: {partition}})
	if answer := answers[topic][partition]; answer != nil && answer.ErrorCode != sarama.ErrNoError {
		return answer.ErrorCode
	}
	return err
}

func (s *ibm) reassign(_ context.Context, topic string, replicas []int32) error {
	return s.admin.AlterPartitionReassignments(topic, [][]int32{replicas})
}

func (s *ibm) reassigning(_ context.Context, topic string) (bool, error) {
	answers, err := s.admin.ListPartitionReassignments(topic, []int32{0})
	return len(answers[topic]) > 0, err
}

func (s *ibm) deleteRecords(_ context.Context, topic string, before int64) (int64, error) {
	return -1, s.admin.DeleteRecords(topic, map[int32]int64{0: before})
}

func (s *ibm) cluster(context.Context) (int32, []int32, error) {
	brokers, controller, err := s.admin.DescribeCluster()
	var nodes []int32
	for _, broker := range brokers {
		nodes = append(nodes, broker.ID())
	}
	return controller, nodes, err
}

func (s *ibm) logDirs(_ context.Context, topic string) (map[string]int64, error) {
	found, err := s.admin.DescribeLogDirs([]int32{1})
	sizes := map[string]int64{}
	for _, directory := range found[1] {
		for _, t := range directory.Topics {
			for _, partition := range t.Partitions {
				if t.Topic == topic {
					sizes[directory.Path] += partition.Size
				}
			}
		}
	}
	return sizes, err
}

func (s *ibm) moveReplica(context.Context, string, string) error { return errLeftOut }

func anySaramaACL() sarama.AclFilter {
	return sarama.AclFilter{
		Version: 1, ResourceType: sarama.AclResourceAny, ResourcePatternTypeFilter: sarama.AclPatternAny,
		Operation: sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
	}
}

func (s *ibm) describeACLs(context.Context) error {
	_, err := s.admin.ListAcls(anySaramaACL())
	return err
}

// createACL is left out: CreateACL does not look at the answer.
func (s *ibm) createACL(context.Context, string) error { return errLeftOut }

func (s *ibm) deleteACLs(context.Context) error {
	_, err := s.admin.DeleteACL(anySaramaACL(), false)
	return err
}

func (s *ibm) quotas(_ context.Context, user string) (map[string]float64, error) {
	filter := sarama.QuotaFilterComponent{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact, Match: user}
	found, err := s.admin.DescribeClientQuotas([]sarama.QuotaFilterComponent{filter}, true)
	for _, entry := range found {
		return entry.Values, err
	}
	return nil, err
}

func (s *ibm) setQuota(_ context.Context, user, name string, value float64) error {
	return s.alterQuota(user, sarama.ClientQuotasOp{Key: name, Value: value})
}

func (s *ibm) removeQuota(_ context.Context, user, name string) error {
	return s.alterQuota(user, sarama.ClientQuotasOp{Key: name, Remove: true})
}

func (s *ibm) alterQuota(user string, op sarama.ClientQuotasOp) error {
	entity := sarama.QuotaEntityComponent{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact, Name: user}
	return s.admin.AlterClientQuotas([]sarama.QuotaEntityComponent{entity}, op, false)
}

func (s *ibm) iterations(_ context.Context, user string) (int32, error) {
	found, err := s.admin.DescribeUserScramCredentials([]string{user})
	for _, result := range found {
		if result.ErrorCode != sarama.ErrNoError {
			return 0, result.ErrorCode
		}
		return result.CredentialInfos[0].Iterations, nil
	}
	return 0, err
}

func (s *ibm) addCredential(_ context.Context, user string, iterations int32) error {
	return credentialAltered(s.admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{
		Name: user, Mechanism: sarama.SCRAM_MECHANISM_SHA_256, Iterations: iterations, Salt: []byte("salt"), Password: []byte("secret"),
	}}))
}

func (s *ibm) deleteCredential(_ context.Context, user string) error {
	return credentialAltered(s.admin.DeleteUserScramCredentials([]sarama.AlterUserScramCredentialsDelete{{
		Name: user, Mechanism: sarama.SCRAM_MECHANISM_SHA_256,
	}}))
}

func credentialAltered(results []*sarama.AlterUserScramCredentialsResult, err error) error {
	for _, result := range results {
		if result.ErrorCode != sarama.ErrNoError {
			err = errors.Join(err, result.ErrorCode)
		}
	}
	return err
}
