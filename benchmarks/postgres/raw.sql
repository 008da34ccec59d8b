-- What the bare driver executes; lists as binary values, which costs it far less than text. Each statement is opened by a line `-- name: what it is for`.

-- insert_rows: many rows, of lists of what differs among them
INSERT INTO {schema}.events
    (position, stream, version, type, schema_version, id, recorded, data, metadata, tags, checksum)
SELECT r.position, r.stream, r.version, r.type, 1, r.id, 1767225600000000, r.data::json, r.metadata::json, NULL, 3735928559
FROM unnest(%b::bigint[], %b::text[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS r (position, stream, version, type, id, data, metadata);

-- insert_row: one row
INSERT INTO {schema}.events
    (position, stream, version, type, schema_version, id, recorded, data, metadata, tags, checksum)
VALUES (%s, %s, %s, %s, 1, %s, 1767225600000000, %s, %s, NULL, 3735928559);

-- copy_rows: many rows, as a stream of them
COPY {schema}.events
    (position, stream, version, type, schema_version, id, recorded, data, metadata, tags, checksum) FROM STDIN;

-- lock_head: wait for the turn to append, as everfold does
SELECT floor FROM {schema}.everfold_head FOR UPDATE;

-- versions: how long streams are
SELECT s.stream, coalesce((SELECT e.version FROM {schema}.events AS e
    WHERE e.stream = s.stream ORDER BY e.stream DESC, e.version DESC LIMIT 1), 0)
FROM unnest(%b::text[]) AS s (stream);

-- fold: what is least needed of a stream
SELECT type, data::text FROM {schema}.events WHERE stream = %s ORDER BY version;

-- create_movements: a row per event
CREATE TABLE {schema}.movements (position bigint PRIMARY KEY, account_id text, amount bigint);

-- put_movements: add rows
INSERT INTO {schema}.movements SELECT * FROM unnest(%b::bigint[], %b::text[], %b::bigint[]);

-- create_accounts: a row per stream
CREATE TABLE {schema}.accounts (account_id text PRIMARY KEY, owner text, balance bigint);
CREATE INDEX ON {schema}.accounts (owner);

-- put_accounts: add rows or change them
INSERT INTO {schema}.accounts SELECT * FROM unnest(%b::text[], %b::text[], %b::bigint[])
ON CONFLICT (account_id) DO UPDATE SET owner = excluded.owner, balance = excluded.balance;

-- relations: tables and views of a schema
SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relname FROM pg_class
WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'v');
