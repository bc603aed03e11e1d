import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { ImageJobService } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { smallPicture } from "../../test/support/pictures.ts";
import { sessionCall } from "../session-validation.ts";
import { type Call, connectJson, has, unaryCall } from "./calls.ts";
import { sessionOf } from "./credentials.ts";
import { type Server, type SignedIn, signIn } from "./darkroom.ts";

/** How often each of them comes. */
const usual = { checkAuth: 6, validate: 4, session: 4, poll: 5, submit: 1 };
/** For hours: a few jobs only, since nobody develops them. */
export const fewJobs: typeof usual = { checkAuth: 30, validate: 20, session: 20, poll: 29, submit: 1 };

export interface MixedCalls {
  readonly calls: readonly Call[];
  readonly who: SignedIn;
}

/** What callers do all day, in an order in which none of them comes in a row. */
export async function mixedCalls(server: Server, mixture = usual): Promise<MixedCalls> {
  const who = await signIn(server);
  const { token, username } = who;
  const asked = { token, accepts: has(username) };
  const { image } = await server.jobs.uploadImage({ data: await smallPicture() }, bearer(token));
  const submission = { imageId: image?.id ?? "", prompt: "black and white" };
  const { job } = await server.jobs.submitImageJob(submission, bearer(token));
  const jobId = job?.id ?? "";
  const { pollImageJob, submitImageJob } = ImageJobService.method;
  const kinds: Record<keyof typeof usual, Call> = {
    checkAuth: unaryCall(connectJson, AuthService.method.checkAuth, {}, asked),
    validate: unaryCall(connectJson, AuthService.method.validate, { credential: token }, asked),
    session: sessionCall(await sessionOf(server, who), username),
    poll: unaryCall(connectJson, pollImageJob, { jobId }, { token, accepts: has(jobId) }),
    submit: unaryCall(connectJson, submitImageJob, submission, { token, accepts: has(submission.imageId) }),
  };
  return { calls: spread(kinds, mixture), who };
}

function spread(kinds: Readonly<Record<keyof typeof usual, Call>>, mixture: typeof usual): Call[] {
  const placed = Object.entries(mixture).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, index) => ({
      call: kinds[kind as keyof typeof usual],
      place: (index + 0.5) / count,
    })),
  );
  return placed.toSorted((a, b) => a.place - b.place).map(({ call }) => call);
}
