// The scenarios admin-configs, -partitions, -records and -cluster, written once against kafkajs_admin.js and platformatic_admin.js.
//
// An administrator has one method per request, and only those that its client has: a step whose method is missing is left out.
//   validate(topic, configs), createAssigned(topic, assignments), growAssigned(topic, count, assignments, validateOnly)
//   config(resource, name) -> [value, source]; a resource is ['topic', name] or ['broker', '1']
//   change(resource, [[operation, name, value]], validateOnly), replace(resource, configs, validateOnly)
//   reassign(topic, replicas), reassigning(topic); both of partition 0, as deleteRecords(topic, before)
//   cluster() -> { clusterId, controller, nodes }, logDirs(topic) -> bytes
//   describeAcls(), createAcl(topic), deleteAcls(), quotas(user) -> { name: value }, setQuota(user, name, value), removeQuota(user, name)
import { setTimeout as sleep } from 'node:timers/promises'

const CODE = {
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  INVALID_REPLICA_ASSIGNMENT: 39,
  INVALID_CONFIG: 40,
  INVALID_REQUEST: 42,
  SECURITY_DISABLED: 54
}

const TOPIC = 1
const DEFAULT = 5

function same (expected, found, what) {
  const [wanted, got] = [JSON.stringify(expected), JSON.stringify(found)]
  if (wanted !== got) throw new Error(`${what}: expected ${wanted}, found ${got}`)
}

export class Administration {
  constructor (run) {
    this.run = run
    this.client = run.client
    this.admin = run.client.administrator()
    this.topic = run.topic
    this.resource = ['topic', run.topic]
  }

  async steps (...all) {
    for (const [method, step] of all) {
      if (this.admin[method]) await step.call(this)
      else console.log(`left out: this client has no ${method}`)
    }
  }

  async refused (what, operation, code) {
    await this.run.expectCode(what, operation, code)
  }

  // Apache Kafka answers before its brokers have taken a change over.
  async configured (name, value, source) {
    const deadline = Date.now() + 10000
    let found
    do {
      found = await this.admin.config(this.resource, name)
      if (found[0] === value && found[1] === source) return
      await sleep(50)
    } while (Date.now() < deadline)
    same([value, source], found, name)
  }

  async configs () {
    await this.run.newTopic(this.topic, 1)
    await this.steps(['validate', this.validated], ['change', this.changed], ['replace', this.replaced], ['config', this.broker])
  }

  async validated () {
    const name = `${this.topic}-not`
    await this.admin.validate(name, {})
    await this.refused('validate a bad config', () => this.admin.validate(name, { 'retention.ms': 'abc' }), CODE.INVALID_CONFIG)
    same(false, (await this.client.listTopics()).includes(name), 'a topic that was only to be validated is there')
  }

  async changed () {
    const change = (changes, validateOnly, resource = this.resource) => this.admin.change(resource, changes, validateOnly)
    await change([['set', 'retention.ms', '1000'], ['append', 'cleanup.policy', 'compact']])
    await this.configured('retention.ms', '1000', TOPIC)
    await this.configured('cleanup.policy', 'delete,compact', TOPIC)
    await change([['set', 'retention.ms', '2000']], true)
    await this.configured('retention.ms', '1000', TOPIC)
    await change([['delete', 'retention.ms'], ['subtract', 'cleanup.policy', 'delete']])
    await this.configured('retention.ms', '604800000', DEFAULT)
    await this.configured('cleanup.policy', 'compact', TOPIC)
    await this.refused('bad value', () => change([['set', 'retention.ms', 'abc']]), CODE.INVALID_CONFIG)
    await this.refused('unknown config', () => change([['set', 'no.such.config', '1']]), CODE.INVALID_CONFIG)
    await this.refused('append to a number', () => change([['append', 'retention.ms', '1']]), CODE.INVALID_CONFIG)
    const unknown = () => change([['set', 'retention.ms', '1']], false, ['topic', `${this.topic}-not`])
    await this.refused('unknown topic', unknown, CODE.UNKNOWN_TOPIC_OR_PARTITION)
  }

  async replaced () {
    await this.admin.replace(this.resource, { 'cleanup.policy': 'compact' })
    await this.configured('cleanup.policy', 'compact', TOPIC)
    await this.admin.replace(this.resource, { 'max.message.bytes': '2000' })
    await this.configured('max.message.bytes', '2000', TOPIC)
    await this.configured('cleanup.policy', 'delete', DEFAULT)
    await this.admin.replace(this.resource, {}, true)
    await this.configured('max.message.bytes', '2000', TOPIC)
    await this.refused('bad value', () => this.admin.replace(this.resource, { 'retention.ms': 'abc' }), CODE.INVALID_CONFIG)
  }

