import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { example, project, sh, write } from "../support/consumer.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signInAdmin } from "../support/server.ts";
import { openUpstream } from "../support/upstream.ts";

test("a Python script exchanges its key and chats with the service behind the relay", async ({ skip }) => {
  if (!hasCommand("python3")) skip("python3 is not installed");
  const upstream = await openUpstream();
  onTestFinished(() => upstream.close());
  const { auth, url } = await serve({ RELAY_UPSTREAM_URL: upstream.url }, { worker: false });
  const { credential: admin } = await signInAdmin({ auth });
  const { apiKey } = await auth.createClient({ client: { name: "script", scopes: ["relay"] } }, admin);

  // As the page tells upstreams to check it.
  const page = readFileSync(join(project, "docs/clients.md"), "utf8");
  const rules = { issuer: "darkroom", audience: "darkroom-relay", typ: "relay-identity+jwt", algorithms: ["ES256"] };
  for (const [name, value] of Object.entries(rules)) {
    expect(page).toContain(`${name}: ${Array.isArray(value) ? `["${value}"]` : `"${value}"`}`);
  }
  const keys = createRemoteJWKSet(new URL(`${url}/relay/jwks.json`));
  upstream.on("POST /v1/chat", async (request, response) => {
    const { payload } = await jwtVerify(request.headers.authorization?.replace("Bearer ", "") ?? "", keys, rules);
    let body = "";
    for await (const piece of request) body += piece;
    response.end(JSON.stringify({ reply: `${payload.name} said ${JSON.parse(body).message}` }));
  });

  const directory = scratchDirectory();
  write(directory, { "chat.py": example("The relay", "py", url) });
  const run = (key: string) => sh("python3", ["chat.py", key, "Grüße"], { cwd: directory });
  expect((await run(apiKey)).stdout).toBe("for 3600 seconds\nscript said Grüße\n");
  await expect(run(`${apiKey.slice(0, -1)}!`)).rejects.toMatchObject({
    stderr: expect.stringContaining("HTTP Error 401"),
  });
});
