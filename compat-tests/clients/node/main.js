// The compatibility program of the Node clients: node main.js <kafkajs|platformatic> <bootstrap> <scenario> <suffix>.
// The contract (exit codes, topic names, services of the harness) is in compat-tests/README.md.
import { members } from './members.js'
import { Run, Skip } from './scenarios.js'

const adapters = {
  kafkajs: async bootstrap => new (await import('./kafkajs.js')).KafkaJs(bootstrap),
  platformatic: async bootstrap => new (await import('./platformatic.js')).Platformatic(bootstrap)
}

const [name, bootstrap, scenario, suffix] = process.argv.slice(2)
if (!adapters[name] || !suffix) {
  console.error('usage: main.js kafkajs|platformatic <bootstrap> <scenario> <suffix>')
  process.exit(2)
}

if (scenario === 'members') {
  await members(await adapters[name](bootstrap))
  process.exit(0)
}

const limitMs = scenario.startsWith('restart') ? 115000 : 55000
setTimeout(() => leave(1, 'time limit of the program exceeded'), limitMs)

function leave (code, reason) {
  console.log(reason.replaceAll('\n', '; '))
  process.exit(code)
}

process.on('unhandledRejection', error => leave(1, `unhandled rejection: ${describe(error)}`))

// The interesting message of both clients is often in a nested error.
export function describe (error) {
  const causes = [...(error.errors ?? []), error.cause].filter(Boolean).slice(0, 2).map(describe)
  return [`${error.message}`, ...causes].join(' <- ')
}

try {
  await new Run(await adapters[name](bootstrap), scenario, suffix).play()
  leave(0, 'passed')
} catch (error) {
  leave(error instanceof Skip ? 77 : 1, describe(error))
}
