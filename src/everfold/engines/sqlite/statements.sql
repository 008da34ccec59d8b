-- The statements of the SQLite engine. Each is opened by a line `-- name: what it is for`.

-- read_head: the highest position ever given, and the time of its commit
SELECT position, recorded FROM log_head WHERE id = 1;

-- write_head: move the head at the end of a batch
UPDATE log_head SET position = ?, recorded = ? WHERE id = 1;

-- insert_event: one record
INSERT INTO events (position, stream, version, type, schema_version, id, recorded, data, metadata, tags, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- insert_tag: one tag of one record
INSERT INTO event_tags (tag, position) VALUES (?, ?);

-- insert_reply: the reply of an idempotent write
INSERT INTO replies (key, fingerprint, reply, first_position, last_position, recorded) VALUES (?, ?, ?, ?, ?, ?);

-- read_reply: the reply stored under a key
SELECT key, fingerprint, reply, first_position, last_position, recorded FROM replies WHERE key = ?;

-- list_replies: a page of the replies, in order of their keys
SELECT key, fingerprint, reply, first_position, last_position, recorded FROM replies
WHERE key > :after ORDER BY key LIMIT :limit;

-- write_checkpoint: how far a consumer got
INSERT INTO checkpoints (name, position) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET position = excluded.position;

-- read_checkpoint: how far a consumer got
SELECT position FROM checkpoints WHERE name = ?;

-- list_checkpoints: how far every consumer got
SELECT name, position FROM checkpoints ORDER BY name;

-- write_snapshot: the newest state of a stream
INSERT INTO snapshots (stream, version, fingerprint, state, position, taken) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (stream) DO UPDATE SET version = excluded.version, position = excluded.position,
    fingerprint = excluded.fingerprint, state = excluded.state, taken = excluded.taken;

-- read_snapshot: the newest state of a stream
SELECT stream, version, fingerprint, state, position, taken FROM snapshots WHERE stream = ?;

-- stream_version: how long a stream is (answered from the index alone)
SELECT version FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1;

-- position_of_version: where in the log a version of a stream is (answered from the index alone)
SELECT position FROM events WHERE stream = ? AND version = ?;

-- newest_of_tag: the last position that carries a tag (answered from the primary key)
SELECT position FROM event_tags WHERE tag = ? ORDER BY tag DESC, position DESC LIMIT 1;

-- newest_of_type: the last position of a type (answered from the index alone)
SELECT position FROM events WHERE type = ? ORDER BY type DESC, position DESC LIMIT 1;

-- count_of_tag: roughly how common a tag is, to drive a search by the rarest
SELECT count(*) FROM (SELECT 1 FROM event_tags WHERE tag = ? LIMIT 1000);

-- read_record: the record with an event id
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events WHERE id = ?;

-- read_stream_forwards: a page of one stream by version
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE stream = :stream AND version > :after AND version <= :until ORDER BY version LIMIT :limit;

-- read_stream_bare: what folding needs of a page of one stream: a third cheaper than all of it
SELECT position, version, type, schema_version, recorded, data FROM events
WHERE stream = :stream AND version > :after AND version <= :until ORDER BY version LIMIT :limit;

-- read_stream_backwards: a page of one stream by version, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE stream = :stream AND version > :after AND version <= :until ORDER BY version DESC LIMIT :limit;

-- read_log_forwards: a page of the whole log
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE position > :after AND position <= :until ORDER BY position LIMIT :limit;

-- read_log_backwards: a page of the whole log, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE position > :after AND position <= :until ORDER BY position DESC LIMIT :limit;

-- read_part_forwards: records of a category or of several types, in the order of the log
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE position > :after AND position <= :until
  AND (:category IS NULL OR (stream >= :category || '-' AND stream < :category || '.'))
  AND (:types IS NULL OR +type IN (SELECT value FROM json_each(:types)))
ORDER BY position LIMIT :limit;

-- read_part_backwards: the same, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE position > :after AND position <= :until
  AND (:category IS NULL OR (stream >= :category || '-' AND stream < :category || '.'))
  AND (:types IS NULL OR +type IN (SELECT value FROM json_each(:types)))
ORDER BY position DESC LIMIT :limit;

-- read_streamed_forwards: records of one stream with some types, from the stream's index
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE stream = :stream AND version > :oldest AND version <= :newest
  AND (:types IS NULL OR +type IN (SELECT value FROM json_each(:types)))
ORDER BY version LIMIT :limit;

-- read_streamed_backwards: the same, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE stream = :stream AND version > :oldest AND version <= :newest
  AND (:types IS NULL OR +type IN (SELECT value FROM json_each(:types)))
ORDER BY version DESC LIMIT :limit;

-- read_type_forwards: records of one type, from the type's index
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE type = :type AND position > :after AND position <= :until
  AND (:category IS NULL OR (+stream >= :category || '-' AND +stream < :category || '.'))
ORDER BY position LIMIT :limit;

-- read_type_backwards: the same, newest first
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags FROM events
WHERE type = :type AND position > :after AND position <= :until
  AND (:category IS NULL OR (+stream >= :category || '-' AND +stream < :category || '.'))
ORDER BY position DESC LIMIT :limit;

-- read_tagged_forwards: records with a tag, and perhaps more tags, types, a stream or category; the tag drives
SELECT e.position, e.stream, e.version, e.type, e.schema_version, e.id, e.recorded, e.data, e.metadata, e.tags
FROM event_tags AS t CROSS JOIN events AS e ON e.position = t.position
WHERE t.tag = :tag AND t.position > :after AND t.position <= :until
  AND (:stream IS NULL OR +e.stream = :stream)
  AND (:category IS NULL OR (+e.stream >= :category || '-' AND +e.stream < :category || '.'))
  AND (:types IS NULL OR +e.type IN (SELECT value FROM json_each(:types)))
  AND (:other_tags IS NULL OR NOT EXISTS (
      SELECT 1 FROM json_each(:other_tags) AS o
      WHERE NOT EXISTS (SELECT 1 FROM event_tags AS x WHERE x.tag = o.value AND x.position = t.position)))
ORDER BY t.position LIMIT :limit;

-- read_tagged_backwards: the same, newest first
SELECT e.position, e.stream, e.version, e.type, e.schema_version, e.id, e.recorded, e.data, e.metadata, e.tags
FROM event_tags AS t CROSS JOIN events AS e ON e.position = t.position
WHERE t.tag = :tag AND t.position > :after AND t.position <= :until
  AND (:stream IS NULL OR +e.stream = :stream)
  AND (:category IS NULL OR (+e.stream >= :category || '-' AND +e.stream < :category || '.'))
  AND (:types IS NULL OR +e.type IN (SELECT value FROM json_each(:types)))
  AND (:other_tags IS NULL OR NOT EXISTS (
      SELECT 1 FROM json_each(:other_tags) AS o
      WHERE NOT EXISTS (SELECT 1 FROM event_tags AS x WHERE x.tag = o.value AND x.position = t.position)))
ORDER BY t.position DESC LIMIT :limit;

-- read_checksums: all columns of a page, to recompute the checksums
SELECT position, stream, version, type, schema_version, id, recorded, data, metadata, tags, checksum FROM events
WHERE position > ? ORDER BY position LIMIT ?;

-- list_streams: a page of streams after a name, each found by one step through the index
WITH RECURSIVE stream_names (stream) AS (
    SELECT min(stream) FROM events WHERE stream > :after AND stream >= :low AND stream < :high
    UNION ALL
    SELECT (SELECT min(e.stream) FROM events AS e WHERE e.stream > s.stream AND e.stream < :high)
    FROM stream_names AS s WHERE s.stream IS NOT NULL
    LIMIT :limit
)
SELECT s.stream, (SELECT max(e.version) FROM events AS e WHERE e.stream = s.stream),
    (SELECT l.position FROM events AS l WHERE l.stream = s.stream ORDER BY l.version DESC LIMIT 1)
FROM stream_names AS s WHERE s.stream IS NOT NULL;

-- read_indexed: what the stream's index holds of a record and the one before it
SELECT version, position FROM events INDEXED BY events_by_stream
WHERE stream = ? AND version BETWEEN ? - 1 AND ? ORDER BY version;

-- is_indexed: whether a record is found by its id and by its type
SELECT 1 WHERE EXISTS (SELECT 1 FROM events INDEXED BY events_by_id WHERE id = ? AND position = ?)
    AND EXISTS (SELECT 1 FROM events INDEXED BY events_by_type WHERE type = ? AND position = ?);

-- has_tag: whether a record is found by its tag
SELECT 1 FROM event_tags WHERE tag = ? AND position = ?;
