import type { Document } from "mongodb";
import { describe, expect, test } from "vitest";
import type { TestMongodb } from "../support/mongodb.ts";
import type { Suite } from "./mongodb-harness.ts";

interface Query {
  readonly command: string;
  readonly collection: string;
  readonly filter: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly sort: readonly (readonly [string, number])[];
}

interface Index {
  readonly fields: readonly (readonly [string, number])[];
  readonly unique: boolean;
}

/** What MongoDB, Cosmos DB and FerretDB all know. */
const commonOptions = [
  ...["find", "filter", "projection", "sort", "limit", "batchSize", "singleBatch", "getMore", "collection"],
  ...["insert", "documents", "ordered", "update", "updates", "delete", "deletes"],
  ...["findAndModify", "query", "new", "upsert", "remove"],
  ...["readConcern", "writeConcern", "lsid", "txnNumber", "$db", "$clusterTime", "$readPreference"],
];

/** What holds for every query that the stores of a suite have made by now: run it last. */
export function queryContract(mongodb: TestMongodb, suite: Suite): void {
  describe("every query of the stores", () => {
    const queries = () => distinct(suite.commands.flatMap(queriesOf));
    const db = () => mongodb.client.db(suite.name);

    async function indexesOf(collection: string): Promise<Index[]> {
      const indexes = await db().collection(collection).indexes();
      return indexes.map(({ key, unique, name }) => ({
        fields: Object.entries(key) as [string, number][],
        unique: unique === true || name === "_id_",
      }));
    }

    test("is found by an index, and comes in its order", async () => {
      expect(queries().length).toBeGreaterThan(15);
      const unserved: string[] = [];
      for (const query of queries()) {
        const indexes = await indexesOf(query.collection);
        if (!indexes.some((index) => isServed(query, index))) unserved.push(shapeOf(query));
      }
      expect(unserved).toEqual([]);
    });

    test("is planned so by a server that tells", async () => {
      const plans = await Promise.all(queries().map(async (query) => ({ query, plan: await explain(query) })));
      const told = plans.filter(({ plan }) => plan !== undefined);
      if (told.length === 0) process.stdout.write("this server tells no plans: the indexes alone were checked\n");
      const scans = told.filter(({ plan }) => /COLLSCAN|"SORT"/.test(plan ?? ""));
      expect(scans.map(({ query }) => shapeOf(query))).toEqual([]);
    });

    test("has every value under an operator of its own", () => {
      const conditions = queries().flatMap(({ filter }) => Object.values(filter));
      expect(conditions.flatMap(Object.keys).filter((key) => !/^\$(eq|in|lte?|gte?)$/.test(key))).toEqual([]);
      const values = conditions.flatMap((condition) => Object.values(condition).flat());
      expect(values.filter((value) => value !== null && !["string", "number"].includes(typeof value))).toEqual([]);
    });

    test("uses nothing that some servers lack", () => {
      for (const command of suite.commands) {
        const [name] = Object.keys(command);
        expect([name, Object.keys(command).filter((key) => !commonOptions.includes(key))]).toEqual([name, []]);
        for (const { u } of command.updates ?? [{ u: command.update }]) {
          expect(Array.isArray(u)).toBe(false);
          const operators = Object.keys(u ?? {}).filter((key) => key.startsWith("$"));
          expect(operators.filter((operator) => !["$inc", "$max", "$set", "$setOnInsert"].includes(operator))).toEqual(
            [],
          );
        }
      }
    });

    /** The winning plan; undefined where the server has no word for it. */
    async function explain({ collection, filter, sort }: Query): Promise<string | undefined> {
      const order = sort.length > 0 ? { sort: Object.fromEntries(sort) } : {};
      const find = { find: collection, filter, ...order, limit: 10 };
      const answer = await db()
        .command({ explain: find, verbosity: "queryPlanner" })
        .catch(() => undefined);
      const plan = answer?.queryPlanner?.winningPlan;
      return plan === undefined ? undefined : JSON.stringify(plan);
    }
  });
}

function queriesOf(command: Document): Query[] {
  const [name = "", collection] = Object.entries(command)[0] ?? [];
  const query = (filter: Document, sort: Document = {}) => ({
    command: name,
    collection: String(collection),
    filter,
    sort: sort instanceof Map ? [...sort] : Object.entries(sort),
  });
  if (name === "find") return [query(command.filter, command.sort)];
  if (name === "update") return command.updates.map(({ q }: Document) => query(q));
  if (name === "delete") return command.deletes.map(({ q }: Document) => query(q));
  if (name === "findAndModify") return [query(command.query, command.sort)];
  if (name === "insert" || name === "getMore" || name === "endSessions") return [];
  throw new Error(`a store sends ${name}: only if all servers know it, and this file then says what index it needs`);
}

/** Whether the index leads to what is asked for and to little else, and has it in the order that is asked for. */
function isServed({ filter, sort }: Query, { fields, unique }: Index): boolean {
  const isEqual = (field: string) => "$eq" in (filter[field] ?? {}) || "$in" in (filter[field] ?? {});
  const equal = fields.findIndex(([field]) => !isEqual(field));
  const rest = equal === -1 ? [] : fields.slice(equal);
  // One document at most for each value: whatever else is asked of it is looked up there.
  if (rest.length === 0 && unique) return true;
  const led = new Set(fields.slice(0, fields.length - rest.length + 1).map(([field]) => field));
  const isSorted = sort.every(([field, direction], nth) => {
    const [name, own] = fields[nth] ?? [];
    return name === field && (direction === own || isEqual(field));
  });
  return isSorted && Object.keys(filter).every((field) => led.has(field));
}

function distinct(queries: readonly Query[]): Query[] {
  return [...new Map(queries.map((query) => [shapeOf(query), query])).values()];
}

function shapeOf({ command, collection, filter, sort }: Query): string {
  const conditions = Object.entries(filter).map(([field, condition]) => `${field} ${Object.keys(condition)}`);
  return `${command} ${collection} where ${conditions.join(", ")} by ${sort.map(String)}`;
}
