// Transactions of @platformatic/kafka.
import { Producer } from '@platformatic/kafka'

const RETRIES = 150
// What a producer says that has no id yet. The library's own default, id 0 of epoch 0, is refused as soon as the transactional id has had
// another producer.
const NO_PRODUCER = { producerId: -1n, producerEpoch: -1 }

export class PlatformaticTransactional {
  constructor (options, transactionalId, timeout) {
    // The timeout of requests is that of transactions, too.
    this.base = new Producer({ ...options, transactionalId, timeout, idempotent: true, retries: RETRIES, retryDelay: 200, metadataMaxAge: 300000 })
  }

  // It asks for its producer id when the first transaction begins.
  async open () {
    this.next = await this.base.beginTransaction(NO_PRODUCER)
    return this
  }

  async begin () {
    this.current = this.next ?? await this.base.beginTransaction(NO_PRODUCER)
    this.next = undefined
    this.empty = true
  }

  async send (topic, partition, values) {
    this.empty = false
    await this.current.send({ messages: values.map(value => ({ topic, partition, value: Buffer.from(value) })), acks: -1 })
  }

  // Of a transaction without records the broker knows nothing, and would refuse to end it.
  async commit () {
    await (this.empty ? this.current.cancel() : this.current.commit())
  }

  async abort () {
    await (this.empty ? this.current.cancel() : this.current.abort())
  }

  async close () {
    await this.base.close(true)
  }

  async drop () {
    await this.base.close(true)
  }
}
