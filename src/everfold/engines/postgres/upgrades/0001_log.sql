-- compatible with: 1
-- The log: one row per record, append-only, in commit order.
CREATE TABLE {schema}.events (
    position       bigint  NOT NULL PRIMARY KEY,        -- given under the lock of everfold_head, contiguous
    stream         text    COLLATE "C" NOT NULL,        -- category-key
    version        bigint  NOT NULL,                    -- place in the stream, contiguous
    type           text    COLLATE "C" NOT NULL,        -- permanent name of the event type
    schema_version integer NOT NULL,
    id             text    COLLATE "C" NOT NULL,        -- time-ordered, so that its index grows at the end
    recorded       bigint  NOT NULL,                    -- microseconds since 1970 UTC; to_timestamp(recorded / 1e6)
    data           json    NOT NULL,
    metadata       json    NOT NULL,
    tags           json,                                -- array of texts; NULL: none
    checksum       bigint  NOT NULL                     -- CRC-32 of the content, mixed with its place
);
CREATE UNIQUE INDEX events_by_stream ON {schema}.events (stream, version);
CREATE UNIQUE INDEX events_by_id ON {schema}.events (id);
CREATE INDEX events_by_type ON {schema}.events (type, position);

CREATE FUNCTION {schema}.never() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: records are never changed or deleted';
END $$;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE ON {schema}.events
    FOR EACH ROW EXECUTE FUNCTION {schema}.never();
CREATE TRIGGER events_are_never_cut_off BEFORE TRUNCATE ON {schema}.events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.never();

CREATE TABLE {schema}.everfold_tags (
    tag      text   COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tag, position)
);

-- The one row whose lock whoever appends has to hold. It is locked and hardly ever changed: a counter kept here would
-- leave a dead row version at every commit, which a long transaction of anybody keeps from being cleaned up. The head
-- is the newest event; `floor` is below it, unless records were moved elsewhere: no position is ever given twice.
CREATE TABLE {schema}.everfold_head (
    id    integer NOT NULL PRIMARY KEY CHECK (id = 1),
    floor bigint  NOT NULL
);
INSERT INTO {schema}.everfold_head (id, floor) VALUES (1, 0);

-- Counts the transactions that wrote beside the log, so that who keeps rows in memory knows when others changed them.
CREATE SEQUENCE {schema}.everfold_jobs;

CREATE TABLE {schema}.everfold_replies (
    key            text   COLLATE "C" NOT NULL PRIMARY KEY,
    fingerprint    text   NOT NULL,
    reply          text   NOT NULL,      -- JSON
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    recorded       bigint NOT NULL
);

CREATE TABLE {schema}.everfold_checkpoints (
    name     text   COLLATE "C" NOT NULL PRIMARY KEY,
    position bigint NOT NULL
);

CREATE TABLE {schema}.everfold_snapshots (
    stream      text   COLLATE "C" NOT NULL PRIMARY KEY,
    version     bigint NOT NULL,
    position    bigint NOT NULL,
    fingerprint text   NOT NULL,
    state       text   NOT NULL,         -- JSON
    taken       bigint NOT NULL
);

-- Waits for its turn to append. Where the log ends, when its newest record was recorded, and how many jobs there were.
CREATE FUNCTION {schema}.lock_1(OUT head bigint, OUT recorded bigint, OUT jobs bigint) LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);  -- what is acknowledged survives a power cut
    END IF;
    SELECT l.floor INTO head FROM {schema}.everfold_head AS l FOR UPDATE;
    -- A statement of its own: it sees what was committed while the one above waited.
    SELECT greatest(e.position, head), e.recorded INTO head, recorded
    FROM (SELECT 1) AS always LEFT JOIN LATERAL
        (SELECT position, events.recorded FROM {schema}.events ORDER BY position DESC LIMIT 1) AS e ON true;
    recorded := coalesce(recorded, 0);
    SELECT s.last_value INTO jobs FROM {schema}.everfold_jobs AS s;
END $$;

