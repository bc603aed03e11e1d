import { createInterface } from "node:readline";
import { Broker } from "./broker.ts";

/**
 * The broker as a process: `node test/support/service-bus-broker/main.ts PORT [QUEUE…]`. It prints its connection string,
 * and takes commands line by line on its standard input: drop, expire, refuse N, reorder, twice, stop, start. It lives
 * until it is killed.
 */
const [port = "0", ...names] = process.argv.slice(2);
const queues = names.length === 0 ? ["darkroom-jobs", "darkroom-results"] : names;
const broker = new Broker({ port: Number(port), queues });

const commands: Readonly<Record<string, (argument: string) => unknown>> = {
  drop: () => broker.dropConnections(),
  expire: () => broker.expireLocks(),
  refuse: (times) => {
    broker.faults.refuseSends = Number(times);
  },
  reorder: () => {
    broker.faults.reorder = !broker.faults.reorder;
  },
  twice: () => {
    broker.faults.twice = !broker.faults.twice;
  },
  stop: () => broker.stop(),
  start: () => broker.start(),
};

await broker.start();
process.stdout.write(`${broker.connectionString}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const [name = "", argument = ""] = line.trim().split(" ");
  await commands[name]?.(argument);
  process.stdout.write(`${name in commands ? "done" : "unknown"}: ${name}\n`);
}
