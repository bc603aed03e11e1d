import type { OldApi, RelaySettings } from "../model/settings.ts";
import type { RelayIdentities } from "../ports/relay-identities.ts";
import type { SigningKeys } from "../ports/signing-keys.ts";
import type { Accounts } from "./accounts/accounts.ts";
import type { Deletions } from "./accounts/deletions.ts";
import type { Profiles } from "./accounts/profiles.ts";
import type { Recovery } from "./accounts/recovery.ts";
import type { Sessions } from "./accounts/sessions.ts";
import type { Users } from "./accounts/users.ts";
import type { Admission } from "./admission/admission.ts";
import type { Authentication } from "./admission/authentication.ts";
import type { Usage } from "./admission/usage.ts";
import type { Audit } from "./audit.ts";
import type { Clients } from "./clients.ts";
import type { Health } from "./health.ts";
import type { Files } from "./images/files.ts";
import type { Images } from "./images/images.ts";
import type { DeadLetters } from "./jobs/dead-letters.ts";
import type { ImageJobs } from "./jobs/image-jobs.ts";
import type { Leases } from "./jobs/leases.ts";

/** All that a caller can ask for, by whichever protocol, and the settings that the protocols need. */
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
  /** The old systems whose routes are served. */
  readonly oldApis: ReadonlySet<OldApi>;
  /** Undefined where nothing is relayed; then there is no `/v1/`. */
  readonly relay: { readonly settings: RelaySettings; readonly identities: RelayIdentities } | undefined;
}
