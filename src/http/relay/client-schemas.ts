import { limitMax } from "../../model/client.ts";
import { pageSizeMax } from "../../model/page.ts";
import { problemAnswer } from "../common/schema.ts";

const time = (description: string) => ({ type: ["string", "null"], format: "date-time", description });
const settings = {
  name: { type: "string", description: "1 to 100 characters, for people." },
  description: { type: "string", description: "At most 1000 characters, for people." },
  scopes: {
    type: "array",
    items: { type: "string" },
    description: "What it may do; `relay` opens `/v1/`, and is what a new one may do where nothing is said.",
  },
  limit_per_minute: {
    type: ["integer", "null"],
    description: `Calls that it may make in a minute, 1 to ${limitMax}; the default when null or 0.`,
  },
  disabled: { type: "boolean", description: "Whether its key and tokens are refused." },
  expire_time: time("When it stops working; never when null."),
};
const client = {
  type: "object",
  properties: {
    id: { type: "string" },
    ...settings,
    last_use_time: time("When it last made a call, to the minute."),
    create_time: time("When it was made."),
    previous_key_expire_time: time("Until when the key before works, or worked; null when it ended at once."),
  },
};
const keyed = {
  ...client,
  properties: { ...client.properties, api_key: { type: "string", description: "Shown this once." } },
};

const settingsBody = {
  type: "object",
  properties: settings,
  examples: [{ name: "Billing", description: "Makes the monthly collages.", scopes: ["jobs:submit", "relay"] }],
};
const pageAnswer = {
  description: "The newest first.",
  type: "object",
  properties: {
    clients: { type: "array", items: client },
    next_page_token: { type: "string", description: "Empty on the last page." },
  },
};
const clientAnswer = { description: "The client.", ...client };
const keyAnswer = { description: "The client, with its key.", ...keyed };

const common = { tags: ["Relay"] };
const byId = { ...common, params: { type: "object", properties: { id: { type: "string" } } } };
const gone = { 404: problemAnswer("There is no such client.") };

const pageQuery = (bounds: object) => ({
  type: "object",
  properties: {
    page_size: { type: "integer", default: 0, ...bounds, description: "50 when 0." },
    page_token: { type: "string", default: "", description: "The next_page_token of an earlier answer." },
  },
});

export const listing = {
  ...common,
  summary: "Lists API clients",
  querystring: pageQuery({}),
  documented: { querystring: pageQuery({ minimum: 0, maximum: pageSizeMax }) },
  response: { 200: pageAnswer },
};

export const making = {
  ...common,
  summary: "Makes an API client",
  body: { ...settingsBody, required: ["name"] },
  response: { 201: keyAnswer },
};

export const reading = { ...byId, summary: "Reads an API client", response: { 200: clientAnswer, ...gone } };

export const changing = {
  ...byId,
  summary: "Changes what the body has of an API client",
  body: settingsBody,
  documented: { body: { ...settingsBody, minProperties: 1 } },
  response: { 200: clientAnswer, ...gone },
};

export const deleting = {
  ...byId,
  summary: "Deletes an API client: its key and its tokens stop working",
  response: { 204: { description: "It is gone.", type: "null" }, ...gone },
};

const graceBody = (bounds: object) => ({
  type: ["object", "null"],
  examples: [{ grace_period: 3600 }],
  properties: {
    grace_period: { type: "integer", ...bounds, description: "Seconds that the old key still works." },
  },
});

export const regenerating = {
  ...byId,
  summary: "Gives an API client a new key",
  body: graceBody({}),
  documented: { body: graceBody({ minimum: 0, maximum: 30 * 24 * 60 * 60 }) },
  response: { 200: keyAnswer, ...gone },
};
