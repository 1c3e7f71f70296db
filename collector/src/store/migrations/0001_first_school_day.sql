-- The first schema. `school_id` comes first in every key. Times are microseconds of UTC. Ids are 16 random bytes.
-- No column holds a title, URL, file name, label or note in clear: `sealed` columns are XChaCha20-Poly1305 under the
-- key named beside them, which lives in another file.

CREATE TABLE schools (
    school_id   TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    zone        TEXT NOT NULL,                 -- IANA time zone
    created_us  INTEGER NOT NULL
) STRICT;

-- ---- devices and what they may do -------------------------------------------------------------------------------

CREATE TABLE devices (
    school_id     TEXT NOT NULL REFERENCES schools,
    device_id     BLOB NOT NULL,
    hostname      TEXT NOT NULL,
    room          TEXT NOT NULL,
    device_group  TEXT NOT NULL,
    hardware_hash BLOB,                        -- NULL where the firmware names nothing
    os            TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    enrolled_us   INTEGER NOT NULL,
    heard_us      INTEGER,                     -- last heard, written at most once a minute and on goodbye
    goodbye       TEXT,                        -- reason of the last goodbye, NULL once heard again
    rule_set_release INTEGER NOT NULL DEFAULT 0,
    policy_release   INTEGER NOT NULL DEFAULT 0,
    revoked_us    INTEGER,                     -- deny-set
    PRIMARY KEY (school_id, device_id)
) STRICT;

CREATE TABLE device_certificates (
    school_id     TEXT NOT NULL,
    device_id     BLOB NOT NULL,
    serial        BLOB NOT NULL,
    public_key_digest BLOB NOT NULL,           -- SHA-256 of the SubjectPublicKeyInfo
    issued_us     INTEGER NOT NULL,
    not_after_us  INTEGER NOT NULL,
    PRIMARY KEY (school_id, device_id, serial)
) STRICT;

CREATE TABLE device_sensors (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,
    sensor      TEXT NOT NULL,
    session     TEXT NOT NULL,
    health      INTEGER NOT NULL,              -- lapwing.v1.Health, unknown values kept
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    since_us    INTEGER NOT NULL,
    PRIMARY KEY (school_id, device_id, sensor, session)
) STRICT;

CREATE TABLE device_diagnostics (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,
    code        TEXT NOT NULL,
    detail      TEXT NOT NULL,
    since_us    INTEGER NOT NULL,
    PRIMARY KEY (school_id, device_id, code)
) STRICT;

CREATE TABLE campaign_tokens (
    school_id    TEXT NOT NULL,
    token_hash   BLOB NOT NULL,                -- SHA-256; the token itself is shown once
    device_group TEXT NOT NULL,
    expires_us   INTEGER NOT NULL,
    uses_left    INTEGER NOT NULL,
    created_us   INTEGER NOT NULL,
    PRIMARY KEY (school_id, token_hash)
) STRICT;

CREATE TABLE incarnations (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,
    epoch       BLOB NOT NULL,
    current     BLOB NOT NULL,
    previous    BLOB,                          -- counts only until `current` has carried a message
    PRIMARY KEY (school_id, device_id, epoch)
) STRICT;

CREATE TABLE artefacts (
    school_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,                 -- 'rule_set' or 'policy'
    release     INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    bytes       BLOB NOT NULL,
    published_us INTEGER NOT NULL,
    PRIMARY KEY (school_id, kind, release)
) STRICT;

CREATE TABLE anonymous_counts (
    school_id   TEXT NOT NULL,
    key         TEXT NOT NULL,
    day         INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (school_id, key, day)
) STRICT;

-- ---- people ------------------------------------------------------------------------------------------------------

CREATE TABLE persons (
    school_id   TEXT NOT NULL,
    person_id   BLOB NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,                 -- 'pupil', 'staff', 'shared', 'guest'
    band        TEXT NOT NULL,
    class       TEXT NOT NULL,
    mail        TEXT NOT NULL DEFAULT '',      -- where notifications go, unless the sign-in says otherwise
    PRIMARY KEY (school_id, person_id)
) STRICT;

CREATE TABLE person_roles (
    school_id   TEXT NOT NULL,
    person_id   BLOB NOT NULL,
    role        TEXT NOT NULL,                 -- dsl, deputy_dsl, headteacher, chair, technician, governor, ...
    PRIMARY KEY (school_id, person_id, role)
) STRICT;

