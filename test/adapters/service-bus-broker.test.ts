import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { movableClock } from "../contracts/movable-clock.ts";
import type { BrokerOptions } from "../support/service-bus-broker/broker.ts";
import { startBroker } from "./service-bus-harness.ts";

const main = `${import.meta.dirname}/../support/service-bus-broker/main.ts`;
const wait = { maxWaitTimeInMs: 5000 };

function connected(connectionString: string) {
  const client = new ServiceBusClient(connectionString, { retryOptions: { maxRetries: 0, timeoutInMs: 5000 } });
  onTestFinished(() => client.close());
  return { client, sender: client.createSender("queue"), receiver: client.createReceiver("queue") };
}

async function opened(options: BrokerOptions = {}) {
  const broker = await startBroker(options);
  const sides = connected(broker.connectionString);
  const next = async () => (await sides.receiver.receiveMessages(1, wait))[0] as ServiceBusReceivedMessage;
  return { broker, next, ...sides };
}

describe("the test broker, to the SDK alone,", () => {
  test("refuses queues that are not there and signatures of another key", async () => {
    const { broker, client } = await opened();
    const elsewhere = client.createReceiver("elsewhere");
    await expect(elsewhere.receiveMessages(1, wait)).rejects.toMatchObject({ code: "MessagingEntityNotFound" });
    const forged = connected(broker.connectionString.replace(/SharedAccessKey=[^;]+/, "SharedAccessKey=eA=="));
    await expect(forged.receiver.receiveMessages(1, wait)).rejects.toMatchObject({ code: "UnauthorizedAccess" });
  });

  test("settles once, and for the holder of the lock alone", async () => {
    const clock = movableClock(Date.now());
    const { broker, next, sender, receiver } = await opened({ clock });
    await sender.sendMessages({ body: "x", messageId: "a" });
    const first = await next();
    expect(first.deliveryCount).toBe(0);
    clock.advance(60_000);
    await expect(receiver.renewMessageLock(first)).rejects.toMatchObject({ code: "MessageLockLost" });
    await expect(receiver.completeMessage(first)).rejects.toMatchObject({ code: "MessageLockLost" });
    const second = await next();
    expect(second.deliveryCount).toBe(1);
    expect(second.lockToken).not.toBe(first.lockToken);
    clock.advance(50_000);
    await receiver.renewMessageLock(second);
    clock.advance(50_000);
    await receiver.completeMessage(second);
    await expect(receiver.completeMessage(second)).rejects.toThrow();
    expect(broker.queue("queue").size).toBe(0);
  });

  test("refuses what is larger than 256 KB, and drops ids that it has seen in the last ten minutes", async () => {
    const clock = movableClock(Date.now());
    const { broker, sender } = await opened({ clock });
    const sizes = sender.sendMessages({ body: Buffer.alloc(262_145) });
    await expect(sizes).rejects.toMatchObject({ code: "MessageSizeExceeded" });
    for (const wanted of [1, 1, 2]) {
      await sender.sendMessages({ body: "x", messageId: "a" });
      expect(broker.queue("queue").size).toBe(wanted);
      if (wanted === 1) clock.advance(300_000);
    }
  });

  test("delivers what was scheduled when it is time, unless it was cancelled", async () => {
    const clock = movableClock(Date.now());
    const { broker, next, sender, receiver } = await opened({ clock });
    const [gone, later] = [{ body: "gone" }, { body: "later" }];
    const numbers = await sender.scheduleMessages([gone, later], new Date(clock() + 60_000));
    await sender.cancelScheduledMessages(numbers.slice(0, 1));
    expect(await receiver.peekMessages(5)).toMatchObject([{ state: "scheduled", body: "later" }]);
    expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 200 })).toEqual([]);
    clock.advance(60_000);
    broker.pump();
    expect((await next()).body).toBe("later");
  });

  test("buries what was delivered too often, with the reason, and keeps it there", async () => {
    const { next, sender, receiver, client } = await opened({ maxDeliveries: 2 });
    await sender.sendMessages({ body: "x", messageId: "a" });
    for (let left = 2; left > 0; left -= 1) await receiver.abandonMessage(await next());
    const dead = client.createReceiver("queue", { subQueueType: "deadLetter" });
    for (let left = 4; left > 0; left -= 1) {
      const [message] = await dead.receiveMessages(1, wait);
      expect(message).toMatchObject({ messageId: "a", deadLetterReason: "MaxDeliveryCountExceeded" });
      if (message !== undefined) await dead.abandonMessage(message);
    }
  });
});

test("the test broker is a process too, which keeps its messages while it is stopped", async () => {
  const child = spawn(process.execPath, [main, "0", "queue"], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { sender, receiver } = connected((await lines.next()).value ?? "");
  await sender.sendMessages({ body: "x", messageId: "a" });
  for (const command of ["drop", "stop", "start"]) {
    child.stdin.write(`${command}\n`);
    expect((await lines.next()).value).toBe(`done: ${command}`);
  }
  const again = () => receiver.receiveMessages(1, wait).catch(() => []);
  const message = await vi.waitUntil(async () => (await again())[0], { timeout: 30_000 });
  expect(message.body).toBe("x");
});
