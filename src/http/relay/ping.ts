const pingMs = 2000;

/** Rejects unless the upstream's `/health` answers within two seconds, with anything but a failure of its own. */
export async function pingUpstream(upstreamUrl: string): Promise<void> {
  const response = await fetch(`${upstreamUrl}/health`, { signal: AbortSignal.timeout(pingMs), redirect: "manual" });
  await response.body?.cancel();
  if (response.status >= 500) throw new Error(`the upstream's health is ${response.status}`);
}
