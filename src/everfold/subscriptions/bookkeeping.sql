-- What a database keeps of those who follow the log. Each statement is opened by a line `-- name: what it is for`.

-- create_consumers: one row for each build of each consumer: how far it got
CREATE TABLE IF NOT EXISTS everfold_consumers (
    name        TEXT   NOT NULL,
    build       BIGINT NOT NULL,
    fingerprint TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    position    BIGINT NOT NULL,
    changed     BIGINT NOT NULL,
    token       BIGINT NOT NULL,
    epoch       BIGINT NOT NULL,
    paused      TEXT,
    recorded    BIGINT NOT NULL,
    PRIMARY KEY (name, build)
);

-- create_parked: events that were set aside, and those that wait behind them
CREATE TABLE IF NOT EXISTS everfold_parked (
    name      TEXT   NOT NULL,
    build     BIGINT NOT NULL,
    position  BIGINT NOT NULL,
    stream    TEXT   NOT NULL,
    type      TEXT   NOT NULL,
    state     TEXT   NOT NULL,
    attempts  BIGINT NOT NULL,
    error     TEXT   NOT NULL,
    traceback TEXT   NOT NULL,
    parked    BIGINT NOT NULL,
    PRIMARY KEY (name, build, position)
);

-- create_amended: events that a consumer is given otherwise than recorded, or not at all
CREATE TABLE IF NOT EXISTS everfold_amended (
    name     TEXT   NOT NULL,
    position BIGINT NOT NULL,
    data     TEXT,
    reason   TEXT   NOT NULL,
    actor    TEXT   NOT NULL,
    amended  BIGINT NOT NULL,
    PRIMARY KEY (name, position)
);

-- create_leases: who may run what, and until when
CREATE TABLE IF NOT EXISTS everfold_leases (
    name    TEXT   NOT NULL PRIMARY KEY,
    owner   TEXT   NOT NULL,
    token   BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

-- begin_batch: take the fence, and see where the consumer is; no row: a newer token was seen
UPDATE everfold_consumers SET token = :token WHERE name = :name AND build = :build AND token <= :token
RETURNING state, position, changed, epoch, paused;

-- advance: the consumer has dealt with everything up to a position
UPDATE everfold_consumers SET position = :position, changed = :changed, recorded = :recorded
WHERE name = :name AND build = :build;

-- touch: tell those who remember rows of this consumer that they were changed by others
UPDATE everfold_consumers SET epoch = epoch + 1 WHERE name = :name AND build = :build;

-- touch_all: tell every part of a consumer that its events set aside were changed by others
UPDATE everfold_consumers SET epoch = epoch + 1 WHERE name = :name;

-- pause: have every build of a consumer wait, for a reason; or go on, without one
UPDATE everfold_consumers SET paused = :paused WHERE name = :name;

-- read_consumers: every build of every consumer
SELECT name, build, fingerprint, state, position, changed, token, epoch, paused, recorded FROM everfold_consumers
ORDER BY name, build;

-- read_builds: every build of one consumer
SELECT name, build, fingerprint, state, position, changed, token, epoch, paused, recorded FROM everfold_consumers
WHERE name = :name ORDER BY build;

-- newest_build: the highest number that any build has
SELECT coalesce(max(build), 0) FROM everfold_consumers;

-- insert_build: a new build of a consumer
INSERT INTO everfold_consumers
    (name, build, fingerprint, state, position, changed, token, epoch, paused, recorded)
VALUES (:name, :build, :fingerprint, :state, :position, 0, 0, 0, NULL, :recorded);

-- set_state: a build becomes active, retired or building
UPDATE everfold_consumers SET state = :state WHERE name = :name AND build = :build;

-- delete_build: forget a build
DELETE FROM everfold_consumers WHERE name = :name AND build = :build;

-- delete_parked_of_build: forget what a build had set aside
DELETE FROM everfold_parked WHERE name = :name AND build = :build;

-- attempt_failed: an event that was set aside failed once more
UPDATE everfold_parked SET state = 'parked', attempts = attempts + 1, error = :error, traceback = :traceback,
    parked = :parked
WHERE name = :name AND build = :build AND position = :position;

-- insert_parked: set an event aside
INSERT INTO everfold_parked (name, build, position, stream, type, state, attempts, error, traceback, parked)
VALUES (:name, :build, :position, :stream, :type, :state, :attempts, :error, :traceback, :parked)
ON CONFLICT (name, build, position) DO NOTHING;

-- delete_parked: an event that was set aside has been dealt with
DELETE FROM everfold_parked WHERE name = :name AND build = :build AND position = :position;

-- parked_streams: the streams that wait behind an event
SELECT DISTINCT stream FROM everfold_parked WHERE name = :name AND build = :build;

-- streams_behind: the streams of which any part of a consumer has set an event aside
SELECT DISTINCT stream FROM everfold_parked WHERE name = :name;

-- read_behind: the events of one stream that any part of a consumer has set aside, in order
SELECT name, build, position, stream, type, state, attempts, error, traceback, parked FROM everfold_parked
WHERE name = :name AND stream = :stream ORDER BY position LIMIT :limit;

-- parked_positions: everything that is set aside
SELECT position FROM everfold_parked WHERE name = :name AND build = :build;

-- read_parked_stream: the events of one stream that are set aside, in order
SELECT name, build, position, stream, type, state, attempts, error, traceback, parked FROM everfold_parked
WHERE name = :name AND build = :build AND stream = :stream ORDER BY position LIMIT :limit;

-- read_parked: the events that consumers have given up on, oldest first
SELECT name, build, position, stream, type, state, attempts, error, traceback, parked FROM everfold_parked
WHERE state = 'parked' AND (:name = '' OR name = :name) ORDER BY name, build, position;

-- count_parked: how many events are set aside, and how many wait behind them, by build
SELECT name, build, state, count(*) FROM everfold_parked GROUP BY name, build, state;

-- amend: give a consumer an event otherwise than recorded (data), or not at all (no data)
INSERT INTO everfold_amended (name, position, data, reason, actor, amended)
VALUES (:name, :position, :data, :reason, :actor, :amended)
ON CONFLICT (name, position) DO UPDATE SET data = excluded.data, reason = excluded.reason,
    actor = excluded.actor, amended = excluded.amended;

-- read_amended: what a consumer is given otherwise
SELECT position, data, reason, actor, amended FROM everfold_amended WHERE name = :name ORDER BY position;

-- take_lease: take a lease that nobody has, or whose time is over; no row: somebody has it
INSERT INTO everfold_leases (name, owner, token, expires) VALUES (:name, :owner, 1, :expires)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = everfold_leases.token + 1, expires = excluded.expires
WHERE everfold_leases.expires <= :now
RETURNING token;

-- renew_lease: keep a lease; no row: somebody else has taken it
UPDATE everfold_leases SET expires = :expires WHERE name = :name AND owner = :owner AND token = :token
RETURNING token;

-- release_lease: let others take the lease at once
UPDATE everfold_leases SET expires = 0 WHERE name = :name AND owner = :owner AND token = :token;

-- count_owners: how many processes have leases whose names begin so
SELECT count(DISTINCT owner) FROM everfold_leases
WHERE substr(name, 1, length(:prefix)) = :prefix AND expires > :now;

-- forget_owners: drop the leases whose names begin so and that are over
DELETE FROM everfold_leases WHERE substr(name, 1, length(:prefix)) = :prefix AND expires <= :now;

-- read_lease: who has a lease
SELECT name, owner, token, expires FROM everfold_leases WHERE name = :name;
