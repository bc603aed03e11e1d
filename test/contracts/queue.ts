import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  complete,
  maxDeliveries,
  type NumberedDeadLetter,
  type OutgoingMessage,
  type Queue,
  type Settlement,
} from "../../src/ports/queue.ts";
import { type Delivery, receive, receiveDead } from "./receiver.ts";

/** A fresh, empty queue. It is cleaned up when the test that asked for it ends. */
export interface QueueHarness {
  /** The queue as one more process sees it. */
  open(): Promise<Queue>;
  /** Every process ends, with nothing running, and a new one opens the queue. */
  restart(): Promise<Queue>;
  /** Time passes for the queue; living processes renew their locks meanwhile. */
  passTime(ms: number): Promise<void>;
  /** Every lock lapses, as if its receiver had died. */
  lapseLocks(): Promise<void>;
  /** What the queue cannot take. */
  readonly unsendable: OutgoingMessage;
}

const again: Settlement = { kind: "abandon", delayMs: 0 };

export function queueContract(name: string, start: () => Promise<QueueHarness>): void {
  async function opened() {
    const harness = await start();
    return { harness, queue: await harness.open() };
  }

  describe(`the queue: ${name}`, () => {
    test("delivers in the order of sending, one at a time, each once", async () => {
      const { queue } = await opened();
      await queue.send([message("a"), message("b"), message("c")]);
      await queue.send([]);
      const receiver = receive(queue);
      await queue.send([message("d")]);
      await queue.send([message("e")]);
      for (const id of ["a", "b", "c", "d", "e"]) {
        const delivery = await receiver.next();
        expect(delivery.message).toMatchObject({ id, deliveryCount: 1 });
        expect(text(delivery)).toBe(`body of ${id}`);
        delivery.settle(complete);
      }
      await expectDrained(queue, receiver);
      expect(receiver.ids.slice(0, -1)).toEqual(["a", "b", "c", "d", "e"]);
      expect(receiver.mostRunning).toBe(1);
    });

    test("delivers what another process sent, to a receiver that waits", async () => {
      const { harness, queue } = await opened();
      const receiver = receive(queue);
      const other = await harness.open();
      await other.send([message("from elsewhere")]);
      expect((await receiver.next()).message.id).toBe("from elsewhere");
    });

    test("keeps bodies byte by byte", async () => {
      const { queue } = await opened();
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const bodies = [all, all.subarray(100, 103), new Uint8Array(0), Buffer.from("\0é日\ufeff"), randomBytes(100_000)];
      await queue.send(bodies.map((body, index) => ({ id: `${index}`, body })));
      const receiver = receive(queue);
      for (const body of bodies) {
        const delivery = await receiver.next();
        expect(Buffer.compare(delivery.message.body, body)).toBe(0);
        delivery.settle(complete);
      }
    });

    test("takes ids of 128 characters and compares them with their letter case", async () => {
      const { queue } = await opened();
      const ids = ["x".repeat(128), "X".repeat(128), "x".repeat(127), "job.1", "job.10"];
      await queue.send(ids.map((id) => message(id)));
      const receiver = receive(queue, ids.length);
      const got: string[] = [];
      for (const _ of ids) got.push((await receiver.next()).message.id);
      expect(got.sort()).toEqual([...ids].sort());
    });

    test("runs as many handlers at once as it is told, and no more", async () => {
      const { queue } = await opened();
      const ids = Array.from({ length: 10 }, (_, index) => `${index}`);
      await queue.send(ids.map((id) => message(id)));
      const receiver = receive(queue, 3);
      const held: Delivery[] = [];
      for (let left = ids.length; left > 0; left -= 1) {
        while (held.length < Math.min(3, left)) held.push(await receiver.next());
        held.shift()?.settle(complete);
      }
      expect(receiver.mostRunning).toBe(3);
      expect([...receiver.ids].sort()).toEqual(ids);
    });

    test("drops a message whose id is still in the queue", async () => {
      const { harness, queue } = await opened();
      const other = await harness.open();
      await queue.send([message("same", "first"), message("same", "second")]);
      await other.send([message("same", "third"), message("new")]);
      const receiver = receive(queue, 5);
      const first = await receiver.next();
      expect(text(first)).toBe("first");
      await queue.send([message("same", "while it is handled")]);
      first.settle(again);
      (await receiver.next()).settle(complete);
      (await receiver.next()).settle(complete);
      await expectDrained(queue, receiver);
      expect(receiver.ids.slice(0, -1).sort()).toEqual(["new", "same", "same"]);
    });

    test("sends all or none", async () => {
      const { harness, queue } = await opened();
      await expect(queue.send([message("a"), harness.unsendable, message("b")])).rejects.toThrow();
      await queue.send([message("c")]);
      const receiver = receive(queue);
      const delivery = await receiver.next();
      expect(delivery.message.id).toBe("c");
      delivery.settle(complete);
      await expectDrained(queue, receiver);
    });

    test("delivers an abandoned message again, after its delay and not before", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("late"), message("next")]);
      const receiver = receive(queue);
      (await receiver.next()).settle({ kind: "abandon", delayMs: 60_000 });
      const next = await receiver.next();
      expect(next.message.id).toBe("next");
      await harness.passTime(30_000);
      await queue.send([message("halfway")]);
      next.settle(complete);
      const halfway = await receiver.next();
      expect(halfway.message.id).toBe("halfway");
      await harness.passTime(30_000);
      halfway.settle(complete);
      const late = await receiver.next();
      expect(late.message).toMatchObject({ id: "late", deliveryCount: 2 });
      expect(text(late)).toBe("body of late");
    });

    test("abandons a message whose handler rejects", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("a")]);
      const receiver = receive(queue);
      (await receiver.next()).fail(new Error("the handler failed"));
      const second = await soon(harness, receiver.next());
      expect(second.message).toMatchObject({ id: "a", deliveryCount: 2 });
    });

    test("gives a message up after so many deliveries", async () => {
      const { queue } = await opened();
      await queue.send([message("poison"), message("fine")]);
      const receiver = receive(queue);
      const counts: number[] = [];
      for (let left = maxDeliveries + 1; left > 0; left -= 1) {
        const delivery = await receiver.next();
        if (delivery.message.id === "poison") counts.push(delivery.message.deliveryCount);
        delivery.settle(delivery.message.id === "poison" ? again : complete);
      }
      const dead = await receiveDead(queue).next();
      expect(dead.message).toMatchObject({ id: "poison", reason: "MaxDeliveryCountExceeded" });
      expect(text(dead)).toBe("body of poison");
      expect(counts).toEqual(Array.from({ length: maxDeliveries }, (_, index) => index + 1));
      await expectDrained(queue, receiver);
    });

    test("gives a message up whose receivers died each time", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("deadly")]);
      const receiver = receive(queue, maxDeliveries + 5);
      for (let count = 1; count <= maxDeliveries; count += 1) {
        expect((await receiver.next()).message.deliveryCount).toBe(count);
        await harness.lapseLocks();
        await queue.send([]);
      }
      const dead = await receiveDead(queue).next();
      expect(dead.message).toMatchObject({ id: "deadly", reason: "MaxDeliveryCountExceeded" });
      await expectDrained(queue, receiver);
    });

    test("puts a message aside that its handler gave up, with the reason", async () => {
      const { queue } = await opened();
      await queue.send([message("bad"), message("good")]);
      const receiver = receive(queue);
      const reason = { kind: "deadLetter", reason: "Malformed", description: "the body is not JSON: é日" } as const;
      (await receiver.next()).settle(reason);
      const good = await receiver.next();
      expect(good.message.id).toBe("good");
      good.settle(complete);
      const dead = await receiveDead(queue).next();
      expect(dead.message).toMatchObject({ id: "bad", reason: reason.reason, description: reason.description });
      expect(text(dead)).toBe("body of bad");
      await expectDrained(queue, receiver);
    });

    test("delivers a dead letter until it is completed", async () => {
      const { harness, queue } = await opened();
      await bury(queue, "a");
      const dead = receiveDead(queue);
      (await dead.next()).settle(again);
      (await dead.next()).fail(new Error("the handler failed"));
      (await soon(harness, dead.next())).settle(complete);
      await bury(queue, "b");
      expect((await soon(harness, dead.next())).message.id).toBe("b");
      expect(dead.ids).toEqual(["a", "a", "a", "b"]);
    });

    test("delivers an abandoned dead letter again after its delay and not before", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("poison")]);
      const receiver = receive(queue);
      for (let left = maxDeliveries; left > 0; left -= 1) (await receiver.next()).settle(again);
      const dead = receiveDead(queue);
      const poison = await dead.next();
      expect(poison.message.id).toBe("poison");
      await bury(queue, "next", receiver);
      poison.settle({ kind: "abandon", delayMs: 60_000 });
      const next = await dead.next();
      expect(next.message.id).toBe("next");
      next.settle(complete);
      expect((await soon(harness, dead.next())).message.id).toBe("poison");
    });

    test("keeps a dead letter's reason however often it is abandoned", async () => {
      const { queue } = await opened();
      await bury(queue, "a");
      const dead = receiveDead(queue);
      for (let left = maxDeliveries + 2; left > 0; left -= 1) {
        const delivery = await dead.next();
        expect(delivery.message).toMatchObject({ id: "a", reason: "Malformed", description: "not JSON" });
        delivery.settle(again);
      }
    });

    test("lists its dead letters by number, page by page, and takes none of them", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("alive")]);
      const receiver = receive(queue, 2);
      await receiver.next();
      for (const id of ["a", "b", "c"]) await bury(queue, id, receiver);
      const other = await harness.open();
      for (const seen of [queue, other, other]) {
        const all = await deadLetters(seen, 3);
        expect(all.map(({ id }) => id)).toEqual(["a", "b", "c"]);
        expect(all[0]).toMatchObject({ reason: "Malformed", description: "not JSON" });
        expect(all.map(({ body }) => Buffer.from(body).toString())).toEqual(
          ["a", "b", "c"].map((id) => `body of ${id}`),
        );
        for (const { number } of all) expect(number).toMatch(/^(0|[1-9]\d*)$/);
      }
      const [first] = await queue.listDeadLetters(undefined, 1);
      const rest = await queue.listDeadLetters(first?.number, 10);
      expect([first, ...rest].map((letter) => letter?.id)).toEqual(["a", "b", "c"]);
      expect(await queue.listDeadLetters(rest.at(-1)?.number, 10)).toEqual([]);
      expect(await queue.listDeadLetters("9223372036854775807", 10)).toEqual([]);
    });

    test("delivers a redriven dead letter afresh, and lists it no more", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("poison")]);
      const receiver = receive(queue);
      for (let left = maxDeliveries; left > 0; left -= 1) (await receiver.next()).settle(again);
      await bury(queue, "other", receiver);
      const [poison, other] = await deadLetters(queue, 2);
      expect([poison?.id, other?.id]).toEqual(["poison", "other"]);
      expect(await (await harness.open()).redrive([poison?.number ?? ""])).toBe(1);
      const delivery = await soon(harness, receiver.next());
      expect(delivery.message).toMatchObject({ id: "poison", deliveryCount: 1 });
      expect(text(delivery)).toBe("body of poison");
      expect((await queue.listDeadLetters(undefined, 10)).map(({ id }) => id)).toEqual(["other"]);
      delivery.settle({ kind: "deadLetter", reason: "Again", description: "" });
      const letters = await deadLetters(queue, 2);
      expect(letters.map(({ id, reason }) => `${id} ${reason}`).sort()).toEqual(["other Malformed", "poison Again"]);
    });

    test("redrives what there is, once", async () => {
      const { queue } = await opened();
      await queue.send([message("alive")]);
      const receiver = receive(queue, 2);
      const alive = await receiver.next();
      await bury(queue, "a", receiver);
      const [letter] = await deadLetters(queue, 1);
      const number = letter?.number ?? "";
      for (const wrong of ["0", `${BigInt(number) + 1000n}`, "9223372036854775807"]) {
        expect(await queue.redrive([wrong])).toBe(0);
      }
      expect(await queue.redrive([number, "0"])).toBe(1);
      expect(await queue.redrive([number])).toBe(0);
      const back = await receiver.next();
      expect(back.message.id).toBe("a");
      for (const delivery of [back, alive]) delivery.settle(complete);
      await expectDrained(queue, receiver);
    });

    test("redrives many, and leaves the others, which may be redriven next", async () => {
      const { queue } = await opened();
      const receiver = receive(queue);
      for (let id = 0; id < 25; id += 1) await bury(queue, `${id}`, receiver);
      const [other, ...letters] = await deadLetters(queue, 25);
      expect(await queue.redrive(letters.map(({ number }) => number))).toBe(24);
      const back = new Set<string>();
      while (back.size < 24) {
        const delivery = await receiver.next();
        back.add(delivery.message.id);
        delivery.settle(complete);
      }
      expect(back).toEqual(new Set(letters.map(({ id }) => id)));
      expect((await queue.listDeadLetters(undefined, 30)).map(({ number }) => number)).toEqual([other?.number]);
      expect(await queue.redrive([other?.number ?? ""])).toBe(1);
      (await receiver.next()).settle(complete);
    });

    test("discards dead letters for good, and nothing else", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("alive")]);
      const receiver = receive(queue, 2);
      const alive = await receiver.next();
      for (const id of ["a", "b", "c"]) await bury(queue, id, receiver);
      const [a, b, c] = (await deadLetters(queue, 3)).map(({ number }) => number) as [string, string, string];
      const other = await harness.open();
      for (const wrong of ["0", `${BigInt(c) + 1000n}`]) expect(await other.discard([wrong])).toBe(0);
      expect(await other.discard([a, "0", c])).toBe(2);
      expect(await other.discard([a])).toBe(0);
      expect((await queue.listDeadLetters(undefined, 10)).map(({ number }) => number)).toEqual([b]);
      expect(await queue.redrive([a, c])).toBe(0);
      alive.settle(complete);
      await expectDrained(queue, receiver);
    });

    test("never gives the same message to two receivers at once", async () => {
      const { harness } = await opened();
      const queues = [await harness.open(), await harness.open(), await harness.open()] as const;
      const ids = Array.from({ length: 150 }, (_, index) => `${index}`);
      const handling = new Set<string>();
      const clashes: string[] = [];
      const counts: number[] = [];
      const { promise: allDone, resolve } = Promise.withResolvers<void>();
      const consumers = queues.map((queue) =>
        queue.consume(
          async ({ id, deliveryCount }) => {
            if (handling.has(id)) clashes.push(id);
            handling.add(id);
            counts.push(deliveryCount);
            await turn();
            handling.delete(id);
            if (counts.length === ids.length) resolve();
            return complete;
          },
          { concurrency: 5 },
        ),
      );
      onTestFinished(async () => void (await Promise.all(consumers.map((consumer) => consumer.stop()))));
      for (let at = 0; at < ids.length; at += 10) await queues[0].send(ids.slice(at, at + 10).map((id) => message(id)));
      await allDone;
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      expect(clashes).toEqual([]);
      expect(counts).toEqual(ids.map(() => 1));
    });

    test("waits for running handlers when it is stopped, and takes no more", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("running"), message("waiting")]);
      const receiver = receive(queue);
      const running = await receiver.next();
      let stopped = false;
      const stopping = receiver.consumer.stop().then(() => {
        stopped = true;
      });
      await queue.send([message("later")]);
      for (let turns = 0; turns < 20; turns += 1) await turn();
      expect(stopped).toBe(false);
      running.settle(complete);
      await stopping;
      await receiver.consumer.stop();
      expect(receiver.ids).toEqual(["running"]);

      const other = receive(await harness.open());
      for (const id of ["waiting", "later"]) {
        const delivery = await other.next();
        expect(delivery.message).toMatchObject({ id, deliveryCount: 1 });
        delivery.settle(complete);
      }
      await expectDrained(queue, other);
    });

    test("keeps its messages when every process ends", async () => {
      const { harness, queue } = await opened();
      await bury(queue, "dead");
      await queue.send([message("a")]);
      const first = receive(queue);
      const delivery = await first.next();
      const stopping = first.consumer.stop();
      delivery.settle(again);
      await stopping;
      await queue.send([message("b")]);
      const restarted = await harness.restart();
      const receiver = receive(restarted, 2);
      const got = [await receiver.next(), await receiver.next()];
      expect(got.map(({ message: { id, deliveryCount } }) => `${id} ${deliveryCount}`).sort()).toEqual(["a 2", "b 1"]);
      expect((await receiveDead(restarted).next()).message).toMatchObject({ id: "dead", reason: "Malformed" });
    });

    test("delivers a message again whose receiver died", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("a")]);
      const died = receive(queue);
      expect((await died.next()).message.deliveryCount).toBe(1);
      const other = receive(await harness.open());
      await harness.lapseLocks();
      const delivery = await other.next();
      expect(delivery.message).toMatchObject({ id: "a", deliveryCount: 2 });
      expect(text(delivery)).toBe("body of a");
    });

    test.each([complete, again, { kind: "deadLetter", reason: "Late", description: "" }] as const)(
      "takes no settlement from a receiver that lost its lock: $kind",
      async (late) => {
        const { harness, queue } = await opened();
        await queue.send([message("a")]);
        const slow = receive(queue);
        const lost = await slow.next();
        const other = receive(await harness.open());
        await harness.lapseLocks();
        const held = await other.next();
        lost.settle(late);
        await slow.consumer.stop();
        await queue.send([message("probe")]);
        const third = receive(await harness.open());
        const probe = await third.next();
        expect(probe.message).toMatchObject({ id: "probe", deliveryCount: 1 });
        probe.settle(complete);
        await third.consumer.stop();
        held.settle(again);
        expect((await other.next()).message).toMatchObject({ id: "a", deliveryCount: 3 });
      },
    );

    test("renews the lock for as long as the handler runs", async () => {
      const { harness, queue } = await opened();
      await queue.send([message("long")]);
      const receiver = receive(queue);
      const long = await receiver.next();
      const other = receive(await harness.open(), 5);
      await harness.passTime(10 * 60_000);
      await queue.send([message("probe")]);
      const probe = await other.next();
      expect(probe.message.id).toBe("probe");
      probe.settle(complete);
      long.settle(complete);
      await receiver.consumer.stop();
      await harness.lapseLocks();
      await expectDrained(queue, other);
    });
  });
}

