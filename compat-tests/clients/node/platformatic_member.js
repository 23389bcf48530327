// A member of a group with @platformatic/kafka: a stream of messages, which has no positions to set and nothing to pause by partition.
import { Consumer } from '@platformatic/kafka'
import { assignRange, byTopic, now, unsupported } from './members.js'

// A fetch that fails for good ends the stream.
const PATIENCE = { retries: 60, retryDelay: 500 }

const partsOf = assignments => (assignments ?? []).flatMap(({ topic, partitions }) => partitions.map(number => `${topic}:${number}`))

function rangeAssigner (_current, members, _topics, metadata) {
  const subscriptions = new Map([...members].map(([id, { topics }]) => [id, topics]))
  const shares = assignRange(subscriptions, topic => metadata.topics.get(topic).partitionsCount)
  return [...shares].map(([memberId, share]) => ({
    memberId,
    assignments: new Map(share.map(([topic, partitions]) => [topic, { topic, partitions }]))
  }))
}

export class PlatformaticMember {
  pending = new Map() // partition to offsets that came and are not told yet

  constructor (reporter, options, admin) {
    this.reporter = reporter
    this.base = options
    this.admin = admin
  }

  async join (options) {
    if (options.pattern) unsupported('pattern')
    if (!['range', undefined].includes(options.assignor) && options.protocol === 'classic') unsupported(`assignor ${options.assignor}`)
    this.options = options
    this.consumer = new Consumer({ ...this.base, ...PATIENCE, metadataMaxAge: 1000, maxWaitTime: 100, groupId: options.group, groupInstanceId: options.instance, ...this.protocol() })
    this.watch()
    this.consumer.on('error', error => this.reporter.failed(error))
    this.consumer.on('consumer:heartbeat:error', ({ error }) => this.reporter.failed(error))
    this.consumer.on('consumer:group:rebalance', () => this.goneAll('revoked'))
    this.consuming = this.consume().catch(error => this.reporter.failed(error))
  }

  async consume () {
    const { topics, reset, autoCommitMs } = this.options
    this.stream = await this.consumer.consume({
      topics,
      mode: 'committed',
      fallbackMode: { earliest: 'earliest', latest: 'latest', none: 'fail' }[reset],
      autocommit: autoCommitMs || false
    })
    this.stream.on('error', error => this.reporter.failed(error))
    this.stream.on('autocommit', (error, offsets) => {
      if (error) this.reporter.failed(error)
      else this.reporter.committed(now(), new Map(offsets.map(({ topic, partition, offset }) => [`${topic}:${partition}`, { at: Number(offset) }])))
    })
    this.stream.on('data', message => this.take(message))
  }

  protocol () {
    const { protocol, assignor, sessionMs, heartbeatMs } = this.options
    if (protocol === 'consumer') return { groupProtocol: 'consumer', groupRemoteAssignor: assignor }
    return {
      sessionTimeout: sessionMs,
      rebalanceTimeout: sessionMs,
      heartbeatInterval: heartbeatMs,
      protocols: [{ name: 'range', version: 0 }],
      partitionAssigner: rangeAssigner
    }
  }

  // No event tells what was assigned, with either protocol; the field does.
  watch () {
    let current = this.consumer.assignments
    Object.defineProperty(this.consumer, 'assignments', {
      get: () => current,
      set: assignments => {
        current = assignments
        this.flush()
        const [had, has] = [this.reporter.owned, partsOf(assignments)]
        const classic = this.options.protocol === 'classic'
        this.reporter.gone(classic ? 'lost' : 'revoked', classic ? had : had.filter(part => !has.includes(part)))
        const came = classic ? has : has.filter(part => !had.includes(part))
        if (assignments !== null) this.reporter.assigned(came, classic ? this.consumer.generationId : undefined, this.consumer.memberId)
      }
    })
  }

  goneAll (kind) {
    this.flush()
    this.reporter.gone(kind, this.reporter.owned)
  }

