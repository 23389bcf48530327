// Adapter of @platformatic/kafka. Its streams consume in groups only; Consumer.fetch is public and needs no membership.
import { Admin, Consumer, FetchIsolationLevels, Producer } from '@platformatic/kafka'
import { PlatformaticAdministrator } from './platformatic_admin.js'
import { PlatformaticGroupAdmin, PlatformaticMember } from './platformatic_member.js'
import { PlatformaticTransactional } from './platformatic_txn.js'
import zlib from 'node:zlib'

// Attribute of batches that hold markers.
const IS_CONTROL = 1 << 5

export class Platformatic {
  canIdempotent = true
  codecs = zlib.zstdCompressSync ? {} : { zstd: '@platformatic/kafka takes zstd from Node, and this Node has none' }
  targets = new Map()
  quirks = { wrapsPartitions: true }

  constructor (bootstrap) {
    this.options = { clientId: 'compat', bootstrapBrokers: [bootstrap], metadataMaxAge: 0, retries: 0 }
    this.admin = new Admin(this.options)
    this.reader = new Consumer({ ...this.options, groupId: 'unused' })
    this.groupAdmin = new PlatformaticGroupAdmin(this.admin)
  }

  member (reporter) {
    return new PlatformaticMember(reporter, this.options, this.groupAdmin)
  }

  async transactional (id, timeoutMs) {
    return await new PlatformaticTransactional(this.options, id, timeoutMs).open()
  }

  administrator () {
    return new PlatformaticAdministrator(this.admin)
  }

  async createTopic (topic, partitions, configs) {
    const entries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    await this.admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: entries })
  }

  async deleteTopic (topic) {
    await this.admin.deleteTopics({ topics: [topic] })
  }

  async listTopics () {
    return await this.admin.listTopics()
  }

  async metadata (topic) {
    const { topics } = await this.admin.metadata({ topics: [topic], autocreateTopics: false, forceUpdate: true })
    return topics.get(topic)
  }

  async describeTopic (topic) {
    const { partitions } = await this.metadata(topic)
    return partitions.map(({ leader }, id) => ({ id, leader }))
  }

  async describeConfigs (topic) {
    const [resource] = await this.admin.describeConfigs({ resources: [{ resourceType: 2, resourceName: topic, configurationKeys: null }] })
    return Object.fromEntries(resource.configs.map(({ name, value }) => [name, value]))
  }

  async growTopic (name, count) {
    await this.admin.createPartitions({ topics: [{ name, count, assignments: null }] })
  }

  async offset (topic, partition, at) {
    const timestamp = { earliest: -2n, latest: -1n }[at] ?? BigInt(at)
    const offsets = await this.reader.listOffsets({ topics: [topic], partitions: { [topic]: [partition] }, timestamp })
    return Number(offsets.get(topic)[partition])
  }

  async latestOffsets (topic) {
    const offsets = await this.reader.listOffsets({ topics: [topic], timestamp: -1n })
    return offsets.get(topic).map(Number)
  }

  async producer ({ topic, codec, idempotent = false, autoCreate = false, retryMs }) {
    const base = new Producer({
      ...this.options,
      idempotent,
      autocreateTopics: autoCreate,
      retries: Math.ceil(retryMs / 200),
      retryDelay: 200,
      metadataMaxAge: 300000
    })
    return {
      // Sequence numbers advance with the answers: one request at a time when idempotent.
      concurrency: idempotent ? 1 : 5,
      close: () => base.close(),
      send: async records => {
        const messages = records.map(record => toMessage(topic, record))
        const { offsets } = await base.send({ messages, acks: -1, compression: codec })
        const next = new Map(offsets.map(o => [o.partition, Number(o.offset)]))
        for (const record of records) {
          record.offset = next.get(record.partition)
          next.set(record.partition, record.offset + 1)
        }
      }
    }
  }

  async fetch (topic, positions, waitMs, bytesMax, committed) {
    if (!this.targets.has(topic)) this.targets.set(topic, await this.metadata(topic))
    const target = this.targets.get(topic)
    const partitions = [...positions].map(([partition, offset]) => ({
      partition,
      currentLeaderEpoch: target.partitions[partition].leaderEpoch,
      fetchOffset: BigInt(offset),
      lastFetchedEpoch: -1,
      partitionMaxBytes: bytesMax
    }))
    const { responses } = await this.reader.fetch({
      node: target.partitions[0].leader,
      maxWaitTime: waitMs,
      minBytes: 1,
      maxBytes: bytesMax,
      isolationLevel: committed ? FetchIsolationLevels.READ_COMMITTED : FetchIsolationLevels.READ_UNCOMMITTED,
      topics: [{ topicId: target.id, partitions }]
    })
    const answer = { records: [], next: new Map() }
    for (const { partitions } of responses) {
      for (const { partitionIndex, records } of partitions) {
        for (const batch of records ?? []) {
          if (!(batch.attributes & IS_CONTROL)) answer.records.push(...batch.records.map(record => fromRecord(partitionIndex, batch, record)))
          answer.next.set(partitionIndex, Number(batch.firstOffset) + batch.lastOffsetDelta + 1)
        }
      }
    }
    return answer
  }

  async reconnect () {
    this.targets.clear()
  }

  errorCode (error) {
    if (error.apiCode > 0) return error.apiCode
    return [...(error.errors ?? []), error.cause].filter(Boolean).map(e => this.errorCode(e)).find(code => code !== 0) ?? 0
  }
}

// Header names are distinct Buffers, so that one name can come twice in the Map.
function toMessage (topic, { partition, key, value, headers, timestampMs }) {
  return {
    topic,
    partition,
    key: key ?? undefined,
    value: value ?? undefined,
    headers: new Map(headers.map(([name, bytes]) => [Buffer.from(name), bytes])),
    timestamp: timestampMs === undefined ? undefined : BigInt(timestampMs)
  }
}

function fromRecord (partition, batch, { key, value, headers, offsetDelta, timestampDelta }) {
  return {
    partition,
    offset: Number(batch.firstOffset) + offsetDelta,
    timestampMs: Number(batch.firstTimestamp + timestampDelta),
    key: key && Buffer.from(key),
    value: value && Buffer.from(value),
    headers: headers.map(([name, bytes]) => [`${name}`, bytes && Buffer.from(bytes)])
  }
}
