import type { App } from "../app/server-app.ts";
import type { ServerConfig } from "../config/config.ts";

/** The first line that a person sees who starts a server. */
export function heading(url: string, { dataDir, mongodb, serviceBus }: ServerConfig): string {
  const data = mongodb === undefined ? dataDir : `MongoDB (${mongodb.database})`;
  const queues = serviceBus === undefined ? dataDir : "Azure Service Bus";
  const place = data === queues ? data : `${data} and its queue in ${queues}`;
  return `Darkroom listens on ${url}, with its data in ${place}\n\n`;
}

/** The lines after it: the password that was made up, and commands to try. */
export function advice({ url, adminPassword }: App, { admin, authEnabled, tls }: ServerConfig): string {
  const lines: string[] = [];
  if (!authEnabled) {
    lines.push("AUTHENTICATION IS OFF: whoever reaches this address is the test user.", "");
  }
  if (adminPassword !== undefined) {
    lines.push(
      `The administrator is ${admin.username} with the password`,
      `    ${adminPassword}`,
      "Keep it: it is not shown again.",
      "",
    );
  }
  lines.push(
    "Try it:",
    ...examples(url, tls !== undefined, admin.username, adminPassword).map((line) => `    ${line}`),
  );
  return `${lines.join("\n")}\n`;
}

/** Lines that work when they are pasted. */
function examples(url: string, isTls: boolean, username: string, password: string | undefined): string[] {
  const curl = `curl ${isTls ? "-k " : ""}-H 'content-type: application/json'`;
  const grpcurl = `grpcurl ${isTls ? "-insecure" : "-plaintext"}`;
  const { host } = new URL(url);
  if (password === undefined) {
    return [`${curl} ${url}/grpc.health.v1.Health/Check -d '{}'`, `${grpcurl} ${host} list`];
  }
  const login = JSON.stringify({ identity: username, password });
  return [
    `${curl} ${url}/darkroom.auth.v1.AuthService/Login -d '${login}'`,
    `${grpcurl} -d '${login}' ${host} darkroom.auth.v1.AuthService/Login`,
  ];
}
