-- What callers prove with who they are. Secrets are kept as SHA-256 only. Each statement is opened by `-- name: what for`.

-- create_tokens: API tokens, sign-in codes that work once, and the sessions that these began
CREATE TABLE IF NOT EXISTS everfold_tokens (
    digest     TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    roles      TEXT   NOT NULL,
    only_for   TEXT   NOT NULL,
    tenant     TEXT,
    created    BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    expires    BIGINT,
    revoked    BIGINT
);

-- insert: a new token, code or session
INSERT INTO everfold_tokens (digest, kind, name, roles, only_for, tenant, created, created_by, expires, revoked)
VALUES (:digest, :kind, :name, :roles, :only, :tenant, :created, :by, :expires, NULL);

-- find: one by its digest
SELECT digest, kind, name, roles, only_for, tenant, created, created_by, expires, revoked FROM everfold_tokens
WHERE digest = :digest;

-- list_kind: all of a kind, oldest first
SELECT digest, kind, name, roles, only_for, tenant, created, created_by, expires, revoked FROM everfold_tokens
WHERE kind = :kind ORDER BY created, name;

-- count_in_force: how many of a kind and name are neither revoked nor expired
SELECT count(*) FROM everfold_tokens
WHERE kind = :kind AND name = :name AND revoked IS NULL AND (expires IS NULL OR expires > :now);

-- revoke_name: have those of a kind and name be refused from now on
UPDATE everfold_tokens SET revoked = :now
WHERE kind = :kind AND name = :name AND revoked IS NULL AND (expires IS NULL OR expires > :now)
RETURNING digest;

-- revoke_digest: have this one be refused from now on; no row: it was refused before
UPDATE everfold_tokens SET revoked = :now
WHERE digest = :digest AND kind = :kind AND revoked IS NULL AND (expires IS NULL OR expires > :now)
RETURNING digest, kind, name, roles, only_for, tenant, created, created_by, expires, revoked;

-- forget: drop codes and sessions that were over before a time
DELETE FROM everfold_tokens WHERE kind <> 'token' AND expires < :before;
