// The members of the group scenarios (compat-tests/README.md, "The members of a program"): lines on stdin, a consumer for each name.
//
// A partition is `topic:0`. Offsets are a Map of partition to { at, metadata }. A library's member (kafkajs_member.js,
// platformatic_member.js) has join(options), commit(async, offsets), committed(parts), seek(part, at), pause(parts), resume(parts)
// and close(); its admin has groups(), describe(group), offsets(group), alter(group, offsets), deleteOffsets(group, parts) and
// deleteGroup(group). Whatever is missing there is unsupported.
import { createInterface } from 'node:readline'
import { Acting } from './transactions.js'

export class Unsupported extends Error {}

// Errors of the library's own checks, which the broker never saw.
export function unsupported (text) {
  throw new Unsupported(text)
}

// Microseconds since 1970.
export const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000)

// Prints the events of one member, and knows what it has and how far it delivered.
export class Reporter {
  next = new Map() // of the partitions that the member has; undefined: nothing delivered yet

  constructor (name, errorCode) {
    this.name = name
    this.errorCode = errorCode
  }

  tell (line) {
    process.stdout.write(`@${this.name} ${line}\n`)
  }

  assigned (parts, generation, memberId) {
    for (const part of parts) this.next.set(part, undefined)
    this.tell(`assigned t=${now()} gen=${generation ?? '-'} member=${memberId || '-'} parts=${parts.join()}`)
  }

  // kind: revoked or lost.
  gone (kind, parts) {
    if (parts.length === 0) return
    for (const part of parts) this.next.delete(part)
    this.tell(`${kind} t=${now()} parts=${parts.join()}`)
  }

  get owned () {
    return [...this.next.keys()]
  }

  // offsets: numbers of one partition, in the order of delivery.
  records (part, offsets) {
    const at = now()
    for (let first = 0, i = 1; i <= offsets.length; i++) {
      if (i < offsets.length && offsets[i] === offsets[i - 1] + 1) continue
      this.tell(`records t=${at} part=${part} first=${offsets[first]} last=${offsets[i - 1]}`)
      first = i
    }
    if (this.next.has(part)) this.next.set(part, offsets.at(-1) + 1)
  }

  // What a commit without offsets commits.
  delivered () {
    return new Map([...this.next].filter(([, at]) => at !== undefined).map(([part, at]) => [part, { at, metadata: '' }]))
  }

  committed (asked, offsets) {
    this.tell(`committed s=${asked} t=${now()} offsets=${print(offsets)}`)
  }

  // Commits and tells of it; the error of the library goes on.
  async commit (member, async, offsets) {
    const wanted = offsets.size > 0 ? offsets : this.delivered()
    if (wanted.size === 0) return
    const asked = now()
    await member.commit(async, wanted)
    this.committed(asked, wanted)
  }

  // After a poll or batch, for `commit=each`.
  async commitEach (member, offsets) {
    try {
      await this.commit(member, false, offsets)
    } catch (error) {
      this.failed(error)
    }
  }

  failed (error) {
    this.tell(`error t=${now()} code=${this.code(error)} text=${describe(error).replace(/\s+/g, '_')}`)
  }

  code (error) {
    return this.errorCode(error) || '-'
  }
}

// The interesting message of both clients is often in a nested error.
function describe (error) {
  const causes = [...(error.errors ?? []), error.cause].filter(Boolean).slice(0, 2).map(describe)
  return [`${error.message}`, ...causes].join(' <- ')
}

function print (offsets) {
  return [...offsets].map(([part, { at, metadata }]) => `${part}:${at}${metadata ? `:${metadata}` : ''}`).sort().join()
}

const list = text => (text ?? '').split(',').filter(Boolean)

export function parseOffsets (text) {
  return new Map(list(text).map(word => {
    const [topic, number, at, metadata = ''] = word.split(':')
    return [`${topic}:${number}`, { at: Number(at), metadata }]
  }))
}

export function byTopic (parts) {
  const topics = new Map()
  for (const part of parts) {
    const [topic, number] = part.split(':')
    topics.set(topic, [...(topics.get(topic) ?? []), Number(number)])
  }
  return [...topics]
}

