// kafkajs's program among the clients: see compat/doc.go.
'use strict'

const crypto = require('crypto')
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')

const patience = 40_000
const firstStamp = 1_700_000_000_000
const [address, name, topic] = process.argv.slice(2)

class NotApplicable extends Error {}

function fail(text) {
  throw new Error(text)
}

const kafka = new Kafka({
  brokers: [address], clientId: 'compat', logLevel: logLevel.NOTHING, connectionTimeout: 10_000, requestTimeout: 30_000,
})

// recordSet is without the header of null where kafkajs has to write it: it cannot.
function recordSet(nulls) {
  return Array.from({ length: 20 }, (_, i) => ({
    partition: 0,
    timestamp: String(firstStamp + 1000 * i),
    key: i % 4 === 0 ? null : `key-${i}`,
    value: i % 5 === 0 ? null : i % 5 === 1 ? '' : `value-${i}-ü`,
    headers: i % 2 === 0 ? {} : { name: [`header-${i}`, 'again'], empty: '', ...nulls },
  }))
}

const line = i => `line ${i} ${'x'.repeat(100)}`
const lines = n => Array.from({ length: n }, (_, i) => ({ partition: 0, value: line(i) }))
const text = b => (b === null ? null : b.toString())
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

async function produce(messages, how = {}, options = {}) {
  const producer = kafka.producer({ allowAutoTopicCreation: false, ...options })
  await producer.connect()
  await producer.send({ topic, messages, timeout: 30_000, ...how })
  await producer.disconnect()
}

async function awaitThat(what, is, ...members) {
  for (const deadline = Date.now() + patience; !(await is()); await sleep(20)) {
    if (Date.now() > deadline) {
      const said = members.map(m => `; a member owns ${m.owns}, read ${m.values.length}, last error ${m.error}`)
      fail(`no end of waiting until ${what}${said.join('')}`)
    }
  }
}

// kafkajs reads only as a member of a group: seek is its way to an offset.
async function read(from, n) {
  const consumer = kafka.consumer({ groupId: `${topic}-reader`, allowAutoTopicCreation: false })
  const got = []
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      got.push({ partition, offset: Number(message.offset), ...message, offsetText: message.offset })
    },
  })
  if (from > 0) consumer.seek({ topic, partition: 0, offset: String(from) })
  await awaitThat(`${n} records are read`, () => got.length >= n, { owns: '-', values: got, error: 'none' })
  await consumer.disconnect()
  return got
}

function flatHeaders(headers) {
  return Object.entries(headers || {}).map(([k, v]) => [k, Array.isArray(v) ? v.map(h => text(Buffer.from(h))) :
    v === null || v === undefined ? null : text(Buffer.from(v))])
}

function checkRecords(got, wanted) {
  wanted.forEach((want, i) => {
    const m = got[i]
    const is = [Number(m.offset), m.timestamp, text(m.key), text(m.value), flatHeaders(m.headers)]
    const wanted = [i, want.timestamp, want.key, want.value, flatHeaders(want.headers)]
    if (JSON.stringify(is) !== JSON.stringify(wanted)) {
      fail(`record ${i}: read ${JSON.stringify(is)} instead of ${JSON.stringify(wanted)}`)
    }
  })
}

function checkLines(got, from) {
  got.forEach((m, i) => {
    if (Number(m.offset) !== from + i || text(m.value) !== line(from + i)) {
      fail(`offset ${m.offset} holds ${m.value} instead of ${line(from + i)}`)
    }
  })
}

async function codec(kind) {
  const types = {
    none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4,
    zstd: CompressionTypes.ZSTD,
  }
  if (kind === 'snappy') CompressionCodecs[types.snappy] = require('kafkajs-snappy')
  if (kind === 'lz4') throw new NotApplicable('kafkajs has no LZ4 of its own, and no maintained one was found')
  if (kind === 'zstd') {
    const { Streaming } = await new Promise(resolve => require('zstd-codec').ZstdCodec.run(zstd => resolve(zstd)))
    CompressionCodecs[types.zstd] = () => ({
      compress: async encoder => Buffer.from(new Streaming().compress(encoder.buffer)),
      decompress: async buffer => Buffer.from(new Streaming().decompress(buffer)),
    })
  }
  await produce(lines(500), { compression: types[kind] })
  checkLines(await read(0, 500), 0)
}

async function withAdmin(what) {
  const admin = kafka.admin()
  await admin.connect()
  await what(admin)
  await admin.disconnect()
}

