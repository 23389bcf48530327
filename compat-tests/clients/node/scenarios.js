// The scenarios of compat-tests/README.md, written once against the adapters in kafkajs.js and platformatic.js.
//
// A record is { partition, key, value, headers, timestampMs, offset }: keys, values and header values are Buffers or null,
// headers a list of [name, value]. An adapter offers
//   createTopic(name, partitions, configs), deleteTopic, listTopics, describeTopic -> [{ id, leader }], describeConfigs, growTopic,
//   offset(topic, partition, 'earliest' | 'latest' | ms) -> number, -1 if there is no such record; latestOffsets(topic, n)
//   producer({ topic, codec, idempotent, autoCreate, retryMs, concurrency }) -> { send(records), close(), concurrency }
//   fetch(topic, Map of partition to offset, waitMs, bytesMax) -> { records, next: Map of partition to offset }
//   reconnect(), errorCode(error), canIdempotent, codecs, quirks, administrator() -> what administration.js describes
// Neither client consumes without a group: both expose their fetch request, which the Reader below drives.
import { createInterface } from 'node:readline'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Administration } from './administration.js'

export class Skip extends Error {}

const CODE = {
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  MESSAGE_TOO_LARGE: 10,
  INVALID_TOPIC_EXCEPTION: 17,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_PARTITIONS: 37,
  INVALID_CONFIG: 40,
  INVALID_RECORD: 87
}

// NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH: a consumer asks for metadata and goes on.
const LEADER_MOVED = [6, 74, 75]
const BASE_TIME_MS = 1600000000000
// Topics with old timestamps: the default retention may delete their records at any time.
const KEEP = { 'retention.ms': '-1' }

function check (condition, message) {
  if (!condition) throw new Error(message)
}

function show (bytes) {
  if (bytes === null) return 'null'
  return bytes.length > 40 ? `"${bytes.subarray(0, 40)}..." (${bytes.length} bytes)` : `"${bytes}"`
}

function sameBytes (a, b) {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0
}

// Reads a set of partitions from given offsets on, and goes on after lost connections.
export class Reader {
  constructor (client, topic, from, { waitMs = 500, bytesMax = 1 << 20, committed = false } = {}) {
    Object.assign(this, { client, topic, waitMs, bytesMax, committed, positions: new Map(from), pending: [] })
  }

  // The next record, or null if none comes in time. A fetch under way is kept for the next call.
  async next (timeoutMs = 50000) {
    const deadline = Date.now() + timeoutMs
    while (this.pending.length === 0) {
      this.flight ??= this.fetch()
      const left = deadline - Date.now()
      if (left <= 0) return null
      const done = await Promise.race([this.flight.then(() => true), sleep(left, false)])
      if (done) this.flight = undefined
    }
    return this.pending.shift()
  }

  // All that one fetch brings.
  async batch () {
    await this.fetch()
    return this.pending.splice(0)
  }

  async fetch () {
    let answer
    try {
      answer = await this.client.fetch(this.topic, this.positions, this.waitMs, this.bytesMax, this.committed)
    } catch (error) {
      if (![0, ...LEADER_MOVED].includes(this.client.errorCode(error))) throw error
      await sleep(200)
      await this.client.reconnect()
      return
    }
    for (const record of answer.records) {
      // A fetch answers with whole batches: what lies before the position is dropped here.
      if (record.offset >= this.positions.get(record.partition)) this.pending.push(record)
    }
    for (const [partition, offset] of answer.next) this.positions.set(partition, offset)
  }
}

export class Run {
  constructor (client, scenario, suffix) {
    Object.assign(this, { client, scenario, topic: `${scenario}-${suffix}`, fast: process.env.COMPAT_FAST === '1' })
  }

  async play () {
    if (this.scenario.startsWith('roundtrip-')) return await this.roundtrip(this.scenario.slice('roundtrip-'.length))
    const scenarios = {
      sizes: this.sizes,
      idempotent: this.idempotent,
      'partitions-100': this.partitions100,
      'seek-offset': this.seekOffset,
      'seek-timestamp': this.seekTimestamp,
      'auto-create': this.autoCreate,
      'admin-topics': this.adminTopics,
      'admin-configs': () => new Administration(this).configs(),
      'admin-partitions': () => new Administration(this).partitions(),
      'admin-records': () => new Administration(this).records(),
      'admin-cluster': () => new Administration(this).cluster(),
      'produce-errors': this.produceErrors,
      'long-poll': this.longPoll,
      'read-while-write': this.readWhileWrite,
      restart: () => this.restart('RESTART'),
      'restart-term': () => this.restart('RESTART term')
    }
    if (!scenarios[this.scenario]) throw new Skip(`unknown scenario ${this.scenario}`)
    await scenarios[this.scenario].call(this)
  }

