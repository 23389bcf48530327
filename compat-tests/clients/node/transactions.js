// Transactional producers and followers (compat-tests/README.md, "The members of a program"): verbs that begin with `txn-`.
//
// A library offers
//   transactional(id, timeoutMs) -> { begin(), send(topic, partition, values), offsets(group, Map), commit(), abort(), close(), drop() },
//     initialised; drop: as if the program had died
//   loop(reporter, { id, group, from, to, aborts(number) }) -> { end() }
//   fetch(topic, positions, waitMs, bytesMax, committed)
// Whatever is missing is unsupported.
import { Reader } from './scenarios.js'
import { now, parseOffsets, unsupported } from './members.js'

const VALUES_MAX = 200
const WAIT_MS = 100
// INVALID_PRODUCER_EPOCH and PRODUCER_FENCED: another producer has the id.
const FENCED = [47, 90]
export const LOOP_RECORDS_MAX = 20

export class Acting {
  constructor (library, reporter) {
    this.library = library
    this.reporter = reporter
  }

  async perform (verb, { id, timeout_ms: timeoutMs = 60000, part, first, count, group, offsets, topic, partitions, isolation, from, to, abort_every: every = 0 }) {
    switch (verb) {
      case 'txn-open': {
        if (!this.library.transactional) unsupported('no transactions in this client')
        const old = this.producer
        this.producer = undefined
        if (old) await old.drop()
        this.producer = await this.library.transactional(id, Number(timeoutMs))
        return
      }
      case 'txn-follow': return this.follow(topic, Number(partitions), isolation !== 'uncommitted')
      case 'txn-loop': {
        if (!this.library.loop) unsupported('no such loop with this client')
        const aborts = number => Number(every) > 0 && number % Number(every) === 0
        this.loop = await this.library.loop(this.reporter, { id, group, from, to, aborts })
        return
      }
      case 'txn-loop-end': return await this.loop.end()
    }
    if (!this.producer) throw new Error('no producer')
    switch (verb) {
      case 'txn-begin': return await this.producer.begin()
      case 'txn-send': {
        const [name, number] = part.split(':')
        return await this.producer.send(name, Number(number), Array.from({ length: Number(count) }, (_, i) => `${Number(first) + i}`))
      }
      case 'txn-offsets': {
        if (!this.producer.offsets) unsupported('no offsets of a group that this client is no member of')
        return await this.producer.offsets(group, parseOffsets(offsets))
      }
      case 'txn-commit': return await this.producer.commit()
      case 'txn-abort': return await this.producer.abort()
      case 'txn-close': {
        await this.producer.close()
        this.producer = undefined
        return
      }
      default: return unsupported(`no verb ${verb}`)
    }
  }

  async follow (topic, partitions, committed) {
    const from = Array.from({ length: partitions }, (_, number) => [number, 0])
    const reader = new Reader(this.library, topic, from, { waitMs: WAIT_MS, committed })
    // Not waited for: it goes on as long as the program does.
    this.tell(reader, topic).catch(error => this.reporter.failed(error))
  }

  async tell (reader, topic) {
    while (true) {
      const found = new Map()
      for (const { partition, offset, value } of await reader.batch()) {
        found.set(partition, [...(found.get(partition) ?? []), `${offset}=${value}`])
      }
      for (const [partition, values] of found) {
        while (values.length > 0) {
          this.reporter.tell(`values t=${now()} part=${topic}:${partition} values=${values.splice(0, VALUES_MAX).join()}`)
        }
      }
    }
  }
}

export const fenced = (library, error) => FENCED.includes(library.errorCode(error))