-- The newest record beyond a position that fits a selection: {"stream", "category", "types", "tags"}, each optional.
CREATE FUNCTION {schema}.newest_1(selection json, after bigint, OUT newest bigint, OUT newest_stream text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    its_stream text := selection ->> 'stream';
    low text := (selection ->> 'category') || '-';
    high text := (selection ->> 'category') || '.';
    its_types text[] := CASE WHEN json_array_length(selection -> 'types') > 0
        THEN ARRAY(SELECT json_array_elements_text(selection -> 'types')) END;
    its_tags text[] := ARRAY(SELECT json_array_elements_text(selection -> 'tags'));
    driver text := its_tags[1];
BEGIN
    IF cardinality(its_tags) > 1 THEN  -- the rarest tag beyond the position drives the search
        SELECT t.tag INTO driver FROM unnest(its_tags) AS t (tag)
        ORDER BY (SELECT count(*) FROM (
            SELECT 1 FROM {schema}.everfold_tags AS x WHERE x.tag = t.tag AND x.position > after LIMIT 1000) AS few)
        LIMIT 1;
    END IF;
    IF driver IS NOT NULL THEN
        SELECT e.position, e.stream INTO newest, newest_stream
        FROM {schema}.everfold_tags AS t JOIN {schema}.events AS e ON e.position = t.position
        WHERE t.tag = driver AND t.position > after
            AND (its_stream IS NULL OR e.stream = its_stream)
            AND (low IS NULL OR (e.stream >= low AND e.stream < high))
            AND (its_types IS NULL OR e.type = ANY (its_types))
            AND NOT EXISTS (SELECT 1 FROM unnest(its_tags) AS o (tag) WHERE (
                SELECT 1 FROM {schema}.everfold_tags AS x WHERE x.tag = o.tag AND x.position = t.position) IS NULL)
        ORDER BY t.tag DESC, t.position DESC LIMIT 1;
    ELSIF its_stream IS NOT NULL THEN
        SELECT e.position, e.stream INTO newest, newest_stream FROM {schema}.events AS e
        WHERE e.stream = its_stream AND e.position > after
            AND (low IS NULL OR (e.stream >= low AND e.stream < high))
            AND (its_types IS NULL OR e.type = ANY (its_types))
        ORDER BY e.stream DESC, e.version DESC LIMIT 1;
    ELSIF cardinality(its_types) = 1 THEN
        SELECT e.position, e.stream INTO newest, newest_stream FROM {schema}.events AS e
        WHERE e.type = its_types[1] AND e.position > after
            AND (low IS NULL OR (e.stream >= low AND e.stream < high))
        ORDER BY e.type DESC, e.position DESC LIMIT 1;
    ELSE
        SELECT e.position, e.stream INTO newest, newest_stream FROM {schema}.events AS e
        WHERE e.position > after
            AND (low IS NULL OR (e.stream >= low AND e.stream < high))
            AND (its_types IS NULL OR e.type = ANY (its_types))
        ORDER BY e.position DESC LIMIT 1;
    END IF;
END $$;

-- Judges the writes of a batch in order, and stores those that nothing speaks against. All lists begin at 1.
--
-- A write has parts (one for each stream it appends to), a part has records. `last_parts`: the last part of each write.
-- Of each part: the number of its stream in `streams`, the version expected (-1: any) and how many records it has.
-- Of each record: the number of its part, and its columns. Of each tag: its record. Of each condition of a write: the
-- selection, the position it is judged behind, and the records of this batch that fit it, newest first.
-- Results: the time; of each write the first position ('' if refused), of each part the version reached; refusals as
-- `write:r` (its key is used), `write:c:position` (a newer record; with its number, if it is of this batch) or
-- `write:v:part:version`; the streams of those of the newer records that were stored before, in order, as a JSON array.
CREATE FUNCTION {schema}.append_1(
    now_micros bigint,
    last_parts integer[], streams text[], stream_of integer[], expected bigint[], sizes integer[],
    part_of integer[], types text[], schema_versions integer[], ids text[], data text[], metadata text[],
    tags text[], checksums bigint[],
    tag_names text[] DEFAULT NULL, tag_of integer[] DEFAULT NULL,
    selections json DEFAULT NULL, condition_of integer[] DEFAULT NULL, behind bigint[] DEFAULT NULL,
    last_rivals integer[] DEFAULT NULL, rivals integer[] DEFAULT NULL,
    keys text[] DEFAULT NULL, key_of integer[] DEFAULT NULL,
    reply_of integer[] DEFAULT NULL, fingerprints text[] DEFAULT NULL, replies text[] DEFAULT NULL,
    checkpoint_of integer[] DEFAULT NULL, checkpoint_names text[] DEFAULT NULL, checkpoint_positions bigint[] DEFAULT NULL,
    snapshot_of integer[] DEFAULT NULL, snapshot_streams text[] DEFAULT NULL, snapshot_versions bigint[] DEFAULT NULL,
    snapshot_fingerprints text[] DEFAULT NULL, snapshot_states text[] DEFAULT NULL,
    OUT recorded bigint, OUT firsts text, OUT versions text, OUT refusals text, OUT newer_streams text)
LANGUAGE plpgsql AS $$
DECLARE
    head bigint;
    known bigint[];          -- of each stream: its version so far
    used boolean[];          -- of each key: whether it has a reply
    stored bigint[];         -- of each condition: the newest record stored before this batch
    stored_streams text[];
    first_of bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(last_parts)]);
    last_of bigint[] := first_of;
    shifts bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(stream_of)]);
    version_shifts bigint[] := shifts;
    reached bigint[] := array_fill(0::bigint, ARRAY[cardinality(stream_of)]);
    refused text[] := '{}';
    newer text[] := '{}';
    number_of_conditions integer := coalesce(cardinality(condition_of), 0);
    condition integer := 1;
    rival integer;
    newest bigint;
    first_part integer := 1;
    done integer := 0;       -- records of the parts looked at so far
    done_before integer;
    stopped_at integer;
    s integer;
