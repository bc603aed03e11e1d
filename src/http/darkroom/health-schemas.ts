const tags = ["Service"];
const up = { type: "object", additionalProperties: { type: "string", enum: ["up", "down"] } };

function answer(description: string, statuses: readonly string[], more: object = {}) {
  const properties = { status: { type: "string", enum: statuses }, ...more };
  return { description, type: "object", required: Object.keys(properties), properties };
}

export const liveness = {
  summary: "Whether the process lives",
  tags,
  response: { 200: answer("It does.", ["ok"]) },
};

export const readiness = {
  summary: "Whether the service should be sent work",
  description: "`degraded` where a backend is away without which some work waits.",
  tags,
  response: {
    200: answer("It should.", ["ok", "degraded"], { backends: up }),
    503: answer("It should not.", ["unavailable", "stopping"], { backends: up }),
  },
};