  async broker () {
    same(['168', DEFAULT], await this.admin.config(['broker', '1'], 'log.retention.hours'), 'log.retention.hours')
    const bad = () => this.admin.replace(['broker', '1'], { 'log.cleaner.threads': 'abc' }, true)
    await this.refused('bad value', bad, CODE.INVALID_REQUEST)
  }

  async partitions () {
    await this.steps(['createAssigned', this.assigned], ['growAssigned', this.grown], ['reassign', this.reassigned])
  }

  async assigned () {
    await this.admin.createAssigned(this.topic, [[1], [1]])
    await this.run.awaitPartitions(this.topic, 2)
    await this.refused('unknown broker', () => this.admin.createAssigned(`${this.topic}-not`, [[2]]), CODE.INVALID_REPLICA_ASSIGNMENT)
  }

  async grown () {
    await this.admin.growAssigned(this.topic, 3, [[1]], true)
    await this.refused('unknown broker', () => this.admin.growAssigned(this.topic, 3, [[2]], false), CODE.INVALID_REPLICA_ASSIGNMENT)
    await this.run.awaitPartitions(this.topic, 2)
    await this.admin.growAssigned(this.topic, 3, [[1]], false)
    await this.run.awaitPartitions(this.topic, 3)
  }

  async reassigned () {
    await this.admin.reassign(this.topic, [1])
    await this.run.until('no reassignment is under way', async () => !(await this.admin.reassigning(this.topic)))
    await this.refused('unknown broker', () => this.admin.reassign(this.topic, [2]), CODE.INVALID_REPLICA_ASSIGNMENT)
    await this.refused('unknown topic', () => this.admin.reassign(`${this.topic}-not`, [1]), CODE.UNKNOWN_TOPIC_OR_PARTITION)
  }

  async produce (count) {
    const producer = await this.run.producer()
    for (let i = 0; i < count; i++) {
      await producer.send([{ partition: 0, key: null, value: Buffer.from(`${i}`), headers: [] }])
    }
    await producer.close()
  }

  async records () {
    await this.run.newTopic(this.topic, 1)
    await this.produce(10)
    const bounds = async (earliest, latest) => {
      const found = [await this.client.offset(this.topic, 0, 'earliest'), await this.client.offset(this.topic, 0, 'latest')]
      same([earliest, latest], found, 'bounds of the log')
    }
    await bounds(0, 10)
    for (const [before, low] of [[4, 4], [2, 4]]) {
      await this.admin.deleteRecords(this.topic, before)
      await bounds(low, 10)
    }
    await this.refused('delete beyond the end', () => this.admin.deleteRecords(this.topic, 11), CODE.OFFSET_OUT_OF_RANGE)
    await this.admin.deleteRecords(this.topic, -1)
    await bounds(10, 10)
  }

  async cluster () {
    await this.run.newTopic(this.topic, 1)
    await this.produce(1)
    await this.steps(
      ['cluster', this.described],
      ['logDirs', async () => same(true, await this.admin.logDirs(this.topic) > 0, 'the topic\'s log has a size')],
      ['describeAcls', () => this.refused('describe ACLs', () => this.admin.describeAcls(), CODE.SECURITY_DISABLED)],
      ['createAcl', () => this.refused('create an ACL', () => this.admin.createAcl(this.topic), CODE.SECURITY_DISABLED)],
      ['deleteAcls', () => this.refused('delete ACLs', () => this.admin.deleteAcls(), CODE.SECURITY_DISABLED)],
      ['quotas', this.limited]
    )
  }

  async described () {
    const { clusterId, controller, nodes } = await this.admin.cluster()
    same([22, 1, [1]], [clusterId.length, controller, nodes], 'length of the cluster id, controller, nodes')
  }

  async limited () {
    const told = quotas => this.run.until(`quotas ${JSON.stringify(quotas)}`,
      async () => JSON.stringify(await this.admin.quotas(this.topic)) === JSON.stringify(quotas))
    await this.admin.setQuota(this.topic, 'producer_byte_rate', 1024)
    await told({ producer_byte_rate: 1024 })
    await this.refused('negative quota', () => this.admin.setQuota(this.topic, 'producer_byte_rate', -1), CODE.INVALID_REQUEST)
    await this.refused('unknown quota', () => this.admin.setQuota(this.topic, 'no_such_rate', 1), CODE.INVALID_REQUEST)
    await this.admin.removeQuota(this.topic, 'producer_byte_rate')
    await told({})
  }
}