CREATE TABLE accounts (
    school_id   TEXT NOT NULL,
    account     TEXT NOT NULL,                 -- lower case
    person_id   BLOB NOT NULL,
    PRIMARY KEY (school_id, account)
) STRICT;

-- Whoever a capture is about: a person, an account nobody mapped, or one log-on session of a class log-on.
CREATE TABLE subjects (
    school_id   TEXT NOT NULL,
    subject_id  BLOB NOT NULL,
    kind        TEXT NOT NULL,                 -- 'person', 'account', 'session'
    identity    BLOB NOT NULL,                 -- HMAC-SHA-256 of the person id, account, or (device, session)
    person_id   BLOB,
    account     TEXT,                          -- of 'account' and 'session'
    audience    TEXT NOT NULL,                 -- 'pupil', 'staff', 'shared', 'guest', 'unmapped_pupil', 'unmapped_staff', 'unmapped'
    device_id   BLOB,                          -- of 'session'
    key_id      BLOB NOT NULL,                 -- of the evidence key, in the key file
    PRIMARY KEY (school_id, subject_id)
) STRICT;
CREATE UNIQUE INDEX subjects_by_identity ON subjects (school_id, identity);

-- ---- captures ----------------------------------------------------------------------------------------------------

-- Never purged: at or below `through`, acknowledge and drop.
CREATE TABLE high_water (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,
    epoch       BLOB NOT NULL,
    lane        INTEGER NOT NULL,
    through     INTEGER NOT NULL,
    PRIMARY KEY (school_id, device_id, epoch, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE gaps (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,
    epoch       BLOB NOT NULL,
    lane        INTEGER NOT NULL,
    from_seq    INTEGER NOT NULL,
    to_seq      INTEGER NOT NULL,
    reason      INTEGER NOT NULL,              -- lapwing.v1.GapReason, unknown values kept
    received_us INTEGER NOT NULL,
    PRIMARY KEY (school_id, device_id, epoch, lane, from_seq)
) STRICT;

CREATE TABLE captures (
    school_id   TEXT NOT NULL,
    capture_id  BLOB NOT NULL,
    device_id   BLOB NOT NULL,
    epoch       BLOB NOT NULL,
    lane        INTEGER NOT NULL,              -- equals the level the device gave
    seq         INTEGER NOT NULL,
    signal      INTEGER NOT NULL,              -- lapwing.v1.Signal
    rule        TEXT NOT NULL,                 -- of the highest hit
    category    TEXT NOT NULL,                 -- of the highest hit, unknown ids kept
    rule_set_release INTEGER NOT NULL,
    marked      INTEGER NOT NULL,              -- 1: words of wanting to, or of how to, matched
    repeats     INTEGER NOT NULL,              -- further hits on the device that this one stands for
    wall_us     INTEGER NOT NULL,
    received_us INTEGER NOT NULL,
    subject_id  BLOB NOT NULL,
    key_id      BLOB NOT NULL,
    sealed      BLOB NOT NULL,                 -- lapwing.v1.Capture, whole
    triaged_us  INTEGER,                       -- NULL until triage committed its effects
    PRIMARY KEY (school_id, capture_id)
) STRICT;
CREATE INDEX captures_untriaged ON captures (school_id, lane DESC, received_us) WHERE triaged_us IS NULL;
CREATE INDEX captures_by_subject ON captures (school_id, subject_id, wall_us);

-- ---- concerns ----------------------------------------------------------------------------------------------------

CREATE TABLE concerns (
    school_id   TEXT NOT NULL,
    concern_id  BLOB NOT NULL,
    reference   TEXT NOT NULL,                 -- random, as said on the telephone: K7-3F2P
    subject_id  BLOB NOT NULL,
    category    TEXT NOT NULL,
    level       INTEGER NOT NULL,
    state       TEXT NOT NULL,
    first_us    INTEGER NOT NULL,              -- earliest capture seen
    last_us     INTEGER NOT NULL,              -- latest capture seen
    captures    INTEGER NOT NULL,              -- hits, those inside a cooldown on the device included
    opened_us   INTEGER NOT NULL,
    acknowledge_by_us INTEGER,                 -- NULL: no target
    verdict     TEXT,                          -- 'true', 'false', 'unclear'
    outcome     TEXT,
    changed_us  INTEGER NOT NULL,
    PRIMARY KEY (school_id, concern_id)
) STRICT;
CREATE UNIQUE INDEX concerns_by_reference ON concerns (school_id, reference);
CREATE INDEX concerns_by_subject ON concerns (school_id, subject_id, category, last_us);
CREATE INDEX concerns_by_urgency ON concerns (school_id, state, level DESC, opened_us);

CREATE TABLE concern_captures (
    school_id   TEXT NOT NULL,
    concern_id  BLOB NOT NULL,
    capture_id  BLOB NOT NULL,
    PRIMARY KEY (school_id, concern_id, capture_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX concern_of_capture ON concern_captures (school_id, capture_id);

-- Who may see a concern. `visible_to` reads this and nothing else.
CREATE TABLE concern_recipients (
    school_id   TEXT NOT NULL,
    concern_id  BLOB NOT NULL,
    person_id   BLOB NOT NULL,
    reason      TEXT NOT NULL,                 -- code of the routing row
    since_us    INTEGER NOT NULL,
    PRIMARY KEY (school_id, concern_id, person_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipients_by_person ON concern_recipients (school_id, person_id, concern_id);

CREATE TABLE concern_steps (
    school_id   TEXT NOT NULL,
    step_id     BLOB NOT NULL,
    concern_id  BLOB NOT NULL,
    at_us       INTEGER NOT NULL,
    person_id   BLOB,                          -- NULL: the product
    kind        TEXT NOT NULL,                 -- 'opened', 'raised', 'acknowledged', 'noted', 'judged', 'closed', ...
    from_state  TEXT NOT NULL,
    to_state    TEXT NOT NULL,
    key_id      BLOB,
    sealed_note BLOB,
    PRIMARY KEY (school_id, step_id)
) STRICT;
CREATE INDEX steps_of_concern ON concern_steps (school_id, concern_id, at_us);

-- ---- notifications, audit, sign-in -------------------------------------------------------------------------------

CREATE TABLE outbox (
    school_id   TEXT NOT NULL,
    message_id  BLOB NOT NULL,
    channel     TEXT NOT NULL,                 -- 'mail'
    person_id   BLOB NOT NULL,
    reference   TEXT NOT NULL,
    level       INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,
    due_us      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    leased_until_us INTEGER NOT NULL DEFAULT 0,
    sent_us     INTEGER,
    dead_us     INTEGER,
    last_error  TEXT,                          -- a code, never a server's words
    PRIMARY KEY (school_id, message_id)
) STRICT;
CREATE INDEX outbox_due ON outbox (due_us) WHERE sent_us IS NULL AND dead_us IS NULL;

CREATE TABLE audit_leaves (
    school_id   TEXT NOT NULL,
    leaf_index  INTEGER NOT NULL,              -- dense from 0
    leaf        BLOB NOT NULL,                 -- bytes an RFC 6962 tree hashes; layout in audit.rs
    PRIMARY KEY (school_id, leaf_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_acts (
    school_id   TEXT NOT NULL,
    leaf_index  INTEGER NOT NULL,
    salt        BLOB NOT NULL,
    act         TEXT NOT NULL,                 -- JSON the leaf commits to; ids only
    PRIMARY KEY (school_id, leaf_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_ins (
    school_id   TEXT NOT NULL,
    login       TEXT NOT NULL,                 -- lower case
    person_id   BLOB NOT NULL,
    mail        TEXT NOT NULL,                 -- where notifications go; '' for none
    password    TEXT NOT NULL,                 -- argon2id, PHC string
    failures    INTEGER NOT NULL DEFAULT 0,
    locked_until_us INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (school_id, login)
) STRICT;

CREATE TABLE web_sessions (
    school_id   TEXT NOT NULL,
    session_hash BLOB NOT NULL,                -- SHA-256 of the cookie
    person_id   BLOB NOT NULL,
    csrf        BLOB NOT NULL,
    created_us  INTEGER NOT NULL,
    used_us     INTEGER NOT NULL,
    PRIMARY KEY (school_id, session_hash)
) STRICT;