const offsets = () => withAdmin(async admin => {
  const [marks] = await admin.fetchTopicOffsets(topic)
  if (marks.low !== '0' || marks.high !== '20') fail(`earliest and latest are ${marks.low} and ${marks.high}`)
  for (const [stamp, want] of [[0, '0'], [7000, '7'], [7001, '8'], [60_000, '20']]) {
    const [at] = await admin.fetchTopicOffsetsByTimestamp(topic, firstStamp + stamp)
    if (at.offset !== want) fail(`at +${stamp} ms there is ${at.offset} instead of ${want}`)
  }
})

async function large() {
  const values = Array.from({ length: 5 }, () => crypto.randomBytes(900_000))
  for (const value of values) await produce([{ partition: 0, value }])
  const got = await read(0, 5)
  got.forEach((m, i) => {
    if (!m.value.equals(values[i])) fail(`record ${i} came back otherwise, with ${m.value.length} bytes`)
  })
}

async function partitions() {
  const messages = []
  for (let i = 0; i < 10; i++) for (let p = 0; p < 100; p++) messages.push({ partition: p, value: `${p}:${i}` })
  await produce(messages)
  for (const m of await read(0, 1000)) {
    if (text(m.value) !== `${m.partition}:${m.offset}`) fail(`offset ${m.offset} of partition ${m.partition} holds ${m.value}`)
  }
}

async function join() {
  const m = { owns: [], values: [], next: {}, error: null }
  m.consumer = kafka.consumer({ groupId: topic, heartbeatInterval: 300, allowAutoTopicCreation: false })
  m.consumer.on(m.consumer.events.GROUP_JOIN, e => { m.owns = [...(e.payload.memberAssignment[topic] || [])].sort() })
  m.consumer.on(m.consumer.events.CRASH, e => { m.error = e.payload.error.message })
  await m.consumer.connect()
  await m.consumer.subscribe({ topics: [topic], fromBeginning: true })
  await m.consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      m.values.push(text(message.value))
      m.next[partition] = String(Number(message.offset) + 1)
    },
  })
  m.commit = () => m.consumer.commitOffsets(
    m.owns.filter(p => m.next[p]).map(partition => ({ topic, partition, offset: m.next[partition] })))
  return m
}

async function fill(from) {
  const messages = []
  for (let i = from; i < from + 25; i++) for (let p = 0; p < 4; p++) messages.push({ partition: p, value: `${p}:${i}` })
  await produce(messages)
}

function exactly(what, values, from) {
  const want = []
  for (let i = from; i < from + 25; i++) for (let p = 0; p < 4; p++) want.push(`${p}:${i}`)
  const is = new Set(values)
  if (values.length !== 100 || !want.every(v => is.has(v))) {
    fail(`${what}: ${values.length} records were read, ${want.filter(v => is.has(v)).length} of the 100 wanted among them`)
  }
}

const share = (a, b) => a.owns.length === 2 && b.owns.length === 2 && new Set([...a.owns, ...b.owns]).size === 4

async function group() {
  await fill(0)
  const a = await join()
  await awaitThat('the first member owns 4 and has read 100', () => a.owns.length === 4 && a.values.length >= 100, a)
  await a.commit()
  const b = await join()
  await awaitThat('two members share', () => share(a, b), a, b)
  exactly('before the rebalance', a.values, 0)
  await fill(25)
  await awaitThat('both have read 100', () => a.values.length + b.values.length >= 200, a, b)
  exactly('shared', [...a.values.slice(100), ...b.values], 25)
  await a.commit()
  await b.commit()
  await b.consumer.disconnect()
  await awaitThat('the first member owns all again', () => a.owns.length === 4, a)
  await a.consumer.disconnect()
  await fill(50)
  const c = await join()
  await awaitThat('the third has read 100', () => c.values.length >= 100, c)
  exactly('resumed', c.values, 50)
  await c.consumer.disconnect()
}

async function refused(what, type, ask) {
  const e = await ask().then(() => null, e => e)
  if (e === null) fail(`${what} is not refused`)
  const inner = (e.errors || e.groups || [e])[0]
  const is = inner.type || (inner.error && inner.error.type)
  if (is !== type) fail(`${what} is refused with ${is} (${e}) instead of ${type}`)
}

