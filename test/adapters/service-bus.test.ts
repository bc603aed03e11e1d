import { setTimeout as delay } from "node:timers/promises";
import { ServiceBusClient, ServiceBusError, type ServiceBusReceiver } from "@azure/service-bus";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createClient } from "../../src/adapters/service-bus/client.ts";
import { isLost, isRefusal } from "../../src/adapters/service-bus/errors.ts";
import { serviceBusQueue } from "../../src/adapters/service-bus/queue.ts";
import { openQueues } from "../../src/adapters/service-bus/queues.ts";
import { complete, type Queue } from "../../src/ports/queue.ts";
import { runningClock } from "../contracts/movable-clock.ts";
import { receive, receiveDead } from "../contracts/receiver.ts";
import { recordingLog } from "../support/log.ts";
import { openQueue, startBroker } from "./service-bus-harness.ts";

const again = { kind: "abandon", delayMs: 0 } as const;
const send = (queue: Queue, ...ids: string[]) => queue.send(ids.map((id) => ({ id, body: Buffer.from(id) })));
const timeout = 30_000;
const hour = 3_600_000;

async function opened(options: Parameters<typeof startBroker>[0] = {}, { prefetch = 0 } = {}) {
  const broker = await startBroker(options);
  const store = broker.queue("queue");
  const isEmpty = () => vi.waitUntil(() => store.size === 0, { timeout });
  return { broker, store, isEmpty, ...openQueue(broker, { prefetch }) };
}

/** All receivers that are made from now on; `prepare` is called for each. */
function receivers(prepare: (created: ServiceBusReceiver) => void = () => {}): ServiceBusReceiver[] {
  const create = ServiceBusClient.prototype.createReceiver as (...args: unknown[]) => ServiceBusReceiver;
  const all: ServiceBusReceiver[] = [];
  vi.spyOn(ServiceBusClient.prototype, "createReceiver").mockImplementation(function (this: unknown, ...args) {
    const created = create.apply(this, args);
    all.push(created);
    prepare(created);
    return created;
  });
  onTestFinished(() => void vi.restoreAllMocks());
  return all;
}

test("dead letters to put back are looked for many at a time: the broker may be far away", async () => {
  const { queue } = await opened();
  const ids = Array.from({ length: 60 }, (_, nth) => String(nth));
  await send(queue, ...ids);
  const receiver = receive(queue);
  for (const _ of ids) (await receiver.next()).settle({ kind: "deadLetter", reason: "Bad", description: "" });
  const letters = await vi.waitUntil(async () => {
    const found = await queue.listDeadLetters(undefined, 100);
    return found.length === ids.length && found;
  }, timeout);
  let [asked, most] = [0, 0];
  receivers((created) => {
    const peek = created.peekMessages.bind(created);
    created.peekMessages = (...wanted) => {
      asked += 1;
      most = Math.max(most, asked);
      return peek(...wanted).finally(() => {
        asked -= 1;
      });
    };
  });
  expect(await queue.redrive(letters.map(({ number }) => number))).toBe(ids.length);
  expect(most).toBe(50);
});

