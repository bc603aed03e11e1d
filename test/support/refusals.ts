import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

export interface Refusal {
  /** For example `InvalidArgument`. */
  readonly code: string;
  readonly reason: string | undefined;
  /** The fields that broke a rule, as the API names them. */
  readonly fields: readonly string[];
  readonly message: string;
  readonly metadata: Headers;
}

/** What the server said no with, to a call or to a stream; throws when it said yes. */
export async function refusal(call: Promise<unknown> | AsyncIterable<unknown>): Promise<Refusal> {
  try {
    if (call instanceof Promise) await call;
    else await drain(call);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return {
      code: Code[error.code],
      reason: error.findDetails(ErrorInfoSchema)[0]?.reason,
      fields: error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations.map((v) => v.field)),
      message: error.rawMessage,
      metadata: error.metadata,
    };
  }
  throw new Error("the call was not refused");
}

/** The same for an answer to a plain request, by Connect or by one of the other routes. */
export async function refusalOf(response: Response): Promise<{ status: number } & Omit<Refusal, "metadata">> {
  const { status } = response;
  const body = (await response.json()) as {
    code?: string;
    message?: string;
    details?: { type: string; value: string }[];
    detail?: string;
    reason?: string;
    errors?: { field: string }[];
  };
  if (body.code === undefined) {
    const fields = body.errors?.map(({ field }) => field) ?? [];
    return { status, code: "", reason: body.reason, fields, message: body.detail ?? "" };
  }
  const detail = (type: string) => {
    const found = body.details?.find((each) => each.type === type);
    return found && Buffer.from(found.value, "base64");
  };
  const [info, bad] = [detail("google.rpc.ErrorInfo"), detail("google.rpc.BadRequest")];
  return {
    status,
    code: body.code,
    reason: info && fromBinary(ErrorInfoSchema, info).reason,
    fields: bad === undefined ? [] : fromBinary(BadRequestSchema, bad).fieldViolations.map(({ field }) => field),
    message: body.message ?? "",
  };
}

export async function drain<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}
