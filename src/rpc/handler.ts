import type { DescFile, DescService } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { ImageJobService } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { WorkerService } from "../../gen/darkroom/worker/v1/worker_pb.ts";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health as HealthService } from "../../gen/health/v1/health_pb.ts";
import type { UseCases } from "../core/use-cases.ts";
import { bodyMax, uploadBodyMax } from "../model/body-limits.ts";
import { imageTooLarge } from "../model/image.ts";
import { hourMs } from "../model/time.ts";
import { auditInterceptor } from "./audit-interceptor.ts";
import { createGate, errorInterceptor, readmission } from "./gate.ts";
import { decodeTextLeniently } from "./lenient-text.ts";
import { compressionsOf } from "./server/compression.ts";
import { createRpcServer, type RpcHandler, type RpcServerOptions } from "./server/server.ts";
import { authService } from "./services/auth-service.ts";
import { healthService } from "./services/health.ts";
import { imageJobService } from "./services/image-job-service.ts";
import { reflection } from "./services/reflection.ts";
import { workerService } from "./services/worker-service.ts";

/** The longest timeout a caller may ask for. */
const timeoutMaxMs = 2 * hourMs;

/** For pictures, which are compressed already, and for reflection, whose answers anybody may ask for without limit. */
const uncompressed = { compressMinBytes: 0xffffffff };

/** A larger message, be it only once it is decompressed, has a picture that is larger than any may be. */
const upload = { readMaxBytes: uploadBodyMax, acceptCompression: compressionsOf(imageTooLarge) };

const services: readonly DescService[] = [
  AuthService,
  ImageJobService,
  WorkerService,
  HealthService,
  ServerReflection,
  ServerReflectionAlpha,
];

/** Every procedure that is served, by the name that the access table lists it under. */
export const procedures: readonly string[] = services.flatMap((service) =>
  service.methods.map((method) => `${service.typeName}/${method.name}`),
);

/** Every service, behind the gate, with our errors. */
export function createRpcHandler(core: UseCases, options: RpcServerOptions): RpcHandler {
  const { log } = options;
  for (const service of services) decodeTextLeniently(service);
  const rpc = {
    routes: routesOf(core),
    gate: createGate(core.admission, log),
    interceptors: [errorInterceptor(log), readmission(core.admission), auditInterceptor(core)],
    messageMax: bodyMax,
    timeoutMaxMs,
  };
  return createRpcServer(rpc, options);
}

export function routesOf(core: UseCases): (router: ConnectRouter) => void {
  const names = services.map(({ typeName }) => typeName);
  const files: DescFile[] = [...services.map(({ file }) => file), file_google_rpc_error_details];
  const { v1, v1alpha } = reflection(names, files);
  const auth = authService(core);
  const jobs = imageJobService(core);
  const worker = workerService(core.leases);
  const health = healthService(core.health, names);
  return (router) =>
    void router
      .service(AuthService, auth)
      .service(ImageJobService, jobs)
      // The later registration counts.
      .rpc(ImageJobService.method.uploadImage, jobs.uploadImage, upload)
      .rpc(ImageJobService.method.getImage, jobs.getImage, uncompressed)
      .service(WorkerService, worker)
      .service(HealthService, health)
      .service(ServerReflection, v1, uncompressed)
      .service(ServerReflectionAlpha, v1alpha, uncompressed);
}