describe("a connection that drops", () => {
  test("while a message is handled, takes nothing from the settling and brings no second message", async () => {
    const { broker, queue, store } = await opened();
    await send(queue, "a", "b");
    const receiver = receive(queue);
    for (const id of ["a", "b"]) {
      const delivery = await receiver.next();
      for (let times = 0; times < 3; times += 1) {
        broker.dropConnections();
        await vi.waitUntil(() => broker.connections === 0, { timeout });
        await send(queue, `later than ${id}, ${times}`);
      }
      expect(delivery.message).toMatchObject({ id, deliveryCount: 1 });
      expect(store.peek(0, 99).filter(({ lock }) => lock !== undefined)).toHaveLength(1);
      delivery.settle(complete);
    }
    for (let left = 6; left > 0; left -= 1) (await receiver.next()).settle(complete);
    await vi.waitUntil(() => store.size === 0, { timeout });
    expect(new Set(receiver.ids).size).toBe(8);
    expect(receiver.ids).toHaveLength(8);
    expect(receiver.mostRunning).toBe(1);
  });

  test.each([complete, again, { kind: "deadLetter", reason: "Bad", description: "" }] as const)(
    "in the middle of settling, is settled all the same: $kind",
    async (settlement) => {
      const { broker, queue, store } = await opened();
      await send(queue, "a");
      const receiver = receive(queue);
      const delivery = await receiver.next();
      // The disposition goes out and is not answered.
      const { settle } = store;
      store.settle = (...args) => {
        store.settle = settle;
        broker.dropConnections();
        return settle.apply(store, args);
      };
      delivery.settle(settlement);
      if (settlement.kind === "abandon") {
        const second = await receiver.next();
        expect(second.message.deliveryCount).toBe(2);
        second.settle(complete);
      }
      await vi.waitUntil(() => store.size === 0, { timeout });
      expect(store.dead?.size).toBe(settlement.kind === "deadLetter" ? 1 : 0);
    },
  );

  test("and one that drops again and again, lose no message", async () => {
    const { broker, queue, isEmpty } = await opened({ lockMs: 5000 });
    const ids = Array.from({ length: 60 }, (_, index) => `${index}`);
    const done = new Set<string>();
    let hasPassed = false;
    let drops = 8;
    const consumer = queue.consume(
      async ({ id }) => {
        await delay(20);
        done.add(id);
        hasPassed = true;
        return complete;
      },
      { concurrency: 4 },
    );
    onTestFinished(() => consumer.stop());
    const dropping = setInterval(() => {
      // Where connecting takes longer than this interval, nothing would ever pass.
      if (!hasPassed) return;
      hasPassed = false;
      broker.dropConnections();
      drops -= 1;
      // More, on a busy machine, would take minutes.
      if (drops === 0) clearInterval(dropping);
    }, 300);
    onTestFinished(() => clearInterval(dropping));
    for (const id of ids) {
      await vi.waitUntil(() => send(queue, id).then(Boolean.bind(null, true), () => false), { timeout });
      hasPassed = true;
    }
    await vi.waitUntil(() => done.size === ids.length, { timeout: 50_000 });
    clearInterval(dropping);
    await isEmpty();
  });
});

describe("a broker that is away", () => {
  test("is not waited for by senders, and consumers are back by themselves", async () => {
    const { broker, queue, log, isEmpty } = await opened();
    const receiver = receive(queue);
    await send(queue, "before");
    (await receiver.next()).settle(complete);
    await isEmpty();
    await broker.stop();
    await expect(send(queue, "while it is away")).rejects.toThrow(/^the queue queue did not take what was sent: /);
    await broker.start();
    await vi.waitUntil(() => send(queue, "after").then(Boolean.bind(null, true), () => false), { timeout });
    expect((await receiver.next()).message.id).toBe("after");
    const said = log.lines.map(({ level, message }) => `${level}: ${message}`);
    expect(said.slice(0, 2)).toEqual([
      "error: the queue failed; it is tried again until it answers",
      "info: the queue answers again",
    ]);
  });

  test("is told to be back though no message comes", async () => {
    const { broker, queue, log } = await opened();
    receive(queue);
    const said = (message: string) =>
      vi.waitUntil(() => log.lines.some((line) => line.message === message), { timeout });
    await broker.stop();
    await said("the queue failed; it is tried again until it answers");
    await broker.start();
    await said("the queue answers again");
    expect(log.lines).toHaveLength(2);
  });

  test("keeps its messages, and takes settlements when it is back in time", async () => {
    const { broker, queue, isEmpty, log } = await opened();
    await send(queue, "a");
    const receiver = receive(queue);
    const delivery = await receiver.next();
    await broker.stop();
    delivery.settle(complete);
    // A first try has failed.
    await vi.waitUntil(() => log.lines.length > 0, { timeout });
    await broker.start();
    await isEmpty();
    expect(receiver.ids).toEqual(["a"]);
  });

  test("holds up no stop", async () => {
    const { broker, queue } = await opened();
    await send(queue, "a");
    const receiver = receive(queue, 3);
    const delivery = await receiver.next();
    await broker.stop();
    const stopping = receiver.consumer.stop().then(() => "stopped");
    delivery.settle(complete);
    expect(await Promise.race([stopping, delay(timeout, "still there")])).toBe("stopped");
  });
});

