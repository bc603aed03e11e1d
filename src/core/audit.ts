import { randomUUID } from "node:crypto";
import {
  type AuditAction,
  type AuditEvent,
  type AuditField,
  auditActor,
  auditIdFrom,
  isAuditId,
} from "../model/audit.ts";
import type { Call } from "../model/call.ts";
import { checkFields, DomainError, invalidField } from "../model/errors.ts";
import { decodeKey, encodeKey, invalidPageToken, type Page, pageOf, pageSize } from "../model/page.ts";
import { textRule } from "../model/text.ts";
import type { AuditStore } from "../ports/audit-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { StrangersTries } from "./strangers-tries.ts";

export interface AuditSearch {
  readonly pageSize: number;
  readonly pageToken: string;
  /** At most one of them is not empty. */
  readonly action: string;
  readonly actor: string;
  readonly target: string;
  readonly startTime: number | undefined;
  readonly endTime: number | undefined;
}

const fields: readonly AuditField[] = ["action", "actor", "target"];
const valueMax = 200;
/** Sorts after every id. */
const last = "~";

interface AuditDeps {
  readonly audit: AuditStore;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps what happened to accounts, sessions and clients. */
export class Audit {
  readonly #deps: AuditDeps;
  readonly #tries: StrangersTries;
  #lastAt = 0;
  #sequence = 0;

  constructor(deps: AuditDeps) {
    this.#deps = deps;
    this.#tries = new StrangersTries(deps);
  }

  /**
   * Runs `act` and keeps what happened, refused or not, before the call is answered; of a stranger's many refused tries
   * the first of each minute. `target` gets undefined where `act` failed.
   */
  async keep<Result>(
    { principal, isOperator, address, requestId }: Call,
    action: AuditAction | readonly AuditAction[],
    act: () => Promise<Result>,
    target: (result: Result | undefined) => string = () => "",
  ): Promise<Result> {
    const who = { actor: isOperator === true ? "operator" : auditActor(principal), address, requestId };
    const record = async (to: string, reason: string) => {
      for (const each of [action].flat()) await this.record({ ...who, action: each, target: to, reason });
    };
    try {
      const result = await act();
      await record(target(result), "");
      return result;
    } catch (error) {
      const { reason, subject } = error instanceof DomainError ? error : { reason: "INTERNAL", subject: "" };
      if (principal !== undefined || isOperator === true || this.#tries.isToBeKept(address, subject))
        await record(target(undefined) || (subject === who.actor ? "" : subject), reason);
      throw error;
    }
  }

  /**
   * The act is not undone: where its event cannot be stored, the log has it. An act that the same fault has made fail
   * wants nobody: the log has the fault already.
   */
  async record(event: Omit<AuditEvent, "id" | "at">): Promise<void> {
    const { audit, clock, log } = this.#deps;
    const at = clock();
    try {
      await audit.append({ ...event, at, id: this.#idOf(at) });
    } catch (error) {
      if (error instanceof DomainError && error.reason === event.reason)
        log.info({ event }, "an attempt could not be kept as an audit event");
      else log.error({ err: error, event }, "an audit event could not be kept");
    }
  }

  /** Keeps the events of one process in order, also within a millisecond. */
  #idOf(at: number): string {
    this.#sequence = at === this.#lastAt ? this.#sequence + 1 : 0;
    this.#lastAt = at;
    return `${auditIdFrom(at)}-${this.#sequence.toString(16).padStart(8, "0")}${randomUUID().slice(8)}`;
  }

  async list(wanted: AuditSearch): Promise<Page<AuditEvent>> {
    const size = pageSize(wanted.pageSize);
    const token = decodeKey(wanted.pageToken);
    if (token !== undefined && !isAuditId(token)) throw invalidPageToken();
    const from = wanted.startTime === undefined ? "" : auditIdFrom(wanted.startTime);
    const before = token ?? (wanted.endTime === undefined ? last : auditIdFrom(wanted.endTime));
    const found = await this.#deps.audit.list({ where: whereOf(wanted), from, before, limit: size + 1 });
    return pageOf(found, size, ({ id }) => encodeKey(id));
  }
}

function whereOf(wanted: AuditSearch): { field: AuditField; value: string } | undefined {
  const [field, another] = fields.filter((name) => wanted[name] !== "");
  if (another !== undefined) throw invalidField(another, "must be empty where another filter is given");
  if (field === undefined) return undefined;
  checkFields({ [field]: () => textRule(wanted[field], { min: 1, max: valueMax }) });
  return { field, value: wanted[field] };
}
