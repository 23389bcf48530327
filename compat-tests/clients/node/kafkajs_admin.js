// What the admin client of kafkajs does in the scenarios of administration.js. It has no IncrementalAlterConfigs.
const KINDS = { topic: 2, broker: 4 }
const ANY_ACL = { resourceType: 1, resourcePatternType: 1, operation: 1, permissionType: 1 }

const entries = configs => Object.entries(configs).map(([name, value]) => ({ name, value }))

export class KafkaJsAdministrator {
  constructor (admin) {
    this.admin = admin
  }

  async validate (topic, configs) {
    await this.create({ topic, numPartitions: 1, configEntries: entries(configs) }, true)
  }

  async createAssigned (topic, assignments) {
    await this.create({ topic, replicaAssignment: assignments.map((replicas, partition) => ({ partition, replicas })) }, false)
  }

  async create (topic, validateOnly) {
    await this.admin.createTopics({ waitForLeaders: false, validateOnly, topics: [topic] })
  }

  async growAssigned (topic, count, assignments, validateOnly) {
    await this.admin.createPartitions({ validateOnly, topicPartitions: [{ topic, count, assignments }] })
  }

  async config ([kind, name], key) {
    const { resources } = await this.admin.describeConfigs({ includeSynonyms: false, resources: [{ type: KINDS[kind], name }] })
    const { configValue, configSource } = resources[0].configEntries.find(entry => entry.configName === key)
    return [configValue, configSource]
  }

  async replace ([kind, name], configs, validateOnly = false) {
    await this.admin.alterConfigs({ validateOnly, resources: [{ type: KINDS[kind], name, configEntries: entries(configs) }] })
  }

  async reassign (topic, replicas) {
    await this.admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: [{ partition: 0, replicas }] }] })
  }

  async reassigning (topic) {
    const { topics } = await this.admin.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] })
    return topics.length > 0
  }

  async deleteRecords (topic, before) {
    await this.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: `${before}` }] })
  }

  async cluster () {
    const { brokers, controller, clusterId } = await this.admin.describeCluster()
    return { clusterId, controller, nodes: brokers.map(broker => broker.nodeId) }
  }

  async describeAcls () {
    await this.admin.describeAcls(ANY_ACL)
  }

  async createAcl (topic) {
    const acl = { resourceType: 2, resourceName: topic, resourcePatternType: 3, principal: 'User:alice', host: '*', operation: 3, permissionType: 3 }
    await this.admin.createAcls({ acl: [acl] })
  }

  async deleteAcls () {
    await this.admin.deleteAcls({ filters: [ANY_ACL] })
  }
}