test("a handler may take many times as long as a lock lasts", async () => {
  const { queue, isEmpty, log, store } = await opened({ lockMs: 5000 });
  const receiver = receive(queue);
  await send(queue, "short", "long");
  // Its lock is not renewed any more, which the log would tell.
  (await receiver.next()).settle(complete);
  const long = await receiver.next();
  const first = store.firstLapse ?? 0;
  await vi.waitUntil(() => (store.firstLapse ?? 0) > first + 10_000, { timeout });
  long.settle(complete);
  await isEmpty();
  expect(receiver.ids).toEqual(["short", "long"]);
  expect(log.lines).toEqual([]);
});

test("a lock that is being renewed while its message is settled is not said to be lost", async () => {
  const { queue, store, log } = await opened({ lockMs: 5000 });
  await send(queue, "a");
  const receiver = receive(queue);
  const delivery = await receiver.next();
  const { renew } = store;
  // The broker takes the settling first.
  store.renew = () => {
    store.renew = renew;
    delivery.settle(complete);
    return renew.call(store, "no lock");
  };
  await vi.waitUntil(() => store.size === 0, { timeout });
  await send(queue, "b");
  expect((await receiver.next()).message.id).toBe("b");
  expect(log.lines).toEqual([]);
});

test("who has stopped looks after no lock any more", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { queue } = await opened();
  const before = vi.getTimerCount();
  const { consumer } = receive(queue);
  expect(vi.getTimerCount()).toBe(before + 1);
  await consumer.stop();
  expect(vi.getTimerCount()).toBe(before);
});

/** A message that is being handled, and a clock to set. */
async function handling() {
  const clock = runningClock();
  const broker = await startBroker();
  const { queue, log } = openQueue(broker, { clock });
  await send(queue, "a");
  const receiver = receive(queue);
  return { clock, broker, queue, log, receiver, delivery: await receiver.next() };
}

test("a clock that is set back ends no lock, and makes nothing wait for longer", async () => {
  const { clock, broker, log, receiver, delivery } = await handling();
  const lapse = () => broker.queue("queue").firstLapse ?? 0;
  const first = lapse();
  clock.advance(-hour);
  await vi.waitUntil(() => lapse() > first, { timeout });
  expect(log.lines).toEqual([]);
  delivery.settle({ kind: "abandon", delayMs: hour });
  // Again and again, since nothing shows when the message begins to wait.
  const isBack = () => receiver.ids.length === 2 || clock.advance(-hour);
  await vi.waitUntil(isBack, { timeout });
  (await receiver.next()).settle(complete);
});

test("a lock that is lost is said, and the message comes again", async () => {
  const { broker, queue, log } = await opened();
  await send(queue, "a");
  const receiver = receive(queue);
  const first = await receiver.next();
  broker.expireLocks();
  first.settle(complete);
  const second = await receiver.next();
  expect(second.message).toMatchObject({ id: "a", deliveryCount: 2 });
  expect(log.lines).toMatchObject([{ level: "warn", fields: { queue: "queue", reason: /MessageLockLost/ } }]);
});

test("a message that waits for another try leaves its receiver to others, and comes in time after a drop", async () => {
  const { broker, queue, store } = await opened();
  await send(queue, "later", "b");
  const receiver = receive(queue);
  (await receiver.next()).settle({ kind: "abandon", delayMs: 1500 });
  (await receiver.next()).settle(complete);
  broker.dropConnections();
  const second = await receiver.next();
  expect(second.message).toMatchObject({ id: "later", deliveryCount: 2 });
  second.settle({ kind: "abandon", delayMs: 3_600_000 });
  await vi.waitUntil(() => store.firstLapse !== undefined, { timeout });
  await receiver.consumer.stop();
  expect(store.peek(0, 9)).toMatchObject([{ deliveries: 2, lock: undefined }]);
});

test("a hundred messages may wait for another try beside the one that is handled, and no link stays for them", async () => {
  const { queue, store } = await opened();
  const created = receivers();
  const ids = Array.from({ length: 120 }, (_, nth) => String(nth));
  await send(queue, ...ids);
  const receiver = receive(queue);
  for (let held = 0; held <= 100; held += 1) (await receiver.next()).settle({ kind: "abandon", delayMs: hour });
  const other = receive(queue);
  for (const id of ids.slice(101)) {
    const delivery = await other.next();
    expect(delivery.message.id).toBe(id);
    delivery.settle(complete);
  }
  await vi.waitUntil(() => store.size === 101, { timeout });
  await other.consumer.stop();
  await receiver.consumer.stop();
  expect(receiver.ids).toEqual(ids.slice(0, 101));
  expect(created.filter(({ isClosed }) => !isClosed)).toEqual([]);
});

