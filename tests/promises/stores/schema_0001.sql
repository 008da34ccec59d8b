BEGIN TRANSACTION;
CREATE TABLE checkpoints (
    name     TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE event_tags (
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL REFERENCES events (position),
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;
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
INSERT INTO "events" VALUES(1,'account-a1',1,'opened',1,'01a1fca6-82d6-7551-a326-5b1b2ff06d5f',1795240133334471,'{"owner":"Ann"}','{"correlation_id":"01a1fca6-82d5-7293-96ff-0f45c7d39fa7","causation_id":"01a1fca6-82d5-7293-96ff-0f45c7d39fa7","command":"open","actor":"ann"}',NULL,4271767616);
INSERT INTO "events" VALUES(2,'account-a1',2,'paid',1,'01a1fca6-82d8-712f-95a4-93108e76c393',1795240133336805,'{"amount":5}','{"correlation_id":"01a1fca6-82d7-75d6-895d-ad8131fa8517","causation_id":"01a1fca6-82d7-75d6-895d-ad8131fa8517","command":"pay"}',NULL,3674647732);
INSERT INTO "events" VALUES(3,'account-a1',3,'paid',1,'01a1fca6-82d9-7709-a390-eb84de4c19e6',1795240133337495,'{"amount":7}','{"correlation_id":"01a1fca6-82d9-7709-a390-eb83ea905b5e","causation_id":"01a1fca6-82d9-7709-a390-eb83ea905b5e","command":"pay"}',NULL,3185025974);
CREATE TABLE log_head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,
    recorded INTEGER NOT NULL
) STRICT;
INSERT INTO "log_head" VALUES(1,3,1795240133337495);
CREATE TABLE replies (
    key            TEXT    NOT NULL PRIMARY KEY,
    fingerprint    TEXT    NOT NULL,
    reply          TEXT    NOT NULL,     -- JSON
    first_position INTEGER NOT NULL,
    last_position  INTEGER NOT NULL,
    recorded       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "replies" VALUES('k1','45ad8efb48f00b666365e1b9efdbb840','{"stream":"account-a1","reply":5}',2,2,1795240133336805);
CREATE TABLE snapshots (
    stream      TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    fingerprint TEXT    NOT NULL,
    state       TEXT    NOT NULL,        -- JSON
    taken       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_stream ON events (stream, version);
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE INDEX events_by_type ON events (type, position);
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the log is append-only: records are never changed'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the log is append-only: records are never deleted'); END;
COMMIT;
PRAGMA application_id = 1165380711;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
