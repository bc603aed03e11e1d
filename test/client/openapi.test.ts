import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { hasCommand } from "../support/commands.ts";
import { sh, write } from "../support/consumer.ts";
import { smallPicture } from "../support/pictures.ts";
import { pythonWith } from "../support/python.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { adminPassword, serve, signIn } from "../support/server.ts";

/** Packages are fetched, and some thousand requests are made. */
const timeoutMs = 600_000;
const packages = ["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"];

// Not those that look at methods the document does not have: other tests do.
const checks = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
  "negative_data_rejection",
  "missing_required_header",
  "ignored_auth",
];

test("nothing that schemathesis sends is answered otherwise than documented", { timeout: timeoutMs }, async ({
  skip,
}) => {
  if (!hasCommand("python3")) skip("python3 is not installed");
  const server = await serve({ RELAY_UPSTREAM_URL: await openService() }, { worker: false });
  const { auth, jobs, url } = server;
  const login = await auth.login({ identity: "admin", password: adminPassword, sessionToken: true });
  const token = login.tokens?.accessToken ?? "";
  const { image } = await jobs.uploadImage({ data: await smallPicture() }, bearer(token));
  const another = await signIn(server);
  const directory = scratchDirectory();
  const python = await pythonWith(directory, packages);
  // From a file: what schemathesis fetched itself, it does not test.
  const document = await (await fetch(`${url}/openapi.json`)).text();
  write(directory, { "openapi.json": document });
  await sh(python, ["-m", "openapi_spec_validator", "--schema", "3.1", "openapi.json"], { cwd: directory });

  const run = async (casesMax: number, credentials: Readonly<Record<string, string>>, leaving: object) => {
    const headers = Object.keys(credentials);
    const settings = [
      setting("headers", credentials),
      operation("/download/{uuid}", "parameters", { uuid: image?.id ?? "" }),
      // Signing out ends the sessions of whoever does it.
      operation("/auth/v1/logout", "headers", leaving),
    ];
    write(directory, { "schemathesis.toml": settings.join("\n") });
    // Who is nobody is answered before the request is read.
    const looked = checks.filter((check) => headers.length > 0 || check !== "negative_data_rejection");
    const what = ["--checks", looked.join(), "--phases", "examples,coverage,fuzzing", "--seed", "1"];
    const form = ["--continue-on-failure", "--generation-database", "none", "--no-color", "--warnings", "off"];
    const args = ["run", "openapi.json", "--url", url, ...what, ...form, "--max-examples", String(casesMax)];
    const ran = sh(join(directory, ".venv/bin/schemathesis"), args, { cwd: directory, maxBuffer: 64 * 1024 * 1024 });
    const { stdout } = await ran.catch(({ stdout }) => Promise.reject(new Error(stdout)));
    const { operations, cases } =
      /Tested: (?<operations>\d+)[\s\S]*?(?<cases>\d+) generated/.exec(stdout)?.groups ?? {};
    process.stdout.write(`schemathesis, ${headers.length} credentials: ${cases} cases of ${operations} operations\n`);
    return { operations: Number(operations), cases: Number(cases) };
  };
  const all = Object.values<object>(JSON.parse(document).paths).flatMap(Object.keys).length;
  const asAdmin = await run(
    50,
    { Authorization: `Bearer ${token}`, "X-Session-Token": login.sessionToken },
    { Authorization: `Bearer ${another.token}` },
  );
  const asNobody = await run(20, {}, {});
  expect([asAdmin.operations, asNobody.operations]).toEqual([all, all]);
  expect(asAdmin.cases).toBeGreaterThan(1000);
});

/** A service behind the relay. */
async function openService(): Promise<string> {
  const service = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
  });
  onTestFinished(() => {
    service.close();
    service.closeAllConnections();
  });
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  return `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
}

/** What one operation alone is sent, since nobody guesses it. */
function operation(path: string, name: "headers" | "parameters", values: object): string {
  return ["[[operations]]", `include-path = "${path}"`, setting(name, values)].join("\n");
}

function setting(name: string, values: object): string {
  const lines = Object.entries(values).map(([key, value]) => `"${key}" = "${value}"`);
  return `${name} = { ${lines.join(", ")} }`;
}
