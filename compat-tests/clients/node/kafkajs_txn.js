// Transactions of kafkajs.
import { createRequire } from 'node:module'
import { LOOP_RECORDS_MAX, fenced } from './transactions.js'
import { byTopic } from './members.js'

const require = createRequire(import.meta.url)
const { Kafka, logLevel } = require('kafkajs')

// For as long as a broker takes to come back.
const retry = { initialRetryTime: 100, maxRetryTime: 500, retries: 100 }
const clientOf = brokers => new Kafka({ brokers, clientId: 'compat', logLevel: logLevel.NOTHING, retry })

export class KafkaJsTransactional {
  constructor (brokers, transactionalId, transactionTimeout) {
    this.base = clientOf(brokers).producer({
      transactionalId,
      transactionTimeout,
      idempotent: true,
      maxInFlightRequests: 1,
      retry,
      createPartitioner: () => ({ message }) => message.partition
    })
  }

  // It asks for its producer id when the first transaction begins.
  async open () {
    await this.base.connect()
    this.next = await this.base.transaction()
    return this
  }

  async begin () {
    this.current = this.next ?? await this.base.transaction()
    this.next = undefined
  }

  async send (topic, partition, values) {
    await this.current.send({ topic, acks: -1, messages: values.map(value => ({ partition, value })) })
  }

  async offsets (consumerGroupId, offsets) {
    const topics = byTopic(offsets.keys()).map(([topic, numbers]) => ({
      topic,
      partitions: numbers.map(partition => ({ partition, offset: `${offsets.get(`${topic}:${partition}`).at}` }))
    }))
    await this.current.sendOffsets({ consumerGroupId, topics })
  }

  async commit () {
    await this.current.commit()
  }

  async abort () {
    await this.current.abort()
  }

  async close () {
    await this.base.disconnect()
  }

  async drop () {
    await this.base.disconnect()
  }
}

export class KafkaJsLoop {
  number = 0

  constructor (library, reporter, options) {
    Object.assign(this, { library, reporter, options })
  }

  async start () {
    const { id, group, from } = this.options
    this.producer = await new KafkaJsTransactional(this.library.brokers, id, 60000).open()
    this.consumer = clientOf(this.library.brokers).consumer({
      groupId: group,
      sessionTimeout: 6000,
      heartbeatInterval: 500,
      maxWaitTimeInMs: 100
    })
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: [from], fromBeginning: true })
    await this.consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: payload => this.take(payload) })
    return this
  }

  async take ({ batch, resolveOffset, isRunning, isStale }) {
    for (let i = 0; i < batch.messages.length; i += LOOP_RECORDS_MAX) {
      if (this.over || !isRunning() || isStale()) return
      const messages = batch.messages.slice(i, i + LOOP_RECORDS_MAX)
      const outcome = await this.transact(batch, messages)
      if (outcome === undefined) return
      this.reporter.tell(`looped t=${Date.now() * 1000} outcome=${outcome} count=${messages.length}`)
      if (outcome === 'abort') return this.goBack(batch, messages[0].offset)
      resolveOffset(messages.at(-1).offset)
    }
  }

  goBack ({ topic, partition }, offset) {
    this.consumer.seek({ topic, partition, offset })
  }

  // How the transaction ended, or nothing when it failed.
  async transact (batch, messages) {
    const { group, to, aborts } = this.options
    const aborted = aborts(++this.number)
    try {
      await this.producer.begin()
      await this.producer.send(to, batch.partition, messages.map(({ value }) => value))
      const following = Number(messages.at(-1).offset) + 1
      await this.producer.offsets(group, new Map([[`${batch.topic}:${batch.partition}`, { at: following }]]))
      await (aborted ? this.producer.abort() : this.producer.commit())
      return aborted ? 'abort' : 'commit'
    } catch (error) {
      await this.recover(error, batch)
    }
  }

  async recover (error, batch) {
    try {
      if (fenced(this.library, error)) throw error
      await this.producer.abort()
      const committed = await this.library.groupAdmin.offsets(this.options.group)
      this.goBack(batch, `${committed.get(`${batch.topic}:${batch.partition}`)?.at ?? 0}`)
    } catch (last) {
      this.reporter.failed(last)
      // Not waited for: leaving waits for the batch that this is in.
      this.over = true
      this.left = this.leave()
    }
  }

  async leave () {
    await this.consumer.disconnect()
    await this.producer.close()
  }

  async end () {
    this.over = true
    await (this.left ?? this.leave())
  }
}
