import type { Collection, FindOptions, UpdateFilter } from "mongodb";
import { DuplicateKey, StoreUnavailable } from "../../ports/store-errors.ts";
import { type CollectionName, uniqueFields } from "./collections.ts";
import type { Database } from "./database.ts";

type Value = string | number;

/** What a field must be. Made by the functions below alone. */
type Condition<V extends Value = Value> =
  | { readonly $eq: V }
  | { readonly $in: readonly V[] }
  | { readonly $lt: V }
  | { readonly $lte: V }
  | { readonly $gt: V }
  | { readonly $gte: V }
  | { readonly $gte: V; readonly $lt: V }
  | { readonly $gte: V; readonly $gt: V; readonly $lt: V };

interface Query {
  readonly _id?: Condition<string>;
  readonly [field: string]: Condition | typeof isNull;
}

// A value stands under an operator of ours, where the server looks for none: whatever somebody sent is compared, never
// obeyed. A bare value does not compile.
export const isNull = { $eq: null } as const;
export const is = <V extends Value>(value: V) => ({ $eq: value });
export const oneOf = <V extends Value>(values: readonly V[]) => ({ $in: values });
export const before = <V extends Value>(value: V) => ({ $lt: value });
export const atMost = <V extends Value>(value: V) => ({ $lte: value });
export const atLeast = <V extends Value>(value: V) => ({ $gte: value });
export const after = <V extends Value>(value: V) => ({ $gt: value });
export const between = <V extends Value>(from: V, end: V) => ({ $gte: from, $lt: end });
/** Texts that begin with `prefix`, those after `last` alone when there is one. */
export const startingWith = (prefix: string, last = "") => ({
  $gte: prefix,
  $gt: last,
  $lt: prefix + lastCharacter,
});
const lastCharacter = "\u{10FFFF}";

interface Stored {
  readonly _id: string;
  readonly [field: string]: unknown;
}

interface Options<T> {
  /** The fields that only queries and the server look at, by their names. */
  readonly derived?: Readonly<Record<string, (record: T) => unknown>>;
  /** Values of fields that documents of earlier versions lack. */
  readonly defaults?: Partial<T>;
}

interface Order {
  /** By the fields that the query does not fix. */
  readonly sort: Readonly<Record<string, 1 | -1>>;
  readonly limit: number;
}

/**
 * Records of one kind, a document each: the id is `_id`, every other field is itself, and beside them stand those that
 * only queries and the server look at.
 */
export class Records<T extends { readonly id: string }> {
  readonly #db: Database;
  readonly #name: CollectionName;
  readonly #unique: readonly string[];
  readonly #derived: readonly (readonly [string, (record: T) => unknown])[];
  readonly #projection: Readonly<Record<string, 0>>;
  readonly #defaults: Partial<T>;

  constructor(db: Database, name: CollectionName, { derived = {}, defaults = {} }: Options<T> = {}) {
    this.#db = db;
    this.#name = name;
    this.#unique = uniqueFields(name);
    this.#derived = Object.entries(derived);
    this.#projection = Object.fromEntries(this.#derived.map(([field]) => [field, 0]));
    this.#defaults = defaults;
  }

