import { isQueueName, ownQueueName, resultQueueName } from "../model/models.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

export interface ServiceBusConfig {
  /** The connection string holds a key: for the SDK alone. */
  readonly access: { readonly connectionString: string } | { readonly namespace: string };
  /** The variable that the access came from. */
  readonly variable: string;
  /** The queue where the first system's workers listen, which have models of their own; undefined without any. */
  readonly publishQueue: string | undefined;
  readonly resultQueue: string;
  /** Messages that a process takes beyond those that it handles. */
  readonly prefetch: number;
}

const connectionString = "AZURE_SERVICEBUS_CONNECTION_STRING";
const namespace = "AZURE_SERVICEBUS_NAMESPACE";
const publishQueue = "AZURE_PUBLISH_QUEUE_NAME";
const receiveQueue = "AZURE_RECEIVE_QUEUE_NAME";
const prefetch = "AZURE_SERVICEBUS_PREFETCH";

const shape = "Endpoint=sb://NAME.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…";

/** Undefined for the embedded queue. Errors repeat no part of the connection string. */
export function readServiceBus(read: Reader): ServiceBusConfig | undefined {
  const access = readAccess(read);
  if (access === undefined) {
    const stray = [publishQueue, receiveQueue, prefetch].find((name) => read.text(name) !== undefined);
    if (stray === undefined) return undefined;
    throw new ConfigError(stray, `must be given with ${connectionString} or ${namespace}`);
  }
  const queues = {
    publishQueue: readQueue(read, publishQueue),
    resultQueue: readQueue(read, receiveQueue) ?? resultQueueName,
  };
  if (queues.publishQueue?.toLowerCase() === ownQueueName)
    throw new ConfigError(publishQueue, `must be another queue than ${ownQueueName}, which is Darkroom's own`);
  const jobQueues = [ownQueueName, queues.publishQueue?.toLowerCase()];
  if (jobQueues.includes(queues.resultQueue.toLowerCase()))
    throw new ConfigError(receiveQueue, "must be another queue than those of the jobs");
  return { ...access, ...queues, prefetch: read.integer(prefetch, 0, 0, 100) };
}

/** The namespace's host, which is no secret. */
export function namespaceOf({ access }: ServiceBusConfig): string {
  if ("namespace" in access) return access.namespace;
  return /Endpoint\s*=\s*sb:\/\/([^\s/;]+)/.exec(access.connectionString)?.[1] ?? "";
}

function readAccess({ text }: Reader): Pick<ServiceBusConfig, "access" | "variable"> | undefined {
  const [secret, host] = [text(connectionString), text(namespace)];
  if (secret !== undefined && host !== undefined)
    throw new ConfigError(namespace, `must not be given with ${connectionString}`);
  if (secret !== undefined) {
    checkConnectionString(secret);
    return { access: { connectionString: secret }, variable: connectionString };
  }
  if (host === undefined) return undefined;
  if (!/^[a-z\d-]+(\.[a-z\d-]+)+$/i.test(host))
    throw new ConfigError(namespace, "must be a host such as NAME.servicebus.windows.net");
  return { access: { namespace: host }, variable: namespace };
}

function checkConnectionString(text: string): void {
  const parts = text.split(";").filter((part) => part.trim() !== "");
  const fields = new Map(
    parts.map((part): [string, string] => {
      const [, name = "", value = ""] = /^\s*(\w+)\s*=\s*(\S+)\s*$/.exec(part) ?? [];
      return [name, value];
    }),
  );
  const hasKey = fields.has("SharedAccessKeyName") && fields.has("SharedAccessKey");
  const isComplete = hasKey !== fields.has("SharedAccessSignature") && !fields.has("");
  if (!isComplete || !/^sb:\/\/[^\s/:@]+(:\d{1,5})?\/?$/.test(fields.get("Endpoint") ?? ""))
    throw new ConfigError(connectionString, `must be like ${shape}`);
  if (fields.has("EntityPath"))
    throw new ConfigError(connectionString, "must be the namespace's, not one queue's with an EntityPath");
}

function readQueue({ text }: Reader, variable: string): string | undefined {
  const name = text(variable);
  if (name === undefined || isQueueName(name)) return name;
  throw new ConfigError(variable, "must be a queue's name: 1 to 260 letters, digits, '.', '-', '_' and '/'");
}
