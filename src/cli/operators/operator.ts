import type { Command } from "commander";
import type { StoreApi } from "../../app/store-app.ts";
import { bearer, Code, ConnectError, connect, type Darkroom, describe, reasonOf } from "../../client/index.ts";
import type { ServerAddress } from "../../config/server-address.ts";
import { UserError } from "../../user-error.ts";
import { type Row, render } from "./render.ts";

export interface OperatorSettings {
  /** The server that is asked. */
  readServer(): ServerAddress;
  /** A client's key with the scope `admin`, or an administrator's access token. From the environment: `ps` shows arguments. */
  readonly credential: string | undefined;
  /** Opens the store that the environment names. */
  openStore(): Promise<StoreApi>;
  print(text: string): void;
}

/** A call of the API as an administrator makes it. */
export interface Operator extends Pick<Darkroom, "auth" | "jobs"> {
  readonly credential: string;
  readonly as: Partial<ReturnType<typeof bearer>>;
  /** The same without the credential. */
  readonly asGuest: Operator["as"];
}

/** The longest that a call may take: one redrives up to a thousand dead letters. */
const timeoutMs = 60_000;
/** The codes of calls that no Darkroom has answered. Refusals by one that give no reason have other codes. */
const unanswered: readonly Code[] = [
  Code.Aborted,
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.Unavailable,
  Code.Unknown,
];

const connection = `
It asks the server at DARKROOM_SERVER_URL (http://127.0.0.1:8080 when unset) by
the credential in DARKROOM_API_KEY: an administrator's token, or the key of a
client with the scope admin.`;

/** The codes of Node and OpenSSL for what is wrong with a server's certificate. */
const untrusted = /^(?!ERR_SSL_).*(CERT|LEAF_SIGNATURE)/;

/** Turns what a command does into its action: asks the server, prints the rows, as JSON with `--json`. */
export function actions(settings: OperatorSettings) {
  return (command: Command, work: (operator: Operator, ...args: string[]) => Promise<Row[]>) =>
    command
      .option("--json", "print JSON, for scripts")
      .option("--store", "without a server: straight on the store that the environment names")
      .addHelpText("after", connection)
      .action(async (...given: unknown[]) => {
        const args = given.slice(0, command.registeredArguments.length) as string[];
        const { json, store } = command.opts<{ json?: true; store?: true }>();
        const act = (operator: Operator) => work(operator, ...args);
        const asking = store ? onStore(settings, act) : onServer(settings, act);
        const rows = await asking.catch((error: unknown) => {
          throw error instanceof UserError ? error : new UserError(describe(error));
        });
        settings.print(render(rows, json === true));
      });
}

type Act = (operator: Operator) => Promise<Row[]>;

async function onStore({ openStore, credential = "" }: OperatorSettings, act: Act): Promise<Row[]> {
  const { stop, ...api } = await openStore();
  try {
    return await act({ ...api, credential, as: {}, asGuest: {} });
  } finally {
    await stop();
  }
}

async function onServer({ readServer, credential }: OperatorSettings, act: Act): Promise<Row[]> {
  if (credential === undefined) {
    throw new UserError(
      "DARKROOM_API_KEY: must be the key of a client with the scope admin, or an administrator's token",
    );
  }
  if (!/^[\x21-\x7e]+$/.test(credential))
    throw new UserError("DARKROOM_API_KEY: must be printable ASCII characters without blanks");
  const { serverUrl, pinnedCert } = readServer();
  const { auth, jobs } = connect(serverUrl, { pinnedCert });
  const asGuest = { timeoutMs };
  try {
    return await act({ auth, jobs, credential, as: { ...bearer(credential), ...asGuest }, asGuest });
  } catch (error) {
    if (reasonOf(error) === "CREDENTIAL_INVALID") throw new UserError(`DARKROOM_API_KEY: ${describe(error)}`);
    if (!(error instanceof ConnectError) || !unanswered.includes(error.code) || reasonOf(error) !== undefined)
      throw error;
    throw new UserError(whyUnanswered(error, serverUrl));
  }
}

function whyUnanswered(error: ConnectError, serverUrl: string): string {
  // What follows the reason is advice for programmers.
  const [reason = ""] = describe(error).trim().split("; ");
  if (untrusted.test((error.cause as NodeJS.ErrnoException | undefined)?.code ?? ""))
    return `DARKROOM_SERVER_CERT_FILE: must have the certificate that ${serverUrl} shows, which is not trusted (${reason})`;
  const none = `DARKROOM_SERVER_URL: no Darkroom answers at ${serverUrl} (${reason})`;
  // Nobody was reached.
  if ([Code.Unavailable, Code.DeadlineExceeded].includes(error.code)) return none;
  const [tls, scheme] = serverUrl.startsWith("https:") ? ["no TLS", "http"] : ["TLS", "https"];
  return `${none}; if ${tls} is spoken there, the address must begin with ${scheme}://`;
}
