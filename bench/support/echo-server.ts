import { createFront } from "../../src/http/front.ts";
import { createPressure } from "../../src/http/overload/pressure.ts";
import { createShedding } from "../../src/http/overload/shedding.ts";
import { limits, openHttpServer } from "../../src/http/server/server.ts";
import { createLog, type LogLevel } from "../../src/log/log.ts";
import { errorInterceptor } from "../../src/rpc/gate.ts";
import { createRpcServer, exposedHeaders } from "../../src/rpc/server/server.ts";
import { echo } from "./echo.ts";

/** Our port, front and transport, put together as in app/serving.ts, around an echo. Arguments: `fast` or `stock`, a log level. */

const [path, level] = process.argv.slice(2);
const log = createLog(level as LogLevel);
const rpc = createRpcServer(
  {
    routes: (router) => void router.rpc(echo, (request) => request),
    gate: async () => {},
    interceptors: [errorInterceptor(log)],
    messageMax: 64 * 1024,
    timeoutMaxMs: 60_000,
  },
  { stopping: new AbortController().signal, fast: path === "fast", log },
);
const routes = () => {};
const shed = createShedding({
  isTooMuch: createPressure({ waitMaxMs: 250, pending: () => 0 }),
  uploadsMax: 256 * 1024 * 1024,
  toWire: (refusal) => refusal,
  log,
});
const cors = { origins: [], exposedHeaders };
const { callsMax } = limits;
const front = createFront({ rpc, routes, cors, trusted: undefined, shed, callsMax, bodyMs: 120_000, log });
const { address } = await openHttpServer(front, { host: "127.0.0.1", port: 0, tls: undefined });
process.stdout.write(`listens on http://127.0.0.1:${address.port}\n`);
for (const end of ["SIGTERM", "disconnect"]) process.on(end, () => process.exit());
