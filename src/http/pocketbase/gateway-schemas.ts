import { bodyOf, needing, text } from "../common/schema.ts";
import { refusalAnswer, withoutToken, withToken } from "./schemas.ts";

const tokenless = refusalAnswer("No token, or one that is not valid.");
const forbidden = refusalAnswer("The credential is of a client without the scope.");
const number = (description: string) => ({ anyOf: [{ type: "string" }, { type: "number" }], description });

const messageParameters = {
  prompt: text("What the picture shall become: 1 to 4000 characters."),
  prompt_guidance: text("0 to 30."),
  strength: text("0 to 1."),
  uuid: text("The input picture's id."),
  model_type: text("One of the models; the default when missing."),
};
const messageBody = {
  ...messageParameters,
  prompt_guidance: number("0 to 30."),
  strength: number("0 to 1."),
};
const idParameter = { message_id: text("As `send_message` answered it.") };
const queryOf = (properties: object) => ({ type: "object", properties });
/** By GET the query must have all that is needed; by POST the body may have it. */
const byQuery = <Route extends object>(
  route: Route,
  querystring: ReturnType<typeof queryOf>,
  needs: readonly string[],
) => ({ ...route, querystring, documented: { querystring: needing(querystring, ...needs) } });

export const health = {
  ...withoutToken,
  summary: "Whether the service should be sent work",
  response: {
    200: { description: "It should.", type: "object", properties: { status: { type: "string", const: "OK" } } },
    503: refusalAnswer("It should not."),
  },
};

export const checking = {
  ...withToken,
  summary: "Whose the token is",
  response: {
    200: {
      description: "A job's token names the job's owner.",
      type: "object",
      properties: { client_id: text("The username, or the API client's id.") },
    },
    403: refusalAnswer("There is no token, or it is not valid."),
  },
};

const message = {
  ...withToken,
  summary: "Sends a picture and a prompt to be developed",
  response: {
    200: { description: "It will be.", type: "object", properties: { messageId: text("Unique.") } },
    401: tokenless,
    403: forbidden,
    404: refusalAnswer("There is no such picture."),
  },
};

/** All that a message must have, in the query or the body; its model may be missing. */
export const messageNeeds = ["prompt", "prompt_guidance", "strength", "uuid"];
const messageQuery = queryOf(messageParameters);

export const sending = byQuery(message, messageQuery, messageNeeds);
export const sendingByBody = { ...message, querystring: messageQuery, body: bodyOf(messageBody) };

const binary = { schema: { type: "string", format: "binary" } };
const picture = {
  ...withToken,
  summary: "The developed picture, once it is there; answers at once",
  response: {
    200: { description: "The picture.", content: { "image/jpeg": binary, "image/png": binary, "image/webp": binary } },
    202: { description: "Message not ready yet.", content: { "text/plain": { schema: { type: "string" } } } },
    401: tokenless,
    403: forbidden,
    404: refusalAnswer("There is no such message."),
    422: refusalAnswer(
      "There will be no picture: it failed, was cancelled, or took too long. `data.message_id` has the reason.",
    ),
  },
};

export const pictureNeeds = ["message_id"];
const pictureQuery = queryOf(idParameter);

export const fetching = byQuery(picture, pictureQuery, pictureNeeds);
export const fetchingByBody = { ...picture, querystring: pictureQuery, body: bodyOf(idParameter) };
