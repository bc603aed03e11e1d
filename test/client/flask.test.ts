import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { write } from "../support/consumer.ts";
import { pythonWith } from "../support/python.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn } from "../support/server.ts";

/** Packages are fetched. */
const timeoutMs = 300_000;

/** Guards its page as the Serverless Proxy's dashboard did. */
const dashboard = `
import os
from functools import wraps

import requests
from flask import Flask, g, jsonify, request
from werkzeug.serving import make_server

app = Flask(__name__)
AIMENU_URL = os.environ["AIMENU_URL"]


def require_session(view):
    @wraps(view)
    def guarded():
        token = request.cookies.get("session")
        answer = requests.get(f"{AIMENU_URL}/session/validate", cookies={"session": token} if token else {}, timeout=5)
        data = answer.json()
        if answer.status_code != 200 or not data.get("valid"):
            return jsonify({"error": "sign in first"}), 401
        g.user = data.get("user")
        return view()

    return guarded


@app.route("/")
@require_session
def page():
    return f"<h1>Hello {g.user}</h1>"


server = make_server("127.0.0.1", 0, app)
print(server.server_port, flush=True)
server.serve_forever()
`;

test("a Flask app guards its page by the session cookie", { timeout: timeoutMs }, async ({ skip }) => {
  if (!hasCommand("python3")) skip("python3 is not installed");
  const server = await serve({}, { worker: false });
  const { username, password } = await signIn(server);
  const directory = scratchDirectory();
  write(directory, { "dashboard.py": dashboard });
  const python = await pythonWith(directory, ["flask==3.1.3", "requests==2.34.2"]);
  const app = spawn(python, ["dashboard.py"], {
    cwd: directory,
    env: { ...process.env, AIMENU_URL: server.url },
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void app.kill());
  const [port] = await once(createInterface(app.stdout), "line");
  const page = (headers: Record<string, string> = {}) => fetch(`http://127.0.0.1:${port}/`, { headers });

  const login = await fetch(`${server.url}/darkroom.auth.v1.AuthService/Login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identity: username, password, sessionToken: true }),
  });
  const [cookie = ""] = (login.headers.get("set-cookie") ?? "").split(";");
  const { tokens } = (await login.json()) as { tokens: { accessToken: string } };

  expect((await page()).status).toBe(401);
  expect((await page({ cookie: "session=nonsense" })).status).toBe(401);
  const shown = await page({ cookie });
  expect([shown.status, await shown.text()]).toEqual([200, `<h1>Hello ${username}</h1>`]);
  await server.auth.logout({}, { headers: { authorization: `Bearer ${tokens.accessToken}` } });
  expect((await page({ cookie })).status).toBe(401);
});
