import { networkOf } from "../../model/address.ts";
import { cutAnswer, cutConnection, type HttpResponse, isUntaken, takenOf } from "../server/http-messages.ts";
import { HeldAnswers } from "./held-answers.ts";

/** Calls under way at a time, streams and those that wait included. */
export interface CallsMax {
  /** Of one address (an IPv6 /64). */
  readonly each: number;
  readonly all: number;
}

export interface UnderWay {
  readonly response: HttpResponse;
  readonly address: string;
  /** Its index in the list. */
  at: number;
}

/** How much of an answer its caller has taken, and for how many looks that has not changed. */
interface Stillness {
  readonly taken: number;
  readonly looks: number;
}

/** How often the calls of each address are counted anew under siege, instead of at each call. */
const tallyMs = 100;
/** How many looks an answer must stand still for. */
const looks = 4;
/** How often it is looked what answers hold. Meanwhile a server makes some dozens of the largest, of 1.2 MB. */
const heldLookMs = 250;
/** Bytes of answers that wait for their callers to take them, together. */
const heldMax = 128 * 1024 * 1024;

/**
 * The calls whose answers are not over. An answer of which its caller takes nothing for `stillMs`, give or take a quarter,
 * is cut: it would count, and hold what it needs, for as long as its caller likes. A stream that has nothing to send is
 * never cut for that.
 */
export class CallsUnderWay {
  readonly #max: CallsMax;
  /** No map: the old tables that a map leaves behind as it changes keep finished answers, which the garbage collector copies. */
  readonly #open: UnderWay[] = [];
  #untaken: ReadonlyMap<HttpResponse, Stillness> = new Map();
  #tally: ReadonlyMap<string, number> = new Map();
  #tallied = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #heldTimer: NodeJS.Timeout | undefined;
  readonly #lookMs: number;
  readonly #held = new HeldAnswers(heldMax);

  constructor(max: CallsMax, stillMs: number) {
    this.#max = max;
    this.#lookMs = stillMs / looks;
  }

  add(response: HttpResponse, address: string): UnderWay {
    const call = { response, address, at: this.#open.length };
    this.#open.push(call);
    this.#timer ??= setTimeout(() => this.#look(), this.#lookMs).unref();
    this.#heldTimer ??= setTimeout(() => this.#lookAtHeld(), heldLookMs).unref();
    return call;
  }

  /** The last call of the list takes the place of the removed one. */
  remove({ at }: UnderWay): void {
    const last = this.#open.pop();
    if (last === undefined || last.at === at) return;
    last.at = at;
    this.#open[at] = last;
  }

  /**
   * Whether one more from this address, which is added already, is too many. One address has no more than are left for the
   * others, so that a few cannot have them all.
   */
  isTooMany(address: string, now: number): boolean {
    const { each, all } = this.#max;
    const free = all + 1 - this.#open.length;
    if (free >= each && this.#open.length <= each) return false;
    return free <= 0 || this.#countOf(address, now) > Math.min(each, free);
  }

  #countOf(address: string, now: number): number {
    if (now - this.#tallied > tallyMs) {
      const tally = new Map<string, number>();
      for (const call of this.#open) {
        const network = networkOf(call.address);
        tally.set(network, (tally.get(network) ?? 0) + 1);
      }
      this.#tally = tally;
      this.#tallied = now;
    }
    return this.#tally.get(networkOf(address)) ?? 0;
  }

  #lookAtHeld(): void {
    this.#held.look(this.#open, performance.now());
    this.#heldTimer = this.#open.length === 0 ? undefined : setTimeout(() => this.#lookAtHeld(), heldLookMs).unref();
  }

  #look(): void {
    const untaken = new Map<HttpResponse, Stillness>();
    for (const { response } of this.#open) {
      if (!isUntaken(response)) continue;
      const taken = takenOf(response);
      const seen = this.#untaken.get(response);
      const still = seen?.taken === taken ? seen.looks + 1 : 0;
      untaken.set(response, { taken, looks: still });
      if (still === looks) cutAnswer(response);
      if (still > looks) cutConnection(response);
    }
    this.#untaken = untaken;
    this.#timer = this.#open.length === 0 ? undefined : setTimeout(() => this.#look(), this.#lookMs).unref();
  }
}
