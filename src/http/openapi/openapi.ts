import swagger, { type SwaggerTransform, type SwaggerTransformObject } from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { problemSchema } from "../common/schema.ts";
import { about, headers, headersOf, securitySchemes } from "./about.ts";
import { refusalsOf, securityOf } from "./shared-answers.ts";

declare module "fastify" {
  interface FastifySchema {
    /**
     * Replaces the schema's query or body in the document, where the handler refuses more than the schema does, in the
     * old system's words.
     */
    readonly documented?: { readonly querystring?: object; readonly body?: object };
  }
}

/** The OpenAPI document of all routes that are added from now on, made from their schemas, and its own route. */
export async function addOpenApi(app: FastifyInstance): Promise<void> {
  app.addSchema(problemSchema);
  await app.register(swagger, {
    openapi: { ...about, components: { securitySchemes, headers } },
    convertConstToEnum: false,
    refResolver: { buildLocalReference: ({ $id }) => String($id) },
    transform,
    transformObject,
  });
  // Bytes, so that all answers share them: of a text each would have a copy for as long as its caller takes it.
  let document: Buffer | undefined;
  app.get("/openapi.json", { schema, exposeHeadRoute: true }, async (_request, reply) => {
    document ??= Buffer.from(JSON.stringify(app.swagger()));
    return reply.type("application/json; charset=utf-8").header("cache-control", "no-cache").send(document);
  });
}

const schema = {
  summary: "This document",
  tags: ["Service"],
  response: { 200: { description: "OpenAPI 3.1.", type: "object", additionalProperties: true } },
};

/** Adds what holds for all routes of a kind to what a route says itself. */
const transform: SwaggerTransform = ({ schema, url, route }) => {
  const { response, security, documented, ...validated } = schema ?? {};
  const own = { ...validated, ...documented };
  const answers = (response ?? {}) as Record<string, unknown>;
  return {
    url: url.replace("*", ":path"),
    schema: {
      ...own,
      ...(route.config?.isStruct && own.body ? { body: withNulls(own.body) } : {}),
      security: security ?? securityOf(operationOf(route)),
      response: { ...refusalsOf(operationOf(route), own, answers, route.config), ...answers },
    },
  };
};

function withNulls(body: { readonly properties?: object; readonly required?: readonly string[] }): object {
  const { properties = {}, required = [] } = body;
  const fields = Object.entries(properties).map(([name, field]) => [
    name,
    required.includes(name) ? field : orNull(field),
  ]);
  return { ...body, properties: Object.fromEntries(fields) };
}

function orNull({ description, ...field }: { readonly description?: string }): object {
  return { ...(description === undefined ? {} : { description }), anyOf: [field, { type: "null" }] };
}

function operationOf({ method, url }: Parameters<SwaggerTransform>[0]["route"]): string {
  return `${[method].flat()[0]} ${url}`;
}

interface Operation {
  readonly requestBody?: { required: boolean; readonly content: Readonly<Record<string, MediaType>> };
  readonly responses: Readonly<Record<string, { headers?: object }>>;
}

interface MediaType {
  readonly schema?: { readonly type?: string | readonly string[] };
}

const transformObject: SwaggerTransformObject = (made) => {
  const document = "openapiObject" in made ? made.openapiObject : {};
  for (const path of Object.values(document.paths ?? {}))
    for (const operation of Object.values(path ?? {}) as Operation[]) complete(operation);
  return document as ReturnType<SwaggerTransformObject>;
};

/** Adds what the plugin has no way to say: headers that are always there, bodies that may be left out. */
function complete({ requestBody, responses }: Operation): void {
  for (const [status, answer] of Object.entries(responses))
    answer.headers = { ...headersOf(status), ...answer.headers };
  if (requestBody !== undefined) requestBody.required = !Object.values(requestBody.content).some(mayBeNull);
}

function mayBeNull({ schema }: MediaType): boolean {
  return [schema?.type].flat().includes("null");
}
