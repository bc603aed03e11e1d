/** The servers of a test run, and their processes, take the path for RPCs that the run's environment says. */
const { DARKROOM_FAST_RPC } = process.env;

export const rpcPath = { DARKROOM_FAST_RPC };
export const isFast = DARKROOM_FAST_RPC !== "false";
