// Adapter of kafkajs. Its public consumer works in groups only, so that reading uses its Cluster and Broker classes:
// the same requests and decoders (Fetch 11, ListOffsets 3) without the group around them.
import { createRequire } from 'node:module'
import { KafkaJsAdministrator } from './kafkajs_admin.js'
import { KafkaJsGroupAdmin, KafkaJsMember } from './kafkajs_member.js'
import { KafkaJsLoop, KafkaJsTransactional } from './kafkajs_txn.js'
import { lz4Compress, lz4Decompress, snappyCompress, snappyDecompress } from '@platformatic/wasm-utils'

const require = createRequire(import.meta.url)
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const Batch = require('kafkajs/src/consumer/batch')
const Cluster = require('kafkajs/src/cluster')
const { createLogger } = require('kafkajs/src/loggers')
const socketFactory = require('kafkajs/src/network/socketFactory')
const { EARLIEST_OFFSET, LATEST_OFFSET } = require('kafkajs/src/constants')

// kafkajs leaves snappy, lz4 and zstd to plug-ins.
const plugin = (compress, decompress) => () => ({
  compress: async encoder => compress(encoder.buffer),
  decompress: async buffer => decompress(buffer)
})
CompressionCodecs[CompressionTypes.Snappy] = plugin(snappyCompress, snappyDecompress)
CompressionCodecs[CompressionTypes.LZ4] = plugin(lz4Compress, lz4Decompress)
const { Simple } = await new Promise(resolve => require('zstd-codec').ZstdCodec.run(resolve))
CompressionCodecs[CompressionTypes.ZSTD] = plugin(
  bytes => Buffer.from(new Simple().compress(bytes, 3)),
  bytes => Buffer.from(new Simple().decompress(bytes))
)

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD
}

const quiet = () => () => {}

export class KafkaJs {
  canIdempotent = true
  codecs = {}
  quirks = { headersByName: true, noNullHeaders: true }

  constructor (bootstrap) {
    this.brokers = [bootstrap]
    // kafkajs retries deletions of unknown topics too.
    const retry = { retries: 3 }
    this.kafka = new Kafka({ brokers: this.brokers, clientId: 'compat', logLevel: logLevel.NOTHING, retry })
    this.admin = this.kafka.admin()
    this.connected = this.admin.connect()
    this.groupAdmin = new KafkaJsGroupAdmin(this.admin, this.connected)
  }

  member (reporter) {
    return new KafkaJsMember(reporter, this.brokers, this.groupAdmin)
  }

  async transactional (id, timeoutMs) {
    return await new KafkaJsTransactional(this.brokers, id, timeoutMs).open()
  }

  async loop (reporter, options) {
    return await new KafkaJsLoop(this, reporter, options).start()
  }

  administrator () {
    return new KafkaJsAdministrator(this.admin)
  }

