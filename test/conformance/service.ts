import type { DescService, Message } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  pause,
  type Request,
  type StreamDefinition,
  setHeaders,
  tell,
  tellAlone,
  toError,
  type UnaryDefinition,
} from "./definitions.ts";
import type { Protos } from "./protos.ts";

/** What the suite's service.proto wants of a server. */
export function conformanceService(protos: Protos): ServiceImpl<DescService> {
  async function unary(request: Request<UnaryDefinition>, context: HandlerContext) {
    return answer(protos, [request], context);
  }
  async function clientStream(requests: AsyncIterable<Request<UnaryDefinition>>, context: HandlerContext) {
    const all: Request<UnaryDefinition>[] = [];
    for await (const request of requests) all.push(request);
    return answer(protos, all, context);
  }
  async function* serverStream(request: Request<StreamDefinition>, context: HandlerContext) {
    const answers = new Answers(protos, request, context);
    while (answers.areLeft) yield await answers.next([request]);
    answers.end([request]);
  }
  async function* bidiStream(requests: AsyncIterable<Request<StreamDefinition>>, context: HandlerContext) {
    let answers: Answers | undefined;
    let seen: Message[] = [];
    for await (const request of requests) {
      answers ??= new Answers(protos, request, context);
      seen.push(request);
      if (!answers.interleaved) continue;
      if (!answers.areLeft) break;
      yield await answers.next(seen);
      seen = [];
    }
    while (answers?.areLeft) yield await answers.next(seen);
    answers?.end(seen);
  }
  const service = { unary, idempotentUnary: unary, clientStream, serverStream, bidiStream };
  // Its messages have no types here: see protos.ts.
  return service as unknown as ServiceImpl<DescService>;
}

async function answer(protos: Protos, requests: readonly Request<UnaryDefinition>[], context: HandlerContext) {
  const definition = requests[0]?.responseDefinition;
  const requestInfo = tell(protos, requests, context);
  setHeaders(definition, context);
  await pause(definition, context);
  const response = definition?.response;
  if (response?.case === "error") throw toError(protos, response.value, requestInfo);
  return { payload: { requestInfo, data: response?.value } };
}

/** Of one stream. */
class Answers {
  readonly interleaved: boolean;
  private readonly protos: Protos;
  private readonly definition: StreamDefinition | undefined;
  private readonly context: HandlerContext;
  private sent = 0;

  constructor(protos: Protos, { responseDefinition, fullDuplex }: Request<StreamDefinition>, context: HandlerContext) {
    this.protos = protos;
    this.definition = responseDefinition;
    this.interleaved = fullDuplex === true;
    this.context = context;
    setHeaders(responseDefinition, context);
  }

  get areLeft(): boolean {
    return this.sent < (this.definition?.responseData.length ?? 0);
  }

  /** Tells of the requests that were seen since the last. */
  async next(seen: readonly Message[]) {
    await pause(this.definition, this.context);
    const data = this.definition?.responseData[this.sent];
    this.sent += 1;
    if (this.sent === 1) return { payload: { data, requestInfo: tell(this.protos, seen, this.context) } };
    if (this.interleaved && seen.length > 0) return { payload: { data, requestInfo: tellAlone(this.protos, seen) } };
    return { payload: { data } };
  }

  end(seen: readonly Message[]): void {
    if (this.definition?.error === undefined) return;
    const told = this.sent === 0 ? tell(this.protos, seen, this.context) : undefined;
    throw toError(this.protos, this.definition.error, told);
  }
}