test("a lock that was lost while its message is handled is not renewed again", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { clock, broker, queue, log, delivery } = await handling();
  broker.expireLocks();
  const renew = vi.spyOn(broker.queue("queue"), "renew");
  const tick = async () => {
    clock.advance(hour);
    await vi.advanceTimersByTimeAsync(1000);
  };
  await tick();
  await vi.waitUntil(() => log.lines.length > 0, { timeout });
  const asked = renew.mock.calls.length;
  await tick();
  // Goes the way that the renewal would have gone.
  await queue.listDeadLetters(undefined, 1);
  expect(renew).toHaveBeenCalledTimes(asked);
  delivery.settle(complete);
});

test("a dead letter that is put back twice, since it could not be taken from the dead ones at first, comes once", async () => {
  const { broker, queue, isEmpty } = await opened();
  await send(queue, "a");
  const first = receive(queue);
  (await first.next()).settle({ kind: "deadLetter", reason: "Bad", description: "x".repeat(5000) });
  await first.consumer.stop();
  const [letter] = await vi.waitUntil(async () => {
    const found = await queue.listDeadLetters(undefined, 1);
    return found.length > 0 && found;
  }, timeout);
  // Service Bus takes no longer one.
  expect(letter?.description).toHaveLength(4096);
  const dead = broker.queue("queue/$deadletterqueue");
  const { settle } = dead;
  dead.settle = (...args) => {
    dead.settle = settle;
    broker.expireLocks();
    return settle.apply(dead, args);
  };
  await expect(queue.redrive([letter?.number ?? ""])).rejects.toThrow();
  expect(await queue.redrive([letter?.number ?? ""])).toBe(1);
  const receiver = receive(queue);
  const delivery = await receiver.next();
  expect(delivery.message).toMatchObject({ id: "a" });
  delivery.settle(complete);
  await isEmpty();
  expect(receiver.ids).toEqual(["a"]);
});

test("messages are taken ahead as it is told, and given back when it stops", async () => {
  const { queue, store } = await opened({}, { prefetch: 2 });
  await send(queue, "a", "b", "c", "d");
  const receiver = receive(queue);
  const first = await receiver.next();
  const isLocked = () => store.peek(0, 9).map(({ lock }) => lock !== undefined);
  await vi.waitUntil(() => `${isLocked()}` === "true,true,true,false", { timeout });
  const stopping = receiver.consumer.stop();
  first.settle(complete);
  await stopping;
  expect(isLocked()).toEqual([false, false, false]);
  expect(receiver.ids).toEqual(["a"]);
});

test("what goes wrong at the broker is met: duplicates, disorder, sends that it refuses", async () => {
  const { broker, queue, isEmpty } = await opened();
  broker.faults.twice = true;
  broker.faults.reorder = true;
  broker.faults.refuseSends = 2;
  await send(queue, "a", "b");
  const receiver = receive(queue);
  for (let left = 4; left > 0; left -= 1) (await receiver.next()).settle(complete);
  await isEmpty();
  expect(receiver.ids).toEqual(["b", "b", "a", "a"]);
  broker.faults.refuseSends = 9;
  await expect(send(queue, "c")).rejects.toThrow("did not take what was sent: ServiceBusy");
});

test("256 KB go in one send, and more is refused with the limit", async () => {
  const { queue, store } = await opened();
  const body = (size: number) => [{ id: `${size}`, body: new Uint8Array(size) }];
  await queue.send(body(261_000));
  await expect(queue.send(body(262_144))).rejects.toThrow("more than 262144 bytes cannot be sent at once");
  expect(store.size).toBe(1);
});

test.each([
  ["bytes without a content type", Buffer.from('{"message_id":"x"}'), '{"message_id":"x"}'],
  ["an object, as the SDK sends it", { message_id: "x" }, '{"message_id":"x"}'],
])("other publishers' messages are bytes too: %s", async (_, body, expected) => {
  const { broker, queue } = await opened();
  const client = createClient({ connectionString: broker.connectionString });
  onTestFinished(() => client.close());
  await client.createSender("queue").sendMessages({ body });
  const { message } = await receive(queue).next();
  expect(Buffer.from(message.body).toString()).toBe(expected);
  expect(message.deliveryCount).toBe(1);
});