  count (full, fast) {
    return this.fast ? fast : full
  }

  async newTopic (topic, partitions, configs = {}) {
    await this.client.createTopic(topic, partitions, configs)
    await this.awaitPartitions(topic, partitions)
  }

  async awaitPartitions (topic, expected) {
    await this.until(`${expected} partitions with leaders`, async () => {
      let partitions
      try {
        partitions = await this.client.describeTopic(topic)
      } catch (error) {
        if (this.client.errorCode(error) === CODE.UNKNOWN_TOPIC_OR_PARTITION) return false
        throw error
      }
      return partitions.length === expected && partitions.every(p => p.leader >= 0)
    })
  }

  async until (what, reached) {
    const deadline = Date.now() + 10000
    while (!(await reached())) {
      check(Date.now() < deadline, `${what}: not seen within 10 s`)
      await sleep(100)
    }
  }

  producer (options = {}) {
    return this.client.producer({ topic: this.topic, codec: 'none', retryMs: 60000, ...options })
  }

  reader (from, options) {
    return new Reader(this.client, this.topic, [[0, from]], options)
  }

  async expectSilence (reader, ms) {
    const extra = await reader.next(ms)
    check(extra === null, `unexpected record at offset ${extra?.offset} of partition ${extra?.partition}`)
  }

  async expectCode (what, operation, code) {
    try {
      await operation()
    } catch (error) {
      const got = this.client.errorCode(error)
      if (got !== code) throw new Error(`${what}: error code ${got}, expected ${code}`, { cause: error })
      return
    }
    throw new Error(`${what}: succeeded, expected error code ${code}`)
  }

  compare (got, want) {
    const at = `offset ${want.offset}`
    check(got.partition === (want.partition ?? 0), `${at}: partition ${got.partition}`)
    check(got.offset === want.offset, `offset ${got.offset}, expected ${want.offset}`)
    check(got.timestampMs === want.timestampMs, `${at}: timestamp ${got.timestampMs}, expected ${want.timestampMs}`)
    check(sameBytes(got.key, want.key), `${at}: key ${show(got.key)}, expected ${show(want.key)}`)
    check(sameBytes(got.value, want.value), `${at}: value ${show(got.value)}, expected ${show(want.value)}`)
    // kafkajs keeps headers in an object: the order between different names is lost there, the order under one name is kept.
    const sort = this.client.quirks.headersByName ? byName : list => list
    const [a, b] = [sort(got.headers), sort(want.headers)]
    check(a.length === b.length, `${at}: ${a.length} headers, expected ${b.length}`)
    b.forEach(([name, value], i) => {
      check(a[i][0] === name && sameBytes(a[i][1], value), `${at}: header ${i} is ${a[i][0]}=${show(a[i][1])}, expected ${name}=${show(value)}`)
    })
  }

  async readBack (expected, bytesMax) {
    expected.forEach((record, i) => check(record.offset === i, `record ${i} was acknowledged at offset ${record.offset}`))
    const reader = this.reader(0, { bytesMax })
    for (const want of expected) {
      const got = await reader.next()
      check(got !== null, `nothing more after ${want.offset} records`)
      this.compare(got, want)
    }
    await this.expectSilence(reader, 1000)
  }

  async roundtrip (codec) {
    const problem = this.client.codecs[codec]
    if (problem) throw new Skip(problem)
    await this.newTopic(this.topic, 1, KEEP)
    const producer = await this.producer({ codec })
    const sent = Array.from({ length: 300 }, (_, i) => roundtripRecord(i))
    if (this.client.quirks.noNullHeaders) sent.forEach(r => { r.headers = r.headers.filter(([, value]) => value !== null) })
    await producer.send(sent)
    await this.readBack(sent)
  }

