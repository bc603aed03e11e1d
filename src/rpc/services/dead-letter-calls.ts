import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  DeadLetterSchema,
  type ImageJobService,
  DeadLetter_Source as Source,
} from "../../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import type { DeadLetter, DeadSource } from "../../core/jobs/dead-letters.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { invalidField } from "../../model/errors.ts";
import type { ImageJob } from "../../model/image-job.ts";
import type { NumberedDeadLetter } from "../../ports/queue.ts";
import { toImageJob } from "./convert.ts";
import { inTurns } from "./in-turns.ts";

/** Bytes of a message that are shown. */
const bodyMax = 4096;

/** The administrators' calls about dead letters. */
export function deadLetterCalls(core: UseCases) {
  const { deadLetters } = core;
  const inTurn = inTurns(core);
  return {
    listDeadLetters: inTurn(async ({ pageSize, pageToken, source }) => {
      const page = await deadLetters.list({ pageSize, pageToken, source: sourceNamed(source) });
      return { deadLetters: page.items.map(toDeadLetter), nextPageToken: page.nextPageToken };
    }),
    async redrive({ what }) {
      if (what.case === undefined) throw invalidField("what", "must be one or all");
      const { source } = what.value;
      if (what.case === "all")
        return deadLetters.redriveAll({ source: sourceNamed(source), pageToken: what.value.pageToken });
      await deadLetters.redrive(fromSource(source), what.value.id);
      return { redriven: 1 };
    },
    async discardDeadLetters({ ids }) {
      return { discarded: await deadLetters.discard(ids) };
    },
  } satisfies Partial<ServiceImpl<typeof ImageJobService>>;
}

/** Undefined when none was named. */
function sourceNamed(source: Source): DeadSource | undefined {
  return source === Source.UNSPECIFIED ? undefined : fromSource(source);
}

function fromSource(source: Source): DeadSource {
  if (source === Source.JOB) return "job";
  if (source === Source.RESULT) return "result";
  throw invalidField("source", "must be SOURCE_JOB or SOURCE_RESULT");
}

function toDeadLetter(letter: DeadLetter) {
  return create(DeadLetterSchema, letter.source === "job" ? jobFields(letter.job) : resultFields(letter.message));
}

type Fields = MessageInitShape<typeof DeadLetterSchema>;

function jobFields(job: ImageJob): Fields {
  return {
    source: Source.JOB,
    id: job.id,
    reason: job.error?.reason ?? "",
    description: job.error?.message ?? "",
    time: timestampFromMs(job.endedAt ?? 0),
    job: toImageJob(job),
    ownerId: job.ownerId,
  };
}

function resultFields({ number, reason, description, body }: NumberedDeadLetter): Fields {
  return { source: Source.RESULT, id: number, reason, description, body: body.slice(0, bodyMax) };
}
