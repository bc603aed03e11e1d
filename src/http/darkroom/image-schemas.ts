import { imageMaxBytes } from "../../model/image.ts";
import { problemAnswer, text } from "../common/schema.ts";

const tags = ["Images"];
const types = ["image/jpeg", "image/png", "image/webp"];
/** Content types of bodies that are a picture's bytes. */
export const rawTypes = [...types, "application/octet-stream"];
export const formType = "multipart/form-data";
const id = text("The picture's id.");
/** Bytes, which no JSON schema describes. */
const bytes = { schema: {} };
const asBytes = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, bytes]));

export const uploading = {
  summary: "Stores a picture",
  description: "As the body itself, or as the file of a multipart form, whatever its field is called.",
  tags,
  body: {
    content: {
      ...asBytes(rawTypes),
      [formType]: {
        schema: {
          type: "object",
          required: ["data"],
          properties: { data: { type: "string", contentMediaType: "application/octet-stream" } },
        },
      },
    },
  },
  response: {
    201: {
      description: "It is stored.",
      type: "object",
      required: ["uuid"],
      properties: { uuid: id },
      headers: { Location: { type: "string", description: "Where it can be fetched." } },
    },
    400: problemAnswer(
      `It is no JPEG, PNG or WebP picture, is cut off, or has more than ${imageMaxBytes} bytes; or the form has too many parts.`,
    ),
    409: problemAnswer("The image service does not take it, or the job's workers have uploaded too many."),
    413: problemAnswer("A part of the form is too large."),
  },
};

export const downloading = {
  summary: "A picture, or a file that was uploaded",
  tags,
  params: { type: "object", properties: { uuid: id } },
  response: {
    200: {
      description: "The picture; any other file as one to be saved.",
      content: asBytes(rawTypes),
    },
    404: problemAnswer("There is no such picture or file, or it is somebody else's."),
  },
};