  async sizes () {
    const limit = 16 << 20
    await this.newTopic(this.topic, 1, { 'max.message.bytes': `${limit}`, ...KEEP })
    const producer = await this.producer()
    const sent = []
    for (const size of [1, 2, 100, 1024, 65535, 65536, 1048576, 1048577, 5242880, 8388608]) {
      const value = Buffer.alloc(size)
      for (let j = 0; j < size; j++) value[j] = (j * 31 + size) % 251
      const record = plain(value, { timestampMs: BASE_TIME_MS + size })
      await producer.send([record])
      sent.push(record)
    }
    await this.readBack(sent, limit)
  }

  async idempotent () {
    if (!this.client.canIdempotent) throw new Skip('no idempotent producer in this client')
    await this.newTopic(this.topic, 3)
    const producer = await this.producer({ idempotent: true })
    const n = this.count(50000, 5000)
    const bursts = []
    for (let first = 0; first < n; first += 500) {
      bursts.push(Array.from({ length: 500 }, (_, i) => plain(`${first + i}`, { partition: (first + i) % 3 })))
    }
    await inFlight(producer.concurrency, bursts, burst => producer.send(burst))
    const reader = new Reader(this.client, this.topic, [[0, 0], [1, 0], [2, 0]])
    const read = [0, 0, 0]
    for (let i = 0; i < n; i++) {
      const got = await reader.next()
      check(got !== null, `nothing more after ${i} records`)
      const want = got.partition + 3 * read[got.partition]
      check(`${got.value}` === `${want}` && got.offset === read[got.partition],
        `partition ${got.partition} offset ${got.offset}: value ${show(got.value)}, expected ${want} at ${read[got.partition]}`)
      read[got.partition]++
    }
    await this.expectSilence(reader, 1000)
  }

  async partitions100 () {
    const [partitions, each] = [100, 10]
    await this.newTopic(this.topic, partitions)
    // Idempotent, because a partition that is not ready yet makes both clients send the whole burst again.
    const producer = await this.producer({ idempotent: this.client.canIdempotent })
    for (let n = 0; n < each; n++) {
      await producer.send(Array.from({ length: partitions }, (_, p) => plain(`${p}-${n}`, { partition: p })))
    }
    const latest = await this.client.latestOffsets(this.topic, partitions)
    latest.forEach((offset, p) => check(offset === each, `latest offset of partition ${p} is ${offset}`))
    check(latest.length === partitions, `${latest.length} latest offsets`)
    const reader = new Reader(this.client, this.topic, latest.map((_, p) => [p, 0]), { bytesMax: 10 << 20 })
    const read = new Array(partitions).fill(0)
    for (let i = 0; i < partitions * each; i++) {
      const got = await reader.next()
      check(got !== null, `nothing more after ${i} records`)
      const want = `${got.partition}-${read[got.partition]}`
      check(`${got.value}` === want, `partition ${got.partition}: value ${got.value}, expected ${want}`)
      read[got.partition]++
    }
    await this.expectSilence(reader, 1000)
  }

  async seekOffset () {
    await this.newTopic(this.topic, 1)
    const producer = await this.producer()
    for (let batch = 0; batch < 20; batch++) {
      await producer.send(Array.from({ length: 50 }, (_, i) => plain(`${batch * 50 + i}`)))
    }
    for (const [at, want] of [['earliest', 0], ['latest', 1000]]) {
      const got = await this.client.offset(this.topic, 0, at)
      check(got === want, `${at} offset is ${got}, expected ${want}`)
    }
    for (const at of [0, 1, 499, 500, 999]) {
      const got = await this.reader(at).next()
      check(got?.offset === at && `${got.value}` === `${at}`, `read at ${at}: got offset ${got?.offset}`)
    }
    await this.expectSilence(this.reader(1000), 1000)
    await this.expectCode('read at 5000', () => this.reader(5000).next(), CODE.OFFSET_OUT_OF_RANGE)
  }

  async seekTimestamp () {
    await this.newTopic(this.topic, 1, KEEP)
    const producer = await this.producer()
    await producer.send(Array.from({ length: 100 }, (_, i) => plain(`${i}`, { timestampMs: BASE_TIME_MS + 1000 * i })))
    const last = BASE_TIME_MS + 99000
    for (const [timeMs, want] of [[1, 0], [BASE_TIME_MS - 1, 0], [BASE_TIME_MS, 0], [BASE_TIME_MS + 50000, 50], [BASE_TIME_MS + 50001, 51], [last, 99]]) {
      const got = await this.client.offset(this.topic, 0, timeMs)
      check(got === want, `offset for time ${timeMs} is ${got}, expected ${want}`)
    }
    const after = await this.client.offset(this.topic, 0, last + 1)
    check(after === -1 || after === 100, `offset after the last time is ${after}, expected none`)
  }