function message(id: string, body = `body of ${id}`): OutgoingMessage {
  return { id, body: Buffer.from(body) };
}

function text({ message: { body } }: Delivery): string {
  return Buffer.from(body).toString();
}

/** Sends one more message, which must be the only one that comes. */
async function expectDrained(queue: Queue, receiver: ReturnType<typeof receive>): Promise<void> {
  await queue.send([message("the last")]);
  const last = await receiver.next();
  expect(last.message.id).toBe("the last");
  last.settle(complete);
}

async function bury(queue: Queue, id: string, by?: ReturnType<typeof receive>): Promise<void> {
  const receiver = by ?? receive(queue);
  await queue.send([message(id)]);
  (await receiver.next()).settle({ kind: "deadLetter", reason: "Malformed", description: "not JSON" });
  if (by === undefined) await receiver.consumer.stop();
}

/** All there are, once there are so many. */
async function deadLetters(queue: Queue, count: number): Promise<readonly NumberedDeadLetter[]> {
  for (;;) {
    const letters = await queue.listDeadLetters(undefined, 100);
    if (letters.length >= count) return letters;
    await turn();
  }
}

/** Lets time pass until it happens. */
async function soon<T>(harness: QueueHarness, happening: Promise<T>): Promise<T> {
  let happened = false;
  const done = () => {
    happened = true;
  };
  happening.then(done, done);
  while (!happened) {
    await harness.passTime(1000);
    await turn();
  }
  return happening;
}
