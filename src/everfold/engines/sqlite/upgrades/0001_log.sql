-- The log: one row per record, append-only, in commit order.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY,  -- given by the writer, contiguous; never by SQLite
    stream         TEXT    NOT NULL,     -- category-key
    version        INTEGER NOT NULL,     -- place in the stream, contiguous
    type           TEXT    NOT NULL,     -- permanent name of the event type
    schema_version INTEGER NOT NULL,
    id             TEXT    NOT NULL,     -- time-ordered, so that its index grows at the end
    recorded       INTEGER NOT NULL,     -- microseconds since 1970 UTC; select datetime(recorded / 1e6, 'unixepoch')
    data           TEXT    NOT NULL,     -- JSON
    metadata       TEXT    NOT NULL,     -- JSON
    tags           TEXT,                 -- JSON array; NULL: none
    checksum       INTEGER NOT NULL      -- CRC-32 of the columns above
) STRICT;
CREATE UNIQUE INDEX events_by_stream ON events (stream, version);
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE INDEX events_by_type ON events (type, position);

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the log is append-only: records are never changed'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the log is append-only: records are never deleted'); END;

CREATE TABLE event_tags (
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL REFERENCES events (position),
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

-- The head outlives the newest record, so that no position is ever given twice.
CREATE TABLE log_head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,
    recorded INTEGER NOT NULL
) STRICT;
INSERT INTO log_head (id, position, recorded) VALUES (1, 0, 0);

CREATE TABLE replies (
    key            TEXT    NOT NULL PRIMARY KEY,
    fingerprint    TEXT    NOT NULL,
    reply          TEXT    NOT NULL,     -- JSON
    first_position INTEGER NOT NULL,
    last_position  INTEGER NOT NULL,
    recorded       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    name     TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
    stream      TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    fingerprint TEXT    NOT NULL,
    state       TEXT    NOT NULL,        -- JSON
    taken       INTEGER NOT NULL
) STRICT;
