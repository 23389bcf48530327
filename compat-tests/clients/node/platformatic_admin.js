// What the admin client of @platformatic/kafka does in the scenarios of administration.js.
const KINDS = { topic: 2, broker: 4 }
const OPERATIONS = { set: 0, delete: 1, append: 2, subtract: 3 }
const ANY_ACL = {
  resourceType: 1, resourceName: null, resourcePatternType: 1, principal: null, host: null, operation: 1, permissionType: 1
}

export class PlatformaticAdministrator {
  constructor (admin) {
    this.admin = admin
  }

  async createAssigned (topic, assignments) {
    await this.admin.createTopics({ topics: [topic], assignments: assignments.map((brokers, partition) => ({ partition, brokers })) })
  }

  async growAssigned (name, count, assignments, validateOnly) {
    await this.admin.createPartitions({ validateOnly, topics: [{ name, count, assignments: assignments.map(brokerIds => ({ brokerIds })) }] })
  }

  async config ([kind, resourceName], key) {
    const [{ configs }] = await this.admin.describeConfigs({ resources: [{ resourceType: KINDS[kind], resourceName, configurationKeys: [key] }] })
    const { value, configSource } = configs.find(({ name }) => name === key)
    return [value, configSource]
  }

  async change ([kind, resourceName], changes, validateOnly = false) {
    const configs = changes.map(([operation, name, value]) => ({ configOperation: OPERATIONS[operation], name, value }))
    await this.admin.incrementalAlterConfigs({ validateOnly, resources: [{ resourceType: KINDS[kind], resourceName, configs }] })
  }

  async replace ([kind, resourceName], configs, validateOnly = false) {
    const entries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    await this.admin.alterConfigs({ validateOnly, resources: [{ resourceType: KINDS[kind], resourceName, configs: entries }] })
  }

  async deleteRecords (name, before) {
    await this.admin.deleteRecords({ topics: [{ name, partitions: [{ partition: 0, offset: BigInt(before) }] }] })
  }

  async logDirs (topic) {
    const [{ results }] = await this.admin.describeLogDirs({ topics: [{ name: topic, partitions: [0] }] })
    const partitions = results.flatMap(({ topics }) => topics.flatMap(({ partitions }) => partitions))
    return partitions.reduce((sum, { partitionSize }) => sum + Number(partitionSize), 0)
  }

  async describeAcls () {
    await this.admin.describeAcls({ filter: ANY_ACL })
  }

  async createAcl (topic) {
    const acl = { resourceType: 2, resourceName: topic, resourcePatternType: 3, principal: 'User:alice', host: '*', operation: 3, permissionType: 3 }
    await this.admin.createAcls({ creations: [acl] })
  }

  async deleteAcls () {
    await this.admin.deleteAcls({ filters: [ANY_ACL] })
  }

  async quotas (user) {
    const found = await this.admin.describeClientQuotas({ components: [{ entityType: 'user', matchType: 0, match: user }], strict: true })
    return Object.fromEntries(found.flatMap(({ values }) => values.map(({ key, value }) => [key, value])))
  }

  async setQuota (user, key, value) {
    await this.alterQuota(user, { key, value, remove: false })
  }

  async removeQuota (user, key) {
    await this.alterQuota(user, { key, remove: true })
  }

  async alterQuota (user, op) {
    await this.admin.alterClientQuotas({ entries: [{ entities: [{ entityType: 'user', entityName: user }], ops: [op] }] })
  }
}
