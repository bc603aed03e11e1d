export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** Milliseconds since the epoch, at the end of the year 9999: neither protobuf nor RFC 3339 has later times. */
export const latestTime = 253_402_300_799_999;
