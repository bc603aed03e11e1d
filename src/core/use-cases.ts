import type { OldApi, RelaySettings } from "../model/settings.ts";
import type { RelayIdentities } from "../ports/relay-identities.ts";
import type { SigningKeys } from "../ports/signing-keys.ts";
import type { Accounts } from "./accounts.ts";
import type { Admission } from "./admission.ts";
import type { Audit } from "./audit.ts";
import type { Authentication } from "./authentication.ts";
import type { Clients } from "./clients.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Deletions } from "./deletions.ts";
import type { Files } from "./files.ts";
import type { Health } from "./health.ts";
import type { ImageJobs } from "./image-jobs.ts";
import type { Images } from "./images.ts";
import type { Leases } from "./leases.ts";
import type { Profiles } from "./profiles.ts";
import type { Recovery } from "./recovery.ts";
import type { Sessions } from "./sessions.ts";
import type { Usage } from "./usage.ts";
import type { Users } from "./users.ts";

/** All that a caller can ask for, by whichever protocol, and what is told of how it is served. */
export interface UseCases {
  readonly accounts: Accounts;
  readonly admission: Admission;
  readonly audit: Audit;
  readonly authentication: Authentication;
  readonly clients: Clients;
  readonly deadLetters: DeadLetters;
  readonly deletions: Deletions;
  readonly files: Files;
  readonly health: Health;
  readonly images: Images;
  readonly jobs: ImageJobs;
  readonly leases: Leases;
  readonly profiles: Profiles;
  readonly recovery: Recovery;
  readonly sessions: Sessions;
  readonly signingKeys: SigningKeys;
  readonly usage: Usage;
  readonly users: Users;
  /** Where browsers send the session cookie to; undefined for the host alone that set it. */
  readonly cookieDomain: string | undefined;
  /** Those whose routes are served. */
  readonly oldApis: ReadonlySet<OldApi>;
  /** Undefined where nothing is relayed; then there is no `/v1/`. */
  readonly relay: { readonly settings: RelaySettings; readonly identities: RelayIdentities } | undefined;
}
