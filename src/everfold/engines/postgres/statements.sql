-- The statements of the PostgreSQL engine, for a schema. Each is opened by a line `-- name: what it is for`.

-- find_store: whether a schema has a store, and how many relations (to_regclass may not know yet what others committed)
SELECT count(*) FILTER (WHERE c.relname = 'everfold_store'), count(*)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %(name)s;

-- create_store: mark the schema as ours
CREATE TABLE {schema}.everfold_store (
    version    integer     NOT NULL PRIMARY KEY,
    compatible integer     NOT NULL,      -- the oldest programs, by the schema version they know, that can go on
    upgraded   timestamptz NOT NULL DEFAULT now()
);

-- read_store: the newest upgrade the schema has seen
SELECT version, compatible FROM {schema}.everfold_store ORDER BY version DESC LIMIT 1;

-- insert_store: the schema has seen an upgrade
INSERT INTO {schema}.everfold_store (version, compatible) VALUES (%(version)s, %(compatible)s);

-- lock: wait for our turn to append; where the log ends, when its newest record was recorded, how many jobs there were
SELECT head, recorded, jobs FROM {schema}.lock_1();

-- append: judge a batch, and store what nothing speaks against
SELECT recorded, firsts, versions, refusals, newer_streams FROM {schema}.append_1({arguments});

-- confirm: leave a trace, whose commit waits for the standbys
SELECT pg_logical_emit_message(true, 'everfold', '') WHERE current_setting('synchronous_standby_names') <> '';

-- count_job: tell those who keep rows in memory that they may be changed
SELECT nextval('{schema}.everfold_jobs');

-- read_head: the highest position ever given
SELECT greatest((SELECT position FROM {schema}.events ORDER BY position DESC LIMIT 1), floor) FROM {schema}.everfold_head;

-- insert_reply: the reply of an idempotent write
INSERT INTO {schema}.everfold_replies (key, fingerprint, reply, first_position, last_position, recorded)
VALUES (%(key)s, %(fingerprint)s, %(reply)s, %(first)s, %(last)s, %(recorded)s);

-- read_reply: the reply stored under a key
SELECT key, fingerprint, reply, first_position, last_position, recorded FROM {schema}.everfold_replies WHERE key = %(key)s;

-- read_replies: the replies stored under some keys
SELECT key, fingerprint, reply, first_position, last_position, recorded FROM {schema}.everfold_replies WHERE key = ANY (%(keys)s);

-- list_replies: a page of the replies, in order of their keys
SELECT key, fingerprint, reply, first_position, last_position, recorded FROM {schema}.everfold_replies
WHERE key > %(after)s ORDER BY key LIMIT %(limit)s;

-- write_checkpoint: how far a consumer got
INSERT INTO {schema}.everfold_checkpoints (name, position) VALUES (%(name)s, %(position)s)
ON CONFLICT (name) DO UPDATE SET position = excluded.position;

-- read_checkpoint: how far a consumer got
SELECT position FROM {schema}.everfold_checkpoints WHERE name = %(name)s;

-- list_checkpoints: how far every consumer got
SELECT name, position FROM {schema}.everfold_checkpoints ORDER BY name;

-- read_snapshot: the newest state of a stream
SELECT stream, version, fingerprint, state, position, taken FROM {schema}.everfold_snapshots WHERE stream = %(stream)s;

-- stream_version: how long a stream is (answered from the index alone)
SELECT version FROM {schema}.events WHERE stream = %(stream)s ORDER BY stream DESC, version DESC LIMIT 1;

-- position_of_version: where in the log a version of a stream is
SELECT position FROM {schema}.events WHERE stream = %(stream)s AND version = %(version)s;

-- count_of_tag: roughly how common a tag is, to drive a search by the rarest
SELECT count(*) FROM (SELECT 1 FROM {schema}.everfold_tags WHERE tag = %(tag)s LIMIT 1000) AS few;

-- read_record: the record with an event id
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events WHERE id = %(id)s;

-- read_stream_forwards: a page of one stream by version
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE stream = %(stream)s AND version > %(after)s AND version <= %(until)s
ORDER BY version LIMIT %(limit)s;

-- read_stream_backwards: the same, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE stream = %(stream)s AND version > %(after)s AND version <= %(until)s
ORDER BY version DESC LIMIT %(limit)s;

-- read_stream_bare: what folding needs of a page of one stream
SELECT position, version, type, schema_version, recorded, data::text FROM {schema}.events
WHERE stream = %(stream)s AND version > %(after)s AND version <= %(until)s ORDER BY version LIMIT %(limit)s;

-- read_streams_bare: the same of several streams
SELECT s.number, e.position, e.version, e.type, e.schema_version, e.recorded, e.data::text
FROM unnest(%(streams)s::text[], %(afters)s::bigint[], %(untils)s::bigint[], %(limits)s::bigint[])
        WITH ORDINALITY AS s (stream, after, until, size, number)
    CROSS JOIN LATERAL (
        SELECT position, version, type, schema_version, recorded, data FROM {schema}.events AS x
        WHERE x.stream = s.stream AND x.version > s.after AND x.version <= s.until ORDER BY x.version LIMIT s.size) AS e
ORDER BY s.number, e.version;

-- read_log_forwards: a page of the whole log
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE position > %(after)s AND position <= %(until)s
ORDER BY position LIMIT %(limit)s;

-- read_log_backwards: the same, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE position > %(after)s AND position <= %(until)s
ORDER BY position DESC LIMIT %(limit)s;

-- read_part_forwards: records of a category or of several types, in the order of the log
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE position > %(after)s AND position <= %(until)s
  AND (%(low)s::text IS NULL OR (stream >= %(low)s AND stream < %(high)s))
  AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s))