  // What a fetch brings that was under way in a rebalance comes after it: of partitions that are gone, or once more.
  take ({ topic, partition, offset }) {
    const part = `${topic}:${partition}`
    if (!this.reporter.next.has(part)) return
    const delivered = this.pending.get(part) ?? []
    if (Number(offset) <= (delivered.at(-1) ?? (this.reporter.next.get(part) ?? 0) - 1)) return
    if (this.pending.size === 0) setImmediate(() => this.flush())
    this.pending.set(part, [...delivered, Number(offset)])
  }

  flush () {
    if (this.pending.size === 0) return
    const offsets = new Map()
    for (const [part, delivered] of this.pending) {
      this.reporter.records(part, delivered)
      offsets.set(part, { at: delivered.at(-1) + 1, metadata: '' })
    }
    this.pending.clear()
    if (this.options.commitEach) {
      this.stream.pause()
      this.reporter.commitEach(this, offsets).then(() => this.stream.resume())
    }
  }

  async commit (async, offsets) {
    if (async) unsupported('mode=async')
    if ([...offsets.values()].some(({ metadata }) => metadata)) unsupported('metadata')
    await this.consumer.commit({
      offsets: [...offsets].map(([part, { at }]) => {
        const [topic, number] = part.split(':')
        return { topic, partition: Number(number), offset: BigInt(at), leaderEpoch: -1 }
      })
    })
  }

  async committed (parts) {
    const found = await this.consumer.listCommittedOffsets({ topics: byTopic(parts).map(([topic, partitions]) => ({ topic, partitions })) })
    return new Map(parts.map(part => {
      const [topic, number] = part.split(':')
      return [part, { at: Number(found.get(topic)?.[number] ?? -1) }]
    }).filter(([, { at }]) => at >= 0))
  }

  async close () {
    await this.consuming
    await this.stream?.close()
    this.goneAll('revoked')
    await this.consumer.close(true)
  }
}

export class PlatformaticGroupAdmin {
  constructor (admin) {
    this.admin = admin
  }

  async groups () {
    const groups = await this.admin.listGroups({ types: ['classic', 'consumer'] })
    return [...groups.values()].map(({ id, state, groupType }) => ({ id, state: state?.toLowerCase(), type: groupType?.toLowerCase() }))
  }

  // There is no description of KIP-848 groups.
  async describe (name) {
    const listed = (await this.groups()).find(({ id }) => id === name)
    if (listed?.type === 'consumer') return { ...listed, members: '-', parts: ['-'], instances: [] }
    const group = (await this.admin.describeGroups({ groups: [name] })).get(name)
    const members = [...group.members.values()]
    return {
      state: group.state,
      type: listed?.type,
      assignor: group.protocol,
      members: members.length,
      parts: members.flatMap(({ assignments }) => partsOf([...(assignments?.values() ?? [])])),
      instances: members.map(({ groupInstanceId }) => groupInstanceId).filter(Boolean)
    }
  }

  async offsets (group) {
    const [{ topics }] = await this.admin.listConsumerGroupOffsets({ groups: [group] })
    return new Map(topics.flatMap(({ name, partitions }) => partitions
      .filter(({ committedOffset }) => committedOffset >= 0)
      .map(({ partitionIndex, committedOffset, metadata }) => [`${name}:${partitionIndex}`, { at: Number(committedOffset), metadata }])))
  }

  async alter (groupId, offsets) {
    const topics = byTopic(offsets.keys()).map(([name, numbers]) => ({
      name,
      partitionOffsets: numbers.map(partition => ({ partition, offset: BigInt(offsets.get(`${name}:${partition}`).at) }))
    }))
    await this.admin.alterConsumerGroupOffsets({ groupId, topics })
  }

  async deleteOffsets (groupId, parts) {
    await this.admin.deleteConsumerGroupOffsets({ groupId, topics: byTopic(parts).map(([name, partitionIndexes]) => ({ name, partitionIndexes })) })
  }

  async deleteGroup (group) {
    await this.admin.deleteGroups({ groups: [group] })
  }
}
