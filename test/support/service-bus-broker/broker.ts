import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import rhea, { type EventContext } from "rhea";
import { ClientConnection } from "./connection.ts";
import { Entities } from "./entities.ts";
import type { Faults, Settings, Store } from "./store.ts";
import { key, keyName } from "./tokens.ts";

export interface BrokerOptions extends Partial<Omit<Settings, "faults">> {
  readonly port?: number;
  readonly queues?: readonly string[];
}

/**
 * Stands in for Service Bus in tests: AMQP 1.0 in plain TCP as its emulator speaks it, messages in memory. Strict where
 * Service Bus is: tokens, paths, sizes, locks. It goes wrong on command.
 */
export class Broker {
  readonly faults: Faults = { refuseSends: 0, reorder: false, twice: false };
  readonly #entities: Entities;
  readonly #connections = new Set<ClientConnection>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #timer: NodeJS.Timeout | undefined;
  #port: number;
  #isPumping = false;

  constructor({ port = 0, queues = [], clock = Date.now, lockMs = 60_000, maxDeliveries = 10 }: BrokerOptions) {
    this.#port = port;
    this.#entities = new Entities(queues, { clock, lockMs, maxDeliveries, faults: this.faults });
  }

  get connectionString(): string {
    const endpoint = `Endpoint=sb://127.0.0.1:${this.#port}`;
    return `${endpoint};SharedAccessKeyName=${keyName};SharedAccessKey=${key};UseDevelopmentEmulator=true;`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  queue(path: string): Store {
    return this.#entities.find(path).store;
  }

  /** On the port that it had, with the messages that it had. */
  async start(): Promise<void> {
    const container = rhea.create_container({ id: "service-bus-broker" });
    container.sasl_server_mechanisms.enable_anonymous();
    container.on("connection_open", ({ connection }: EventContext) => {
      const client = new ClientConnection(connection, {
        entities: this.#entities,
        faults: this.faults,
        changed: () => this.pump(),
      });
      this.#connections.add(client);
      connection.on("disconnected", () => this.#connections.delete(client));
      connection.on("connection_close", () => this.#connections.delete(client));
    });
    // Clients that vanish are what this is for.
    for (const event of ["error", "connection_error", "protocol_error", "session_error"]) container.on(event, () => {});
    this.#server = container.listen({
      port: this.#port,
      host: "127.0.0.1",
      max_frame_size: 65_536,
      receiver_options: { autoaccept: false, credit_window: 0 },
    });
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
    this.#timer = setTimeout(() => this.#tick(), 50);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    this.dropConnections();
    await closed;
  }

  /** Without a word. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#connections.clear();
  }

  expireLocks(): void {
    for (const store of this.#entities.all) store.lapse(true);
    this.pump();
  }

  /** Delivers what can be delivered, a message a link at a time. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      const links = [...this.#connections].flatMap(({ deliveries }) => [...deliveries]);
      // Credit is counted down once the messages went out, in a later turn.
      if (links.map((link) => link.deliver()).includes(true)) this.pump();
    });
  }

  /** Locks lapse and scheduled messages come by time alone. */
  #tick(): void {
    this.pump();
    this.#timer = setTimeout(() => this.#tick(), 50);
  }
}
