import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { UseCases } from "../../core/use-cases.ts";
import type { Call } from "../../model/call.ts";
import { ownerOf, principalOf } from "../../model/call.ts";
import { DomainError } from "../../model/errors.ts";
import { hasEnded, type ImageJob } from "../../model/image-job.ts";
import { type JobPrincipal, ownerIdOf, type Principal } from "../../model/principal.ts";
import type { FastRoute } from "../common/fast-routes.ts";
import { limitedAs } from "../common/limited-as.ts";
import { sendImage } from "../common/sending.ts";
import { sentence } from "./field-errors.ts";
import {
  checking,
  fetching,
  fetchingByBody,
  health,
  messageNeeds,
  pictureNeeds,
  sending,
  sendingByBody,
} from "./gateway-schemas.ts";
import { envelope, fromDomain } from "./refusal.ts";

type Parameters = Readonly<Record<string, string | number | undefined>>;
type ByParameters = FastifyRequest<{ Querystring: Parameters; Body: Parameters | null | undefined }>;

const onlyRecords = envelope(403, "Only auth records can access this endpoint.");
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The gateway's own routes. */
export function addGatewayRoutes(scope: FastifyInstance, core: UseCases): void {
  const { jobs, images } = core;

  async function send(request: ByParameters) {
    const given = parametersOf(request, messageNeeds);
    const job = await jobs.submit(submissionOf(given), ownerIdOf(ownerOf(request.call)));
    return { messageId: job.id };
  }

  /** Looks at the job once: a poll never waits. */
  async function fetch(request: ByParameters, reply: FastifyReply) {
    const owner = ownerOf(request.call);
    const { message_id: id } = parametersOf(request, pictureNeeds);
    const job = await jobs.get(String(id), ownerIdOf(owner));
    if (!hasEnded(job)) return reply.code(202).type("text/plain; charset=UTF-8").send("Message not ready yet");
    const [imageId] = job.outputImageIds;
    if (job.state !== "SUCCEEDED" || imageId === undefined) return sendFailure(reply, job);
    return sendImage(reply, await images.open(imageId, owner));
  }

  scope.get("/health", { schema: health, exposeHeadRoute: true }, async (_request, reply) => {
    if (await core.health.isReady()) return { status: "OK" };
    return reply.code(503).send(envelope(503, "The service is not ready."));
  });
  scope.get("/check_auth", { schema: checking, config: { guest: { status: 403, body: onlyRecords } } }, (request) =>
    Promise.resolve(whoseToken(request.call)),
  );
  const config = limitedAs("darkroom.imagejob.v1.ImageJobService/SubmitImageJob");
  scope.get("/send_message", { schema: sending, config }, send);
  scope.post("/send_message", { schema: sendingByBody, config }, send);
  scope.get("/get_image", { schema: fetching }, fetch);
  scope.post("/get_image", { schema: fetchingByBody }, fetch);
}

function parametersOf({ query, body }: ByParameters, needed: readonly string[]): Parameters {
  const given = { ...query, ...body };
  if (needed.every((name) => given[name] !== undefined && given[name] !== "")) return given;
  throw new DomainError("invalid_argument", "PARAMETERS_MISSING", "Missing required query parameters");
}

function submissionOf({ prompt, prompt_guidance, strength, uuid, model_type = "" }: Parameters) {
  return {
    imageId: String(uuid),
    prompt: String(prompt),
    promptGuidance: numberOf(prompt_guidance),
    strength: numberOf(strength),
    modelType: String(model_type),
    seed: undefined,
    imageCount: undefined,
    deadline: undefined,
    requestId: "",
  };
}

/** Text that is no number becomes NaN, which breaks the rule of any field. */
function numberOf(value: string | number | undefined): number {
  return decimal.test(String(value)) ? Number(value) : Number.NaN;
}

function sendFailure(reply: FastifyReply, { state, error }: ImageJob): FastifyReply {
  const { reason, message } = error ?? { reason: state, message: "there is no picture" };
  const text = sentence(message);
  return reply.code(422).send(envelope(422, text, { message_id: { code: reason.toLowerCase(), message: text } }));
}

export const checkPath = "/api/check_auth";
export const tokenCheck: FastRoute = {
  bareToken: true,
  answer: (_headers, call) => ({ status: 200, body: whoseToken(call) }),
  refuse(error) {
    const body = fromDomain(error, undefined);
    return { status: body.code, body };
  },
};

function whoseToken(call: Call): { client_id: string } {
  return { client_id: nameOf(principalOf(call)) };
}

/** A job's token stands for the job's owner. */
function nameOf(principal: Principal | JobPrincipal["owner"]): string {
  if (principal.kind === "job") return nameOf(principal.owner);
  if (principal.kind === "user") return principal.account.username;
  if (principal.kind === "client") return principal.client.id;
  throw new Error("a route for owners lets others call it");
}