ORDER BY position LIMIT %(limit)s;

-- read_part_backwards: the same, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE position > %(after)s AND position <= %(until)s
  AND (%(low)s::text IS NULL OR (stream >= %(low)s AND stream < %(high)s))
  AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s))
ORDER BY position DESC LIMIT %(limit)s;

-- read_streamed_forwards: records of one stream with some types, from the stream's index
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE stream = %(stream)s AND version > %(oldest)s AND version <= %(newest)s
  AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s))
ORDER BY version LIMIT %(limit)s;

-- read_streamed_backwards: the same, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE stream = %(stream)s AND version > %(oldest)s AND version <= %(newest)s
  AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s))
ORDER BY version DESC LIMIT %(limit)s;

-- read_type_forwards: records of one type, from the type's index
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE type = %(type)s AND position > %(after)s AND position <= %(until)s
  AND (%(low)s::text IS NULL OR (stream >= %(low)s AND stream < %(high)s))
ORDER BY position LIMIT %(limit)s;

-- read_type_backwards: the same, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text FROM {schema}.events
WHERE type = %(type)s AND position > %(after)s AND position <= %(until)s
  AND (%(low)s::text IS NULL OR (stream >= %(low)s AND stream < %(high)s))
ORDER BY position DESC LIMIT %(limit)s;

-- read_tagged_forwards: records with a tag, and perhaps more tags, types, a stream or category; the tag drives
SELECT e.position, e.stream, e.version, e.type, e.schema_version, e.id, e.recorded, e.data::text, e.metadata::text, e.tags::text FROM {schema}.everfold_tags AS t JOIN {schema}.events AS e ON e.position = t.position
WHERE t.tag = %(tag)s AND t.position > %(after)s AND t.position <= %(until)s
  AND (%(stream)s::text IS NULL OR e.stream = %(stream)s)
  AND (%(low)s::text IS NULL OR (e.stream >= %(low)s AND e.stream < %(high)s))
  AND (%(types)s::text[] IS NULL OR e.type = ANY (%(types)s))
  AND (%(other_tags)s::text[] IS NULL OR NOT EXISTS (
      SELECT 1 FROM unnest(%(other_tags)s::text[]) AS o (tag)
      WHERE (SELECT 1 FROM {schema}.everfold_tags AS x WHERE x.tag = o.tag AND x.position = t.position) IS NULL))
ORDER BY t.position LIMIT %(limit)s;

-- read_tagged_backwards: the same, newest first
SELECT e.position, e.stream, e.version, e.type, e.schema_version, e.id, e.recorded, e.data::text, e.metadata::text, e.tags::text FROM {schema}.everfold_tags AS t JOIN {schema}.events AS e ON e.position = t.position
WHERE t.tag = %(tag)s AND t.position > %(after)s AND t.position <= %(until)s
  AND (%(stream)s::text IS NULL OR e.stream = %(stream)s)
  AND (%(low)s::text IS NULL OR (e.stream >= %(low)s AND e.stream < %(high)s))
  AND (%(types)s::text[] IS NULL OR e.type = ANY (%(types)s))
  AND (%(other_tags)s::text[] IS NULL OR NOT EXISTS (
      SELECT 1 FROM unnest(%(other_tags)s::text[]) AS o (tag)
      WHERE (SELECT 1 FROM {schema}.everfold_tags AS x WHERE x.tag = o.tag AND x.position = t.position) IS NULL))
ORDER BY t.position DESC LIMIT %(limit)s;

-- read_checksums: all columns of a page, to recompute the checksums
SELECT position, stream, version, type, schema_version, id, recorded, data::text, metadata::text, tags::text, checksum FROM {schema}.events
WHERE position > %(after)s ORDER BY position LIMIT %(limit)s;

-- misplaced: records of a page whose stream has no version before them, and those whose tags do not list them
SELECT e.position, 'the stream has no version ' || e.version - 1 || ' before it.'
FROM {schema}.events AS e LEFT JOIN {schema}.events AS p ON p.stream = e.stream AND p.version = e.version - 1
WHERE e.position > %(after)s AND e.position <= %(until)s AND e.version > 1 AND (p.position IS NULL OR p.position >= e.position)
UNION ALL
SELECT e.position, 'the tag ' || t.tag || ' does not list it.'
FROM {schema}.events AS e CROSS JOIN LATERAL json_array_elements_text(e.tags) AS t (tag)
WHERE e.position > %(after)s AND e.position <= %(until)s AND (
    SELECT 1 FROM {schema}.everfold_tags AS x WHERE x.tag = t.tag AND x.position = e.position) IS NULL
ORDER BY 1;

-- list_streams: a page of streams after a name, each found by one step through the index
WITH RECURSIVE names (stream) AS (
    (SELECT stream FROM {schema}.events
    WHERE stream > %(after)s AND stream >= %(low)s AND stream < %(high)s ORDER BY stream LIMIT 1)
    UNION ALL
    SELECT (SELECT e.stream FROM {schema}.events AS e
        WHERE e.stream > s.stream AND e.stream < %(high)s ORDER BY e.stream LIMIT 1)
    FROM names AS s WHERE s.stream IS NOT NULL
)
SELECT s.stream, n.version, n.position
FROM (SELECT stream FROM names WHERE stream IS NOT NULL LIMIT %(limit)s) AS s CROSS JOIN LATERAL (
    SELECT version, position FROM {schema}.events AS e
    WHERE e.stream = s.stream ORDER BY e.stream DESC, e.version DESC LIMIT 1) AS n
ORDER BY s.stream;