BEGIN
    SELECT l.head, greatest(l.recorded, now_micros) INTO head, recorded FROM {schema}.lock_1() AS l;
    known := ARRAY(
        SELECT coalesce((SELECT e.version FROM {schema}.events AS e
            WHERE e.stream = a.stream ORDER BY e.stream DESC, e.version DESC LIMIT 1), 0)
        FROM unnest(streams) WITH ORDINALITY AS a (stream, n) ORDER BY a.n);
    IF keys IS NOT NULL THEN
        used := ARRAY(
            SELECT EXISTS (SELECT 1 FROM {schema}.everfold_replies AS r WHERE r.key = a.key)
            FROM unnest(keys) WITH ORDINALITY AS a (key, n) ORDER BY a.n);
    END IF;
    IF number_of_conditions > 0 THEN
        SELECT array_agg(w.newest ORDER BY c.n), array_agg(w.newest_stream ORDER BY c.n) INTO stored, stored_streams
        FROM json_array_elements(selections) WITH ORDINALITY AS c (selection, n)
            CROSS JOIN LATERAL {schema}.newest_1(c.selection, behind[c.n]) AS w;
    END IF;

    FOR write IN 1 .. cardinality(last_parts) LOOP
        stopped_at := 0;
        done_before := done;
        IF key_of IS NOT NULL AND key_of[write] > 0 AND used[key_of[write]] THEN
            stopped_at := -1;
            refused := refused || (write || ':r');
        END IF;
        WHILE condition <= number_of_conditions AND condition_of[condition] = write LOOP
            IF stopped_at = 0 THEN
                newest := NULL;
                rival := CASE WHEN condition = 1 THEN 1 ELSE last_rivals[condition - 1] + 1 END;
                WHILE newest IS NULL AND rival <= last_rivals[condition] LOOP
                    newest := shifts[part_of[rivals[rival]]] + rivals[rival];
                    rival := rival + 1;
                END LOOP;
                IF newest > behind[condition] THEN
                    stopped_at := -1;
                    refused := refused || (write || ':c:' || newest || ':' || rivals[rival - 1]);
                ELSIF stored[condition] IS NOT NULL THEN
                    stopped_at := -1;
                    refused := refused || (write || ':c:' || stored[condition]);
                    newer := newer || stored_streams[condition];
                END IF;
            END IF;
            condition := condition + 1;
        END LOOP;
        IF stopped_at = 0 THEN
            FOR part IN first_part .. last_parts[write] LOOP
                s := stream_of[part];
                IF expected[part] >= 0 AND expected[part] <> known[s] THEN
                    stopped_at := part;
                    refused := refused || (write || ':v:' || part || ':' || known[s]);
                    EXIT;
                END IF;
                shifts[part] := head - done_before;
                version_shifts[part] := known[s] - done;
                done := done + sizes[part];
                known[s] := known[s] + sizes[part];
                reached[part] := known[s];
            END LOOP;
        END IF;
        IF stopped_at = 0 THEN
            first_of[write] := head + 1;
            head := head + done - done_before;
            last_of[write] := head;
            IF key_of IS NOT NULL AND key_of[write] > 0 THEN
                used[key_of[write]] := true;
            END IF;
        ELSE
            done := done_before;
            FOR part IN first_part .. last_parts[write] LOOP
                IF part < stopped_at THEN
                    s := stream_of[part];
                    known[s] := known[s] - sizes[part];
                    shifts[part] := NULL;
                END IF;
                done := done + sizes[part];
            END LOOP;
            -- Records keep their numbers, but those of a refused write take no positions.
        END IF;
        first_part := last_parts[write] + 1;
    END LOOP;

    INSERT INTO {schema}.events
        (position, stream, version, type, schema_version, id, recorded, data, metadata, tags, checksum)
    SELECT p.position, streams[stream_of[r.part]], p.version, r.type, r.schema_version, r.id, append_1.recorded,
        r.data::json, r.metadata::json, nullif(r.tags, '')::json,
        r.checksum # (((p.position % 4294967291) * 3 + (p.version % 4294967291) * 5
            + (append_1.recorded % 4294967291) * 7) % 4294967291)
    FROM unnest(part_of, types, schema_versions, ids, data, metadata, tags, checksums) WITH ORDINALITY
            AS r (part, type, schema_version, id, data, metadata, tags, checksum, n)
        CROSS JOIN LATERAL (SELECT shifts[r.part] + r.n AS position, version_shifts[r.part] + r.n AS version OFFSET 0) AS p
    WHERE shifts[r.part] IS NOT NULL;
    IF tag_names IS NOT NULL THEN
        INSERT INTO {schema}.everfold_tags (tag, position)
        SELECT t.tag, shifts[part_of[t.record]] + t.record FROM unnest(tag_names, tag_of) AS t (tag, record)
        WHERE shifts[part_of[t.record]] IS NOT NULL;
    END IF;
    IF reply_of IS NOT NULL THEN
        INSERT INTO {schema}.everfold_replies (key, fingerprint, reply, first_position, last_position, recorded)
        SELECT keys[key_of[r.write]], r.fingerprint, r.reply, first_of[r.write], last_of[r.write], append_1.recorded
        FROM unnest(reply_of, fingerprints, append_1.replies) AS r (write, fingerprint, reply)
        WHERE first_of[r.write] IS NOT NULL;
    END IF;
    IF checkpoint_of IS NOT NULL THEN
        INSERT INTO {schema}.everfold_checkpoints AS c (name, position)
        SELECT DISTINCT ON (a.name) a.name, a.position
        FROM unnest(checkpoint_of, checkpoint_names, checkpoint_positions) WITH ORDINALITY AS a (write, name, position, n)
        WHERE first_of[a.write] IS NOT NULL ORDER BY a.name, a.n DESC
        ON CONFLICT (name) DO UPDATE SET position = excluded.position;
    END IF;
    IF snapshot_of IS NOT NULL THEN
        INSERT INTO {schema}.everfold_snapshots AS k (stream, version, fingerprint, state, position, taken)
        SELECT DISTINCT ON (a.stream) a.stream, a.version, a.fingerprint, a.state, last_of[a.write], append_1.recorded
        FROM unnest(snapshot_of, snapshot_streams, snapshot_versions, snapshot_fingerprints, snapshot_states)
            WITH ORDINALITY AS a (write, stream, version, fingerprint, state, n)
        WHERE first_of[a.write] IS NOT NULL ORDER BY a.stream, a.n DESC
        ON CONFLICT (stream) DO UPDATE SET version = excluded.version, position = excluded.position,
            fingerprint = excluded.fingerprint, state = excluded.state, taken = excluded.taken;
    END IF;
    firsts := array_to_string(first_of, ',', '');
    versions := array_to_string(reached, ',');
    refusals := array_to_string(refused, ',');
    newer_streams := to_json(newer)::text;
END $$;
