/** Bytes of a body, or of a call's message, that is read whole. */
export const bodyMax = 64 * 1024;
/** For UploadImage: 20 MiB as base64 in JSON, and a little. */
export const uploadBodyMax = 28 * 1024 * 1024;
