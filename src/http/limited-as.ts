/** A procedure by the name that limits know it by. */
export function authProcedure(name: string): string {
  return `darkroom.auth.v1.AuthService/${name}`;
}

/** The configuration of a route that does what this procedure of AuthService does: both are counted by its limit. */
export function limitedAs(name: string): { readonly limitedAs: () => string } {
  return { limitedAs: () => authProcedure(name) };
}

/** The same for SubmitImageJob. */
export const limitedAsSubmit = { limitedAs: () => "darkroom.imagejob.v1.ImageJobService/SubmitImageJob" } as const;