  async createTopic (topic, numPartitions, configs) {
    await this.connected
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    const created = await this.admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] })
    // The one error that kafkajs turns into a result.
    if (!created) throw Object.assign(new Error('createTopics returned false'), { code: 36 })
  }

  async deleteTopic (topic) {
    await this.admin.deleteTopics({ topics: [topic] })
  }

  async listTopics () {
    return await this.admin.listTopics()
  }

  async describeTopic (topic) {
    await this.connected
    const { topics } = await this.admin.fetchTopicMetadata({ topics: [topic] })
    return topics[0].partitions.map(p => ({ id: p.partitionId, leader: p.leader }))
  }

  async describeConfigs (topic) {
    const { resources } = await this.admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic }] })
    return Object.fromEntries(resources[0].configEntries.map(c => [c.configName, c.configValue]))
  }

  async growTopic (topic, count) {
    await this.admin.createPartitions({ topicPartitions: [{ topic, count }] })
  }

  async offset (topic, partition, at) {
    const timestamp = { earliest: EARLIEST_OFFSET, latest: LATEST_OFFSET }[at] ?? at
    const broker = await this.leader(topic)
    const { responses } = await broker.listOffsets({ replicaId: -1, isolationLevel: 0, topics: [{ topic, partitions: [{ partition, timestamp }] }] })
    return Number(responses[0].partitions[0].offset)
  }

  async latestOffsets (topic) {
    const offsets = await this.admin.fetchTopicOffsets(topic)
    return offsets.sort((a, b) => a.partition - b.partition).map(o => Number(o.offset))
  }

  async producer ({ topic, codec, idempotent = false, autoCreate = false, retryMs }) {
    const retry = { initialRetryTime: 100, maxRetryTime: 500, factor: 0, multiplier: 1, retries: Math.ceil(retryMs / 100) }
    const kafka = new Kafka({ brokers: this.brokers, clientId: 'compat', logLevel: logLevel.NOTHING, retry })
    const base = kafka.producer({ idempotent, retry, allowAutoTopicCreation: autoCreate, createPartitioner: () => ({ message }) => message.partition })
    await base.connect()
    return {
      // The order of concurrent sends is not kept, which matters where it is checked: with idempotence.
      concurrency: idempotent ? 1 : 5,
      close: () => base.disconnect(),
      send: async records => {
        const metadata = await base.send({ topic, acks: -1, compression: CODECS[codec], messages: records.map(toMessage) })
        const next = new Map(metadata.map(m => [m.partition, Number(m.baseOffset)]))
        for (const record of records) {
          // kafkajs drops records to unknown partitions silently.
          if (!next.has(record.partition)) throw new Error(`no acknowledgement for partition ${record.partition}`)
          record.offset = next.get(record.partition)
          next.set(record.partition, record.offset + 1)
        }
      }
    }
  }

  async fetch (topic, positions, waitMs, bytesMax, committed) {
    const broker = await this.leader(topic)
    const partitions = [...positions].map(([partition, offset]) => ({ partition, fetchOffset: `${offset}`, maxBytes: bytesMax }))
    const { responses } = await broker.fetch({ maxWaitTime: waitMs, minBytes: 1, maxBytes: bytesMax, isolationLevel: committed ? 1 : 0, topics: [{ topic, partitions }] })
    const answer = { records: [], next: new Map() }
    for (const { partitions } of responses) {
      for (const found of partitions) {
        const batch = new Batch(topic, `${positions.get(found.partition)}`, found)
        answer.records.push(...batch.messages.map(message => fromMessage(found.partition, message)))
        if (found.messages.length > 0) answer.next.set(found.partition, Number(found.messages.at(-1).offset) + 1)
      }
    }
    return answer
  }

  // One broker leads everything here.
  async leader (topic) {
    if (!this.cluster) {
      this.cluster = new Cluster({
        logger: createLogger({ level: logLevel.NOTHING, logCreator: quiet }),
        brokers: this.brokers,
        clientId: 'compat-reader',
        socketFactory: socketFactory(),
        connectionTimeout: 1000,
        enforceRequestTimeout: true,
        metadataMaxAge: 300000,
        allowAutoTopicCreation: false,
        maxInFlightRequests: null
      })
      await this.cluster.connect()
    }
    await this.cluster.addTargetTopic(topic)
    const { leader } = this.cluster.findTopicPartitionMetadata(topic)[0]
    return await this.cluster.findBroker({ nodeId: `${leader}` })
  }

  async reconnect () {
    await this.cluster.disconnect().catch(() => {})
    this.cluster = undefined
  }

  errorCode (error) {
    if (Number.isInteger(error.code) && error.code > 0) return error.code
    // The error of deleteGroups has a list of its own.
    if (error.groups?.[0]?.errorCode > 0) return error.groups[0].errorCode
    const partitions = (error.partitions ?? []).map(partition => partition.error)
    return [...(error.errors ?? []), ...partitions, error.cause].filter(Boolean).map(e => this.errorCode(e)).find(code => code !== 0) ?? 0
  }
}

function toMessage ({ partition, key, value, headers, timestampMs }) {
  const grouped = {}
  for (const [name, bytes] of headers) grouped[name] = name in grouped ? [].concat(grouped[name], bytes) : bytes
  return { partition, key, value, headers: grouped, timestamp: timestampMs === undefined ? undefined : `${timestampMs}` }
}

function fromMessage (partition, { offset, timestamp, key, value, headers }) {
  return {
    partition,
    offset: Number(offset),
    timestampMs: Number(timestamp),
    key,
    value,
    headers: Object.entries(headers).flatMap(([name, values]) => [].concat(values).map(bytes => [name, bytes]))
  }
}
