import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { project, sh } from "../support/consumer.ts";

/** Modules are fetched and compiled. */
const timeoutMs = 300_000;
const secrets = { MONGO_PASSWORD: "m0ng0", SQL_PASSWORD: "s3rver", DARKROOM_ADMIN_PASSWORD: "adm1n", ACCEPT_EULA: "Y" };

interface Service {
  readonly command?: string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** The file as Docker Compose understands it. */
async function load(env: Readonly<Record<string, string>>): Promise<Readonly<Record<string, Service>>> {
  const cwd = join(import.meta.dirname, "compose");
  const file = join(project, "deploy/compose.yaml");
  const { stdout } = await sh("go", ["run", ".", file], { cwd, env: { ...process.env, ...env } });
  return JSON.parse(stdout).services;
}

const queues = JSON.parse(readFileSync(join(project, "deploy/servicebus.json"), "utf8")).UserConfig.Namespaces[0]
  .Queues;

test("compose.yaml is one, with two servers and two workers", { timeout: timeoutMs }, async ({ skip }) => {
  if (!hasCommand("go")) skip("go is not installed");
  const services = Object.values(await load(secrets));
  const count = (command: string) => services.filter((service) => service.command?.[0] === command).length;
  expect({ serve: count("serve"), worker: count("worker") }).toEqual({ serve: 2, worker: 2 });
  const names = queues.map(({ Name }: { Name: string }) => Name);
  for (const { environment } of services.filter(({ command }) => command)) {
    expect(environment?.AZURE_SERVICEBUS_CONNECTION_STRING).toContain("UseDevelopmentEmulator=true");
    expect(names).toContain(environment?.AZURE_PUBLISH_QUEUE_NAME);
    expect(names).toContain(environment?.AZURE_RECEIVE_QUEUE_NAME);
  }
  expect(names).toContain("darkroom-jobs");
});

test("compose.yaml has no password of its own", { timeout: timeoutMs }, async ({ skip }) => {
  if (!hasCommand("go")) skip("go is not installed");
  for (const name of Object.keys(secrets)) {
    await expect(load({ ...secrets, [name]: "" })).rejects.toThrow(new RegExp(`${name}.*copy \\.env\\.example`));
  }
});

/** By the emulator's schema: at most 5 minutes of lock and of duplicate detection, 10 deliveries, an hour to live. */
test("the emulator's queues are as Darkroom needs them, within what it allows", () => {
  for (const { Name, Properties } of queues) {
    expect(Properties).toEqual({
      LockDuration: "PT5M",
      MaxDeliveryCount: 10,
      RequiresDuplicateDetection: true,
      DuplicateDetectionHistoryTimeWindow: "PT5M",
      DefaultMessageTimeToLive: "PT1H",
      DeadLetteringOnMessageExpiration: Name === "darkroom-results",
      RequiresSession: false,
    });
  }
});