  async autoCreate () {
    const producer = await this.producer({ autoCreate: true })
    const sent = Array.from({ length: 10 }, (_, i) => plain(`${i}`, { timestampMs: Date.now() }))
    await producer.send(sent)
    await this.readBack(sent)
    await this.awaitPartitions(this.topic, 1)
  }

  async adminTopics () {
    const configs = { 'retention.ms': '123456', 'cleanup.policy': 'compact' }
    await this.newTopic(this.topic, 3, configs)
    await this.expectCode('second creation', () => this.client.createTopic(this.topic, 3, {}), CODE.TOPIC_ALREADY_EXISTS)
    check((await this.client.listTopics()).includes(this.topic), 'the topic is not listed')
    const got = await this.client.describeConfigs(this.topic)
    for (const [name, want] of Object.entries({ ...configs, 'max.message.bytes': '1048588' })) {
      check(got[name] === want, `config ${name} is ${got[name]}, expected ${want}`)
    }
    await this.client.growTopic(this.topic, 5)
    await this.awaitPartitions(this.topic, 5)
    await this.expectCode('shrink to 2', () => this.client.growTopic(this.topic, 2), CODE.INVALID_PARTITIONS)
    await this.expectCode('name with a space', () => this.client.createTopic(`${this.topic}-a b`, 1, {}), CODE.INVALID_TOPIC_EXCEPTION)
    await this.expectCode('0 partitions', () => this.client.createTopic(`${this.topic}-zero`, 0, {}), CODE.INVALID_PARTITIONS)
    await this.expectCode('retention.ms=abc', () => this.client.createTopic(`${this.topic}-config`, 1, { 'retention.ms': 'abc' }), CODE.INVALID_CONFIG)
    await this.client.deleteTopic(this.topic)
    await this.until('the topic is gone', async () => !(await this.client.listTopics()).includes(this.topic))
    await this.expectCode('second deletion', () => this.client.deleteTopic(this.topic), CODE.UNKNOWN_TOPIC_OR_PARTITION)
  }

  async produceErrors () {
    const compacted = `${this.topic}-compacted`
    await this.newTopic(this.topic, 1)
    await this.newTopic(compacted, 1, { 'cleanup.policy': 'compact' })
    const producer = await this.producer({ retryMs: 2000 })
    const keyed = await this.producer({ topic: compacted, retryMs: 2000 })
    await this.expectCode('2 MiB record', () => producer.send([plain(randomBytes(2 << 20))]), CODE.MESSAGE_TOO_LARGE)
    await this.expectCode('record without key', () => keyed.send([plain('v')]), CODE.INVALID_RECORD)
    await this.badNameAndPartition(producer)
    for (const [topic, p] of [[this.topic, producer], [compacted, keyed]]) {
      const good = plain('good', { key: Buffer.from('k'), timestampMs: Date.now() })
      await p.send([good])
      const reader = new Run(this.client, '', '')
      reader.topic = topic
      await reader.readBack([good])
    }
  }

  async badNameAndPartition (producer) {
    const refused = async (what, send) => {
      try {
        await Promise.race([send(), sleep(5000).then(() => { throw new Error('no answer within 5 s') })])
      } catch (error) {
        return this.client.errorCode(error)
      }
      throw new Error(`${what} was accepted`)
    }
    const code = await refused('a record to the topic `bad name!`', async () => {
      const bad = await this.producer({ topic: 'bad name!', autoCreate: true, retryMs: 2000 })
      await bad.send([plain('v')])
    })
    check(code === 0 || code === CODE.INVALID_TOPIC_EXCEPTION, `topic \`bad name!\`: error code ${code}`)
    // @platformatic/kafka takes the partition modulo the count, so that this error cannot be made with it.
    if (!this.client.quirks.wrapsPartitions) {
      await refused('a record to partition 7 of 1', () => producer.send([plain('v', { partition: 7 })]))
    }
  }

