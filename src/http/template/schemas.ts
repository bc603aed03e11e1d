import { uploadField } from "./refusal.ts";

const tags = ["Template"];

const broken = {
  type: "object",
  required: ["loc", "msg", "type"],
  properties: {
    loc: { type: "array", items: { type: "string" }, description: "Where it stands." },
    msg: { type: "string", description: "What is wrong, for people." },
    type: { type: "string", description: "The same, for programs." },
  },
};

function answer(description: string, detail: object) {
  return { description, type: "object", required: ["detail"], properties: { detail } };
}

/** A refusal in FastAPI's shape. */
export function refusalAnswer(description: string) {
  return answer(description, { type: "string", description: "What is wrong, for people." });
}

export const health = {
  summary: "Whether the service is there",
  tags,
  security: [],
  response: {
    200: { description: "It is.", type: "object", properties: { status: { type: "string", const: "ok" } } },
  },
};

export const uploading = {
  summary: "Stores a file under its name",
  description:
    "A file of any type, which its owner fetches from where `Location` says. A JPEG, PNG or WebP picture becomes an input for " +
    "jobs, as by `POST /images`. What has other names in the form is not looked at.",
  tags,
  querystring: {
    type: "object",
    properties: {
      chat_id: {
        type: "string",
        description: "The chat that it is for: a UUID, also without hyphens, in braces, or as a URN.",
      },
    },
  },
  body: {
    content: {
      "multipart/form-data": {
        schema: {
          type: "object",
          required: [uploadField],
          properties: { [uploadField]: { type: "string", contentMediaType: "application/octet-stream" } },
        },
      },
    },
  },
  response: {
    200: {
      description: "It is stored.",
      type: "object",
      required: ["message"],
      properties: { message: { type: "string", const: "File processing has started." } },
      headers: { Location: { type: "string", description: "Where it can be fetched." } },
    },
    400: refusalAnswer(
      "The form cannot be read, or has more than one file of the name, more than 8 files, or more than 8 other fields.",
    ),
    401: refusalAnswer("The token is not valid, or no bearer token."),
    403: refusalAnswer("There is no token, the caller is no user, or a file of theirs has the name."),
    409: refusalAnswer("It is a picture, and the image service does not take it."),
    413: refusalAnswer("The file has more than 20 MiB."),
    422: answer("There is no file, it has no name or one of more than 255 bytes, or chat_id is no UUID.", {
      type: "array",
      items: broken,
    }),
    500: refusalAnswer("It could not be stored; nothing of it is."),
  },
};
