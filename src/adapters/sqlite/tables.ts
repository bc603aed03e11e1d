/**
 * The database's tables, oldest first; a new version appends a script and never changes one. A row holds its record as
 * JSON in `doc`, and beside it what is looked up, compared or sorted by.
 */
export const databaseMigrations = [
  `
  CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    record_id TEXT NOT NULL UNIQUE,
    username_key TEXT NOT NULL UNIQUE,
    email_key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    doc TEXT NOT NULL
  ) STRICT;
  CREATE INDEX accounts_by_role ON accounts (role);

  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    ends_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    doc TEXT NOT NULL
  ) STRICT;
  CREATE INDEX sessions_by_end ON sessions (ends_at);

  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    request_key TEXT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    doc TEXT NOT NULL
  ) STRICT;
  CREATE INDEX jobs_by_owner ON jobs (owner_id, created_at DESC, id DESC);
  CREATE INDEX jobs_by_owner_and_state ON jobs (owner_id, state, created_at DESC, id DESC);
  CREATE INDEX jobs_by_due ON jobs (due_at);

  CREATE TABLE images (
    id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    doc TEXT NOT NULL
  ) STRICT;
  CREATE INDEX images_by_expiry ON images (expires_at);

  CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE sessions ADD COLUMN account_id TEXT NOT NULL DEFAULT '';
  UPDATE sessions SET
    account_id = json_extract(doc, '$.accountId'),
    doc = json_set(doc, '$.sessionTokenHash', NULL, '$.lastUsedAt', json_extract(doc, '$.refreshedAt'));
  CREATE INDEX sessions_by_account ON sessions (account_id);

  CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    doc TEXT NOT NULL
  ) STRICT;
  CREATE INDEX clients_by_age ON clients (created_at DESC, id DESC);

  CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    target TEXT NOT NULL,
    doc TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_by_action ON audit (action, id);
  CREATE INDEX audit_by_actor ON audit (actor, id);
  CREATE INDEX audit_by_target ON audit (target, id);

  CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    last_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    doc TEXT NOT NULL
  ) STRICT;
  CREATE INDEX attempts_by_age ON attempts (last_at);
  `,
  `
  UPDATE sessions SET doc = json_set(doc, '$.surface', 'own');
  UPDATE clients SET doc = json_set(doc, '$.limitPerMinute', NULL);
  UPDATE accounts SET doc = json_set(doc, '$.passwordReset', NULL, '$.emailChange', NULL, '$.deletedAt', NULL, '$.metadata', json('{}'));
  CREATE INDEX accounts_deleted ON accounts (id) WHERE json_extract(doc, '$.deletedAt') IS NOT NULL;

  ALTER TABLE images ADD COLUMN owner_id TEXT;
  UPDATE images SET owner_id = json_extract(doc, '$.ownerId');
  CREATE INDEX images_by_owner ON images (owner_id);

  CREATE TABLE counters (
    id TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    started_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX counters_by_age ON counters (started_at);

  CREATE INDEX jobs_dead ON jobs (created_at DESC, id DESC) WHERE state IN ('FAILED', 'EXPIRED');
  `,
  `
  UPDATE accounts SET doc = json_set(doc, '$.sessionEpoch', 0, '$.keptSessionId', NULL);
  UPDATE sessions SET doc = json_set(doc, '$.epoch', 0);

  CREATE TABLE user_daily_usage (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    date TEXT NOT NULL,
    count INTEGER NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (user_id, date)
  ) STRICT;
  CREATE INDEX user_daily_usage_by_date ON user_daily_usage (date);

  CREATE TABLE files (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    doc TEXT NOT NULL
  ) STRICT;
  CREATE INDEX files_by_owner ON files (owner_id);
  CREATE INDEX files_by_expiry ON files (expires_at);
  `,
  `
  UPDATE images SET owner_id = json_extract(doc, '$.ownerId') WHERE owner_id IS NOT json_extract(doc, '$.ownerId');
  `,
  `
  ALTER TABLE sessions ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
  UPDATE sessions SET created_at = json_extract(doc, '$.createdAt');
  DROP INDEX sessions_by_account;
  CREATE INDEX sessions_by_account_and_age ON sessions (account_id, created_at DESC, id);
  `,
] as const;

/** The queue's, in a file of its own: a worker opens this one and never the database. */
export const queueMigrations = [
  `
  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    -- When it may be delivered (again): in the future while it is locked or put off.
    visible_at INTEGER NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 0,
    lock TEXT,
    -- Set once it was given up.
    dead_reason TEXT,
    dead_description TEXT,
    UNIQUE (queue, id)
  ) STRICT;
  CREATE INDEX messages_alive ON messages (queue, visible_at, seq) WHERE dead_reason IS NULL;
  CREATE INDEX messages_dead ON messages (queue, visible_at, seq) WHERE dead_reason IS NOT NULL;
  `,
  `
  CREATE INDEX messages_dead_by_number ON messages (queue, seq) WHERE dead_reason IS NOT NULL;
  `,
  `
  CREATE INDEX messages_exhausted ON messages (queue, visible_at) WHERE dead_reason IS NULL AND deliveries >= 10;
  `,
] as const;