  async longPoll () {
    await this.newTopic(this.topic, 1)
    const producer = await this.producer()
    await producer.send([plain('first')])
    const reader = this.reader(1, { waitMs: 10000 })
    for (let round = 0; round < 3; round++) {
      await this.expectSilence(reader, 1500)
      await producer.send([plain(`${round}`)])
      const got = await reader.next(1000)
      check(got !== null, `round ${round}: not there within a second`)
      check(`${got.value}` === `${round}`, `round ${round}: value ${got.value}`)
    }
  }

  async readWhileWrite () {
    await this.newTopic(this.topic, 1)
    const n = this.count(50000, 10000)
    const producer = await this.producer()
    const reader = this.reader(0)
    const write = async () => {
      for (let first = 0; first < n; first += 500) {
        await producer.send(Array.from({ length: 500 }, (_, i) => plain(`${first + i}`.padEnd(100))))
      }
    }
    const read = async () => {
      for (let i = 0; i < n; i++) {
        const got = await reader.next()
        check(got !== null, `nothing more after ${i} records`)
        check(`${got.value}` === `${i}`.padEnd(100) && got.offset === i, `expected ${i} at its offset, got ${`${got.value}`.trim()} at ${got.offset}`)
      }
    }
    await Promise.all([write(), read()])
  }

  async restart (request) {
    await this.newTopic(this.topic, 1)
    const exactlyOnce = this.client.canIdempotent
    const producer = await this.producer({ idempotent: exactlyOnce })
    const n = this.count(3000, 1000)
    const stream = new Stream(producer)
    const reader = this.reader(0)
    let next = 0
    const readOn = async end => {
      while (next < end) {
        const got = await reader.next()
        check(got !== null, `nothing more, ${next} expected`)
        const number = Number(got.value)
        check(number <= next, `number ${next} lost: ${number} follows at offset ${got.offset}`)
        check(number === next || !exactlyOnce, `number ${number} doubled at offset ${got.offset}`)
        if (number === next) next++
      }
    }
    await readOn(100)
    await stream.acknowledged(n)
    await ask(request, 'RESTARTED')
    await readOn(await stream.finish(n))
    if (exactlyOnce) await this.expectSilence(reader, 1000)
  }
}

// Produces numbers at about 1000 a second until it is told where to end.
class Stream {
  sent = 0
  acked = 0
  end = Infinity

  constructor (producer) {
    this.done = this.run(producer)
    this.done.catch(error => { this.error = error })
  }

  async run (producer) {
    const open = new Set()
    while (this.sent < this.end) {
      const burst = Array.from({ length: 10 }, (_, i) => plain(`${this.sent + i}`))
      this.sent += 10
      const flight = producer.send(burst).then(() => { this.acked += 10 }).finally(() => open.delete(flight))
      open.add(flight)
      if (open.size >= producer.concurrency) await Promise.race(open)
      await sleep(8)
    }
    await Promise.all(open)
  }

  async acknowledged (n) {
    while (this.acked < n) {
      if (this.error) throw this.error
      await sleep(5)
    }
  }

  async finish (n) {
    this.end = this.sent + n
    await this.done
    return this.sent
  }
}

function plain (value, rest = {}) {
  return { partition: 0, key: null, value: Buffer.from(value), headers: [], ...rest }
}

function roundtripRecord (i) {
  const key = [null, Buffer.alloc(0)][i % 4]
  const value = [null, Buffer.alloc(0)][i % 5]
  const many = ['h=1', 'other=x', 'h=2', 'empty='].map(text => text.split('=')).map(([k, v]) => [k, Buffer.from(v)])
  return {
    partition: 0,
    key: key === undefined ? Buffer.from(`key-${i}`) : key,
    value: value === undefined ? Buffer.from(`value-${i}-`.repeat(i)) : value,
    headers: [[], [['h', Buffer.from(`${i}`)]], [...many, ['null', null]]][i % 3],
    timestampMs: BASE_TIME_MS + i
  }
}

function byName (headers) {
  return headers.map((h, i) => [h, i]).sort(([a, i], [b, j]) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : i - j)).map(([h]) => h)
}

async function inFlight (limit, items, operation) {
  const open = new Set()
  for (const item of items) {
    const flight = operation(item).finally(() => open.delete(flight))
    open.add(flight)
    if (open.size >= limit) await Promise.race(open)
  }
  await Promise.all(open)
}

let answers

async function ask (request, expected) {
  answers ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  process.stdout.write(`${request}\n`)
  const { value } = await answers.next()
  check(value?.trim() === expected, `${request}: harness answered ${value}`)
}
