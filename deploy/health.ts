import { get as httpGet, type RequestOptions } from "node:http";
import { get as httpsGet } from "node:https";

const { PORT = "8080", DARKROOM_WORKER_HEALTH_PORT, TLS_CERT_FILE } = process.env;
const where: RequestOptions = { host: "127.0.0.1", path: "/health/live", timeout: 4000 };

/** Ends with 0 if the server of this container answers, or its worker where no server listens. */
function check(port: string, isTls: boolean, otherwise: () => void): void {
  // Whose certificate it is does not matter: it is asked on this very machine.
  const request = isTls ? httpsGet({ ...where, port, rejectUnauthorized: false }) : httpGet({ ...where, port });
  request.on("response", ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1));
  request.on("timeout", fail);
  request.on("error", ({ code }: NodeJS.ErrnoException) => (code === "ECONNREFUSED" ? otherwise() : fail()));
}

function fail(): void {
  process.exit(1);
}

const askWorker = () => {
  if (DARKROOM_WORKER_HEALTH_PORT) check(DARKROOM_WORKER_HEALTH_PORT, false, fail);
  else fail();
};
check(PORT || "8080", Boolean(TLS_CERT_FILE), askWorker);
