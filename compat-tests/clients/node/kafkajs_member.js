// A member of a group with kafkajs. It balances by round-robin alone; the range assignor is plugged in.
import { createRequire } from 'node:module'
import { assignRange, byTopic, unsupported } from './members.js'

const require = createRequire(import.meta.url)
const { Kafka, AssignerProtocol, PartitionAssigners, logLevel } = require('kafkajs')

function rangeAssigner ({ cluster }) {
  return {
    name: 'range',
    version: 0,
    async assign ({ members }) {
      const subscriptions = new Map(members.map(({ memberId, memberMetadata }) => [memberId, AssignerProtocol.MemberMetadata.decode(memberMetadata).topics]))
      const shares = assignRange(subscriptions, topic => cluster.findTopicPartitionMetadata(topic).length)
      return [...shares].map(([memberId, share]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment: Object.fromEntries(share), userData: Buffer.alloc(0) })
      }))
    },
    protocol ({ topics }) {
      return { name: 'range', metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }) }
    }
  }
}

const ASSIGNORS = { range: rangeAssigner, roundrobin: PartitionAssigners.roundRobin }
const partsOf = assignment => Object.entries(assignment ?? {}).flatMap(([topic, numbers]) => numbers.map(number => `${topic}:${number}`))

export class KafkaJsMember {
  closing = false
  batch = Promise.resolve()

  constructor (reporter, brokers, admin) {
    this.reporter = reporter
    this.brokers = brokers
    this.admin = admin
  }

  async join (options) {
    if (options.protocol === 'consumer') unsupported('protocol=consumer')
    if (options.pattern) unsupported('patterns are resolved once, when subscribing')
    if (options.instance) unsupported('instance')
    if (options.reset === 'none') unsupported('reset=none')
    if (!ASSIGNORS[options.assignor]) unsupported(`assignor ${options.assignor}`)
    this.options = options
    this.consumer = new Kafka({ brokers: this.brokers, clientId: 'compat', logLevel: logLevel.NOTHING }).consumer({
      groupId: options.group,
      partitionAssigners: [ASSIGNORS[options.assignor]],
      sessionTimeout: options.sessionMs,
      heartbeatInterval: options.heartbeatMs,
      maxWaitTimeInMs: 100,
      metadataMaxAge: 1000
    })
    this.watch()
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: options.topics, fromBeginning: options.reset === 'earliest' })
    await this.consumer.run({
      autoCommit: options.autoCommitMs > 0,
      autoCommitInterval: options.autoCommitMs || null,
      eachBatchAutoResolve: false,
      eachBatch: payload => {
        this.batch = this.deliver(payload)
        return this.batch
      }
    })
  }

  watch () {
    const { GROUP_JOIN, REBALANCING, CRASH, COMMIT_OFFSETS } = this.consumer.events
    this.consumer.on(REBALANCING, () => this.reporter.gone('revoked', this.reporter.owned))
    this.consumer.on(GROUP_JOIN, ({ payload: { memberAssignment, memberId } }) => {
      // A member that the coordinator had forgotten joins again without a word.
      this.reporter.gone('lost', this.reporter.owned)
      this.reporter.assigned(partsOf(memberAssignment), undefined, memberId)
    })
    this.consumer.on(CRASH, ({ payload: { error } }) => this.reporter.failed(error))
    this.consumer.on(COMMIT_OFFSETS, ({ timestamp, payload: { topics } }) => {
      if (this.options.autoCommitMs === 0) return
      const offsets = topics.flatMap(({ topic, partitions }) => partitions.map(({ partition, offset }) => [`${topic}:${partition}`, { at: Number(offset) }]))
      this.reporter.committed(timestamp * 1000, new Map(offsets))
    })
  }

  async deliver ({ batch, resolveOffset, isStale }) {
    if (this.closing || isStale() || batch.messages.length === 0) return
    const part = `${batch.topic}:${batch.partition}`
    // Fetched before a rebalance and handed over after it was told of. Who has the partition then reads it from what is committed.
    if (!this.reporter.next.has(part)) return
    this.reporter.records(part, batch.messages.map(({ offset }) => Number(offset)))
    resolveOffset(batch.lastOffset())
    if (this.options.commitEach) {
      await this.reporter.commitEach(this, new Map([[part, { at: Number(batch.lastOffset()) + 1, metadata: '' }]]))
    }
  }

  // There is one way to commit, a promise; who does not wait for it commits async.
  async commit (_async, offsets) {
    await this.consumer.commitOffsets([...offsets].map(([part, { at, metadata }]) => {
      const [topic, number] = part.split(':')
      return { topic, partition: Number(number), offset: `${at}`, metadata }
    }))
  }

  async committed (parts) {
    const found = await this.admin.offsets(this.options.group)
    return new Map([...found].filter(([part]) => parts.includes(part)))
  }

  // The special offsets -1 and -2 both lead to where fromBeginning says, so that the ends are asked for.
  async seek (part, at) {
    const [topic, number] = part.split(':')
    const ends = (await this.admin.admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === Number(number))
    this.consumer.seek({ topic, partition: Number(number), offset: `${{ beginning: ends.low, end: ends.high }[at] ?? at}` })
  }

  pause (parts) {
    this.consumer.pause(byTopic(parts).map(([topic, partitions]) => ({ topic, partitions })))
  }

  resume (parts) {
    this.consumer.resume(byTopic(parts).map(([topic, partitions]) => ({ topic, partitions })))
  }

  async close () {
    this.closing = true
    await this.batch
    this.reporter.gone('revoked', this.reporter.owned)
    await this.consumer.disconnect()
  }
}

export class KafkaJsGroupAdmin {
  constructor (admin, connected) {
    this.admin = admin
    this.connected = connected
  }

  async groups () {
    await this.connected
    const { groups } = await this.admin.listGroups()
    return groups.map(({ groupId }) => ({ id: groupId }))
  }

  async describe (group) {
    await this.connected
    const { groups: [{ state, protocol, members }] } = await this.admin.describeGroups([group])
    const parts = members.flatMap(({ memberAssignment }) => partsOf(AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment))
    return { state, assignor: protocol, members: members.length, parts, instances: [] }
  }

  async offsets (groupId) {
    await this.connected
    const topics = await this.admin.fetchOffsets({ groupId })
    return new Map(topics.flatMap(({ topic, partitions }) => partitions
      .filter(({ offset }) => Number(offset) >= 0)
      .map(({ partition, offset, metadata }) => [`${topic}:${partition}`, { at: Number(offset), metadata }])))
  }

  async alter (groupId, offsets) {
    await this.connected
    for (const [part, { at }] of offsets) {
      const [topic, number] = part.split(':')
      try {
        await this.admin.setOffsets({ groupId, topic, partitions: [{ partition: Number(number), offset: `${at}` }] })
      } catch (error) {
        if (/must have no running instances/.test(error.message)) unsupported('kafkajs refuses by itself')
        throw error
      }
    }
  }

  async deleteGroup (group) {
    await this.connected
    await this.admin.deleteGroups([group])
  }
}