  #collection(): Collection<Stored> {
    return this.#db.collection(this.#name);
  }

  /** Rejects with DuplicateKey, and stores nothing, when the id or another unique value is taken. */
  async insert(record: T): Promise<void> {
    await this.#db.run(() => this.#collection().insertOne(this.#toDocument(record)));
  }

  /** Inserts the record; false, and nothing stored, when the id or another unique value is taken. */
  async insertNew(record: T): Promise<boolean> {
    try {
      await this.insert(record);
      return true;
    } catch (error) {
      if (error instanceof DuplicateKey) return false;
      throw error;
    }
  }

  get(id: string): Promise<T | undefined> {
    return this.findOne({ _id: is(id) });
  }

  async findOne(query: Query): Promise<T | undefined> {
    const projection = this.#projection;
    const found = await this.#db.run(() => this.#collection().findOne(query, { projection }));
    return found === null ? undefined : this.#toRecord(found);
  }

  async find(query: Query, order: Partial<Order> = {}): Promise<T[]> {
    const options = { projection: this.#projection, ...ordered(query, order) };
    const found = await this.#db.run(() => this.#collection().find(query, options).toArray());
    return found.map((document) => this.#toRecord(document));
  }

  /**
   * Writes all fields of the record if the stored one is as `query` says; false, and nothing written, if not. Rejects with
   * DuplicateKey when another record has a unique value of it.
   */
  async replace(record: T, query: Query = {}): Promise<boolean> {
    const { _id, ...fields } = this.#toDocument(record);
    const filter = { ...query, _id: is(_id) };
    try {
      return (await this.#db.run(() => this.#collection().replaceOne(filter, fields))).matchedCount === 1;
    } catch (error) {
      if (error instanceof DuplicateKey || error instanceof StoreUnavailable) throw error;
      // FerretDB has no code of its own for a key that an update finds taken.
      throw (await this.#hasTakenValue(record)) ? new DuplicateKey("a unique value is taken") : error;
    }
  }

  /** Adds to a number in the record that matches, and returns the record as it is then; undefined when none matches. */
  async increase(query: Query, field: string, amount: number): Promise<T | undefined> {
    const change = { $inc: { [field]: amount } } as UpdateFilter<Stored>;
    const found = await this.#db.run(() =>
      this.#collection().findOneAndUpdate(query, change, { returnDocument: "after" }),
    );
    if (found === null) return undefined;
    // Not by a projection, which FerretDB does not support here.
    const own = Object.entries(found).filter(([name]) => !Object.hasOwn(this.#projection, name));
    return this.#toRecord(Object.fromEntries(own) as Stored);
  }

  /** Raises a number to at least `value` in the record that matches; false when none does. */
  async raise(query: Query, field: string, value: number): Promise<boolean> {
    const change = { $max: { [field]: value } };
    return (await this.#db.run(() => this.#collection().updateOne(query, change))).matchedCount === 1;
  }

  /** Whether there was one to delete. */
  async delete(query: Query): Promise<boolean> {
    return (await this.#db.run(() => this.#collection().deleteOne(query))).deletedCount === 1;
  }

  async ids(query: Query, order: Partial<Order>): Promise<string[]> {
    const options = { projection: { _id: 1 }, ...ordered(query, order) };
    const found = await this.#db.run(() => this.#collection().find(query, options).toArray());
    return found.map(({ _id }) => _id);
  }

  /** Deletes the records with these ids that match; returns how many. */
  async deleteMany(ids: readonly string[], query: Query = {}): Promise<number> {
    if (ids.length === 0) return 0;
    const filter = { ...query, _id: oneOf(ids) };
    return (await this.#db.run(() => this.#collection().deleteMany(filter))).deletedCount;
  }

  /** Deletes the first records that match; returns how many. */
  async deleteFirst(query: Query, order: Order): Promise<number> {
    // The deletion checks the query again for each.
    return this.deleteMany(await this.ids(query, order), query);
  }

  async #hasTakenValue(record: T): Promise<boolean> {
    const { _id, ...fields } = this.#toDocument(record);
    const holders = this.#unique.map((field) => this.findOne({ [field]: is(fields[field] as Value) }));
    return (await Promise.all(holders)).some((holder) => holder !== undefined && holder.id !== _id);
  }

  #toDocument(record: T): Stored {
    const { id, ...fields } = record;
    const derived = this.#derived.map(([field, derive]) => [field, derive(record)]);
    return { _id: id, ...fields, ...Object.fromEntries(derived) };
  }

  #toRecord({ _id, ...fields }: Stored): T {
    return { id: _id, ...this.#defaults, ...fields } as unknown as T;
  }
}

/** The fields that are equal come first in the sort too: Cosmos DB sorts only by all fields of an index. */
function ordered(query: Query, { sort, ...limit }: Partial<Order>): FindOptions {
  if (sort === undefined) return limit;
  const equal = Object.entries(query).flatMap(([field, condition]) => (condition && "$eq" in condition ? field : []));
  return { ...limit, sort: new Map([...equal.map((field) => [field, 1] as const), ...Object.entries(sort)]) };
}