test("a message that an older setting of the queue let through too often is given up unread", async () => {
  const { queue, store } = await opened({ maxDeliveries: 100 });
  await send(queue, "a");
  const [stored] = store.peek(0, 1);
  if (stored !== undefined) stored.deliveries = 10;
  const receiver = receive(queue);
  const dead = await receiveDead(queue).next();
  expect(dead.message).toMatchObject({ id: "a", reason: "MaxDeliveryCountExceeded" });
  expect(receiver.ids).toEqual([]);
});

test("a send that is not answered is given up, and the next one has a link of its own", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const senders = [() => new Promise<void>(() => {}), async () => {}].map((sendMessages) => ({
    createMessageBatch: async () => ({ tryAddMessage: () => true }),
    sendMessages: vi.fn(sendMessages),
    close: vi.fn(async () => {}),
  }));
  const unused = senders.values();
  const client = { createSender: () => unused.next().value, createReceiver: () => ({}) } as unknown as ServiceBusClient;
  const queue = serviceBusQueue(client, "queue", { clock: Date.now, log: recordingLog(), prefetch: 0 });
  const sending = send(queue, "a");
  sending.catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  await expect(sending).rejects.toThrow("did not take what was sent");
  await send(queue, "a");
  expect(senders.map(({ sendMessages }) => sendMessages.mock.calls.length)).toEqual([1, 1]);
  expect(senders.map(({ close }) => close.mock.calls.length)).toEqual([1, 0]);
});

test.each([
  [new ServiceBusError("no such queue", "MessagingEntityNotFound"), "refusal"],
  [new ServiceBusError("switched off", "MessagingEntityDisabled"), "refusal"],
  [Object.assign(new Error("no identity"), { name: "CredentialUnavailableError" }), "refusal"],
  [Object.assign(new Error("none of them"), { name: "AggregateAuthenticationError" }), "refusal"],
  [new AggregateError([new Error("slow"), new ServiceBusError("no right", "UnauthorizedAccess")]), "refusal"],
  [new ServiceBusError("busy", "ServiceBusy"), "neither"],
  [new Error("away"), "neither"],
  [new ServiceBusError("gone", "MessageLockLost"), "lost"],
  [new ServiceBusError("gone", "MessageNotFound"), "lost"],
  [new Error("The message was already settled."), "lost"],
])("%s: what to do about it", (error, kind) => {
  expect({ refusal: isRefusal(error), lost: isLost(error) }).toEqual({
    refusal: kind === "refusal",
    lost: kind === "lost",
  });
});

describe("a start", () => {
  const names = { jobQueue: "queue", resultQueue: "results", publishQueue: undefined, prefetch: 0 };

  test("waits for a broker that is away, and says so", async () => {
    const broker = await startBroker({ queues: ["queue", "results"] });
    const access = { connectionString: broker.connectionString };
    await broker.stop();
    const log = recordingLog();
    const opening = openQueues({ access, ...names }, Date.now, log);
    await vi.waitUntil(() => log.lines.length > 0, { timeout });
    expect(log.lines).toMatchObject([{ level: "warn", message: "Service Bus cannot be reached; waiting for it" }]);
    await broker.start();
    const queues = await opening;
    await send(queues.jobQueue, "a");
    expect((await receive(queues.jobQueue).next()).message.id).toBe("a");
    onTestFinished(() => queues.close());
  });

  test("ends at once where a queue is missing or the key is refused, with what to do", async () => {
    const { connectionString } = await startBroker();
    const open = (text: string) =>
      openQueues({ access: { connectionString: text }, ...names }, Date.now, recordingLog());
    await expect(open(connectionString)).rejects.toThrow(/results.* could not be found.*must be there/);
    const withOld = { ...names, resultQueue: "queue", publishQueue: "old" };
    await expect(openQueues({ access: { connectionString }, ...withOld }, Date.now, recordingLog())).rejects.toThrow(
      /old.* could not be found.*must be there/,
    );
    const forged = connectionString.replace(/SharedAccessKey=[^;]+/, "SharedAccessKey=c2VjcmV0");
    const error = await open(forged).catch((thrown: Error) => thrown.message);
    expect(error).toMatch(/^UnauthorizedAccess: .*may send to each and listen at each$/);
    expect(error).not.toContain("c2VjcmV0");
  });
});