function parseJoin ({ group, topics, pattern, protocol = 'classic', assignor, session_ms: session = 6000, heartbeat_ms: heartbeat = 500, instance, reset = 'earliest', auto_commit_ms: autoCommit = 0, commit = 'no', ...unknown }) {
  for (const name in unknown) unsupported(`option ${name}`)
  return {
    group,
    topics: list(topics),
    pattern,
    protocol,
    assignor: assignor ?? (protocol === 'classic' ? 'range' : undefined),
    sessionMs: Number(session),
    heartbeatMs: Number(heartbeat),
    instance,
    reset,
    autoCommitMs: Number(autoCommit),
    commitEach: commit === 'each'
  }
}

// Kafka's range assignor, which neither library has: a member's share of each topic is a run of partitions.
// members: Map of id to topics; count: topic to its number of partitions. Returns a Map of id to [topic, partitions].
export function assignRange (members, count) {
  const shares = new Map([...members.keys()].map(id => [id, []]))
  for (const topic of new Set([...members.values()].flat())) {
    const takers = [...members.keys()].filter(id => members.get(id).includes(topic)).sort()
    const all = Array.from({ length: count(topic) }, (_, number) => number)
    const [least, extra] = [Math.floor(all.length / takers.length), all.length % takers.length]
    takers.forEach((id, i) => {
      const share = all.splice(0, least + (i < extra ? 1 : 0))
      if (share.length > 0) shares.get(id).push([topic, share])
    })
  }
  return shares
}

// The commands of one member, one after the other.
class Obeying {
  queue = Promise.resolve()

  constructor (name, library) {
    this.library = library
    this.reporter = new Reporter(name, error => library.errorCode(error))
    this.member = library.member(this.reporter)
    this.acting = new Acting(library, this.reporter)
  }

  enqueue (verb, options) {
    this.queue = this.queue.then(() => this.obey(verb, options))
  }

  async obey (verb, options) {
    try {
      const answer = await (verb.startsWith('txn-') ? this.acting : this).perform(verb, options)
      this.reporter.tell(`done ${answer ?? ''}`.trim())
    } catch (error) {
      if (error instanceof Unsupported) this.reporter.tell(`unsupported ${error.message}`)
      else this.reporter.tell(`failed ${this.reporter.code(error)} ${describe(error).replace(/\s+/g, ' ')}`)
    }
  }

  async perform (verb, options) {
    const { member, library: { groupAdmin: admin } } = this
    const { group } = options
    const [offsets, parts] = [parseOffsets(options.offsets), list(options.parts)]
    const call = (object, name, ...args) => object[name] ? object[name](...args) : unsupported(`no ${name}`)
    switch (verb) {
      case 'join': return await member.join(parseJoin(options))
      case 'commit': return await this.reporter.commit(member, options.mode === 'async', offsets)
      case 'committed': return `offsets=${print(await member.committed(parts))}`
      case 'seek': return await this.seek(options.offset)
      case 'pause': return await call(member, 'pause', parts)
      case 'resume': return await call(member, 'resume', parts)
      case 'close': return await member.close()
      case 'groups': return `groups=${(await admin.groups()).map(({ id, state, type }) => `${id}:${state ?? '-'}:${type ?? '-'}`).join()}`
      case 'describe': {
        const { state, type, assignor, members, parts, instances } = await admin.describe(group)
        return `state=${state ?? '-'} type=${type ?? '-'} assignor=${assignor || '-'} members=${members} parts=${parts.join()} instances=${instances.join()}`
      }
      case 'offsets': return `offsets=${print(await admin.offsets(group))}`
      case 'alter': return await call(admin, 'alter', group, offsets)
      case 'delete-offsets': return await call(admin, 'deleteOffsets', group, parts)
      case 'delete-group': return await admin.deleteGroup(group)
      default: return unsupported(`no verb ${verb}`)
    }
  }

  async seek (offset) {
    const [topic, number, at] = offset.split(':')
    if (!this.member.seek) unsupported('no seek')
    await this.member.seek(`${topic}:${number}`, Number.isNaN(Number(at)) ? at : Number(at))
  }
}

export async function members (library) {
  const known = new Map()
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, verb, ...options] = line.trim().split(/\s+/)
    if (!verb) continue
    if (!known.has(name)) known.set(name, new Obeying(name, library))
    known.get(name).enqueue(verb, Object.fromEntries(options.map(option => option.split(/=(.*)/s, 2))))
  }
}
