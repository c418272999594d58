-- The tables of run.db, format 2.3, without log_lines and streams. docs/LEDGER.md describes every column.

CREATE TABLE manifest (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ops (
    op_id INTEGER PRIMARY KEY,
    session_ix INTEGER GENERATED ALWAYS AS (op_id >> 16) VIRTUAL,
    seq INTEGER GENERATED ALWAYS AS (op_id & 65535) VIRTUAL,
    user_ix INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    group_ix INTEGER NOT NULL,
    text_hash INTEGER NOT NULL,
    item_first INTEGER NOT NULL,
    item_count INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    traits INTEGER NOT NULL,
    intended_us INTEGER NOT NULL,
    invoked_us INTEGER NOT NULL,
    founder_ix INTEGER NOT NULL,
    sent_us INTEGER,
    completed_us INTEGER,
    outcome INTEGER,
    status INTEGER,
    promise INTEGER,
    echo INTEGER,
    server_session TEXT,
    detail TEXT
) STRICT;

-- One row a session instead of an index over all operations: operations of one user are then
-- ranges of op_id.
CREATE TABLE sessions (
    user_ix INTEGER NOT NULL,
    session_ix INTEGER NOT NULL,
    PRIMARY KEY (user_ix, session_ix)
) STRICT, WITHOUT ROWID;

CREATE TABLE server_sessions (
    name TEXT NOT NULL,
    user_ix INTEGER NOT NULL,
    session_ix INTEGER NOT NULL,
    PRIMARY KEY (name, user_ix, session_ix)
) STRICT, WITHOUT ROWID;
CREATE INDEX server_sessions_of_users ON server_sessions (user_ix);

CREATE TABLE sightings (
    sighting_id INTEGER PRIMARY KEY,
    record_type INTEGER NOT NULL,
    record_id TEXT NOT NULL,
    owner TEXT,
    session TEXT,
    role INTEGER NOT NULL,
    position INTEGER NOT NULL,
    body_hash INTEGER NOT NULL,
    likeness INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    older_run INTEGER,
    excerpt TEXT,
    control INTEGER NOT NULL,
    first_scan INTEGER NOT NULL,
    last_scan INTEGER NOT NULL,
    reads INTEGER NOT NULL,
    seen_us INTEGER NOT NULL,
    canary_users INTEGER NOT NULL,
    bucket INTEGER,
    owner_ix INTEGER,
    packed_canaries BLOB NOT NULL,
    reading BLOB NOT NULL UNIQUE
) STRICT;
-- Few rows fall under these three: most sightings are found by their canaries.
CREATE INDEX sightings_by_name ON sightings (bucket)
    WHERE canary_users = 0 AND bucket IS NOT NULL AND control = 0;
CREATE INDEX sightings_by_session ON sightings (session)
    WHERE canary_users = 0 AND bucket IS NULL AND control = 0;
CREATE INDEX sightings_by_owner ON sightings (owner_ix)
    WHERE canary_users = 0 AND bucket IS NULL AND control = 0;
CREATE INDEX sightings_of_control ON sightings (sighting_id) WHERE control = 1;

-- Clustered by user: it is the bucket index and the index of what was promised.
CREATE TABLE canaries (
    user_ix INTEGER NOT NULL,
    session_ix INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    item INTEGER NOT NULL,
    sighting_id INTEGER NOT NULL,
    exactness INTEGER NOT NULL,
    record_type INTEGER NOT NULL,
    role INTEGER NOT NULL,
    PRIMARY KEY (user_ix, session_ix, kind, item, sighting_id, exactness)
) STRICT, WITHOUT ROWID;

CREATE TABLE scans (
    scan INTEGER PRIMARY KEY,
    started_us INTEGER NOT NULL,
    ended_us INTEGER NOT NULL,
    digest TEXT NOT NULL,
    sessions INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    facts INTEGER NOT NULL,
    unattributable INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    incomplete_reason TEXT
) STRICT;

CREATE TABLE samples (
    at_us INTEGER NOT NULL,
    cpu_us INTEGER NOT NULL,
    rss_bytes INTEGER NOT NULL,
    in_flight INTEGER NOT NULL
) STRICT;

CREATE TABLE lags (
    op_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    lag_us INTEGER NOT NULL
) STRICT;

CREATE TABLE baseline (
    record_hash INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE findings (
    finding_id INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    proof TEXT NOT NULL,
    claim TEXT NOT NULL,
    because TEXT NOT NULL,
    sender INTEGER,
    found_under INTEGER,
    ops TEXT NOT NULL,
    pattern TEXT,
    hint TEXT,
    accepted TEXT,
    kind TEXT,
    explains INTEGER NOT NULL
) STRICT;

CREATE TABLE affected (
    finding_id INTEGER NOT NULL,
    place INTEGER NOT NULL,
    code TEXT NOT NULL,
    record_type INTEGER NOT NULL,
    record_id TEXT,
    canary_run INTEGER,
    canary_user INTEGER,
    canary_session INTEGER,
    canary_item INTEGER,
    canary_kind INTEGER,
    op_id INTEGER,
    owner TEXT,
    session TEXT,
    excerpt TEXT,
    PRIMARY KEY (finding_id, place)
) STRICT, WITHOUT ROWID;

-- Views for people; Crosswire itself reads only v_missing.

CREATE VIEW v_ops AS
SELECT
    op_id, user_ix, session_ix, seq,
    CASE kind WHEN 0 THEN 'chat' WHEN 1 THEN 'upload' WHEN 2 THEN 'voice'
        WHEN 3 THEN 'stream' WHEN 4 THEN 'turn' END AS kind,
    CASE outcome WHEN 0 THEN 'ok' WHEN 1 THEN 'soft_fail' WHEN 2 THEN 'refused'
        WHEN 3 THEN 'unsent' WHEN 4 THEN 'unknown' ELSE 'open' END AS outcome,
    status,
    invoked_us / 1000.0 AS invoked_ms,
    (invoked_us - intended_us) / 1000.0 AS start_lag_ms,
    (completed_us - invoked_us) / 1000.0 AS service_ms,
    (completed_us - intended_us) / 1000.0 AS from_intended_ms,
    CASE echo WHEN 0 THEN 'own' WHEN 1 THEN 'none' WHEN 2 THEN 'foreign'
        WHEN 3 THEN 'not-expected' END AS echo,
    request_id, server_session, detail
FROM ops;

CREATE VIEW v_sightings AS
SELECT
    sighting_id,
    CASE record_type WHEN 0 THEN 'session' WHEN 1 THEN 'message' WHEN 2 THEN 'fact'
        WHEN 3 THEN 'answer' WHEN 4 THEN 'log' END AS record_type,
    record_id, owner, owner_ix, session,
    CASE role WHEN 0 THEN 'user' WHEN 1 THEN 'assistant' WHEN 2 THEN 'other' END AS role,
    position, bucket, canary_users, excerpt, first_scan, last_scan, reads,
    seen_us / 1000.0 AS seen_ms, control
FROM sightings;

CREATE VIEW v_wrong_owner AS
SELECT
    c.user_ix AS sender, c.session_ix, c.item, s.record_type, s.record_id, s.owner, s.owner_ix,
    s.session, s.reads, s.excerpt, s.sighting_id
FROM canaries AS c JOIN v_sightings AS s ON s.sighting_id = c.sighting_id
WHERE c.exactness = 0 AND c.user_ix IS NOT s.owner_ix AND c.record_type <> 3;

CREATE VIEW v_missing AS
SELECT op_id, user_ix, session_ix, seq, kind, completed_us
FROM ops AS o
WHERE outcome = 0 AND (
    (promise & 65536 AND NOT EXISTS (
        SELECT 1 FROM canaries AS c
        WHERE c.user_ix = o.user_ix AND c.session_ix = o.session_ix AND c.kind = 0
            AND c.item = o.item_first AND c.record_type = 1 AND c.role <> 1))
    OR (promise & 131072 AND NOT EXISTS (
        SELECT 1 FROM canaries AS c
        WHERE c.user_ix = o.user_ix AND c.session_ix = o.session_ix AND c.kind = 0
            AND c.item = o.item_first AND c.record_type = 1 AND c.role <> 0))
    OR (promise & 65535) > (
        SELECT count(DISTINCT c.item) FROM canaries AS c
        WHERE c.user_ix = o.user_ix AND c.session_ix = o.session_ix AND c.kind = 1
            AND c.item >= o.item_first AND c.item < o.item_first + (promise & 65535)
            AND c.record_type = 2));