const adminTopics = () => withAdmin(async admin => {
  const made = `${topic}-made`
  const count = async () => {
    if (!(await admin.listTopics()).includes(made)) return 0
    return (await admin.fetchTopicMetadata({ topics: [made] })).topics[0].partitions.length
  }
  const wanted = {
    topic: made, numPartitions: 3, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '3600000' }],
  }
  if (!(await admin.createTopics({ topics: [wanted], waitForLeaders: false }))) fail('the topic was not created')
  if (await admin.createTopics({ topics: [wanted], waitForLeaders: false })) fail('a topic was created twice')
  await awaitThat('3 partitions are there', async () => (await count()) === 3)
  await admin.createPartitions({ topicPartitions: [{ topic: made, count: 5 }] })
  await awaitThat('5 partitions are there', async () => (await count()) === 5)
  await admin.deleteTopics({ topics: [made] })
  await awaitThat('the topic is gone', async () => (await count()) === 0)
})

const adminConfigs = () => withAdmin(async admin => {
  const of = { type: ConfigResourceTypes.TOPIC, name: topic }
  const value = async () => {
    const { resources } = await admin.describeConfigs({ resources: [of], includeSynonyms: false })
    return resources[0].configEntries.find(c => c.configName === 'retention.ms').configValue
  }
  if ((await value()) !== '-1') fail(`retention.ms is described as ${await value()} instead of -1`)
  await admin.alterConfigs({ resources: [{ ...of, configEntries: [{ name: 'retention.ms', value: '7200000' }] }] })
  await awaitThat('retention.ms is altered', async () => (await value()) === '7200000')
  await admin.alterConfigs({ resources: [{ ...of, configEntries: [] }] })
  await awaitThat('retention.ms is the default', async () => (await value()) === '604800000')
})

const adminRecords = () => withAdmin(async admin => {
  await produce(lines(100))
  await admin.fetchTopicOffsets(topic) // deleteTopicRecords does not ask for the leaders by itself
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '60' }] })
  const [marks] = await admin.fetchTopicOffsets(topic)
  if (marks.low !== '60') fail(`the start is ${marks.low} instead of 60`)
})

const adminGroups = () => withAdmin(async admin => {
  await fill(0)
  const m = await join()
  await awaitThat('the member has read 100', () => m.values.length >= 100, m)
  await m.commit()
  const { groups } = await admin.listGroups()
  if (!groups.some(g => g.groupId === topic)) fail('the group is not listed')
  const described = (await admin.describeGroups([topic])).groups[0]
  if (described.state !== 'Stable' || described.members.length !== 1) {
    fail(`the group is described as ${described.state} with ${described.members.length} members`)
  }
  await refused('deleting a group with a member', 'NON_EMPTY_GROUP', () => admin.deleteGroups([topic]))
  await m.consumer.disconnect()
  const [at] = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
  if (at.partitions.length !== 4 || at.partitions.some(p => p.offset !== '25')) {
    fail(`committed is ${JSON.stringify(at.partitions)}`)
  }
  await admin.deleteGroups([topic])
})

const cases = {
  version: async () => console.log(require('kafkajs/package.json').version),
  records: async () => {
    await produce(recordSet({}))
    checkRecords(await read(0, 20), recordSet({}))
  },
  write: async () => { throw new NotApplicable('kafkajs writes no header without a value') },
  read: async () => checkRecords(await read(0, 20), recordSet({ none: null })),
  'acks-0': () => acks(0),
  'acks-1': () => acks(1),
  'acks-all': () => acks(-1),
  idempotence: async () => {
    const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false })
    await producer.connect()
    const all = lines(2000)
    for (let i = 0; i < all.length; i += 50) await producer.send({ topic, messages: all.slice(i, i + 50) })
    await producer.disconnect()
    checkLines(await read(0, 2000), 0)
  },
  seek: async () => {
    await produce(lines(100))
    const got = await read(42, 58)
    checkLines(got.slice(-58), 42) // what was fetched before the seek may come first
  },
  offsets,
  large,
  partitions,
  'group-eager': group,
  'admin-topics': adminTopics,
  'admin-configs': adminConfigs,
  'admin-records': adminRecords,
  'admin-groups': adminGroups,
}
for (const kind of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) cases[`codec-${kind}`] = () => codec(kind)
for (const kind of ['cooperative', 'consumer', 'static']) {
  cases[`group-${kind}`] = async () => { throw new NotApplicable(`kafkajs has no groups of this kind (${kind})`) }
}

async function acks(n) {
  await produce(lines(100), { acks: n })
  checkLines(await read(0, 100), 0)
}

(cases[name] || (async () => fail(`no case ${name}`)))().then(() => process.exit(0), e => {
  console.log(e.stack)
  console.log(String(e.message).replace(/\s+/g, ' '))
  process.exit(e instanceof NotApplicable ? 77 : 1)
})
