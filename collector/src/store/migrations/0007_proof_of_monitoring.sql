-- Proof that monitoring works: who is silent, who is expected, what was checked.

-- ---- silence -----------------------------------------------------------------------------------------------------

-- One row a room and day: a switch that dies is one silence, whatever number of devices hang on it.
CREATE TABLE silences (
    school_id   TEXT NOT NULL,
    silence_id  BLOB NOT NULL,
    reference   TEXT NOT NULL,                 -- random, as said on the telephone
    room        TEXT NOT NULL,
    day         INTEGER NOT NULL,              -- days of the school's calendar since 1970
    from_us     INTEGER NOT NULL,              -- when the first of its devices was last heard
    devices     INTEGER NOT NULL,              -- that were silent in it
    raised_us   INTEGER NOT NULL,
    told_us     INTEGER NOT NULL,              -- technicians, last
    told_devices INTEGER NOT NULL,             -- how many there were then
    dsl_told_us INTEGER,
    ended_us    INTEGER,                       -- NULL while a device of it is silent
    PRIMARY KEY (school_id, silence_id)
) STRICT;
CREATE UNIQUE INDEX silences_open ON silences (school_id, room, day) WHERE ended_us IS NULL;
CREATE INDEX silences_by_day ON silences (school_id, day);

CREATE TABLE silent_devices (
    school_id   TEXT NOT NULL,
    silence_id  BLOB NOT NULL,
    device_id   BLOB NOT NULL,
    why         TEXT NOT NULL,                 -- 'unexplained', 'long_away', 'never_heard'
    since_us    INTEGER NOT NULL,              -- last word, or enrolment
    ended_us    INTEGER,                       -- when it was seen to be back, or to be no longer expected
    PRIMARY KEY (school_id, silence_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX silent_devices_now ON silent_devices (school_id, device_id) WHERE ended_us IS NULL;

-- ---- expected devices --------------------------------------------------------------------------------------------

CREATE TABLE expected_devices (
    school_id   TEXT NOT NULL,
    hostname_key TEXT NOT NULL,                -- lower case, what enrolled devices are found by
    hostname    TEXT NOT NULL,                 -- as the list writes it
    serial      TEXT NOT NULL,                 -- '' where the list names none
    room        TEXT NOT NULL,
    device_group TEXT NOT NULL,
    source      TEXT NOT NULL,                 -- 'plain', 'intune', 'jamf'
    imported_us INTEGER NOT NULL,
    PRIMARY KEY (school_id, hostname_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_hostname ON devices (school_id, LOWER(hostname));

-- ---- checks ------------------------------------------------------------------------------------------------------

CREATE TABLE checks (
    school_id   TEXT NOT NULL,
    check_id    BLOB NOT NULL,
    at_us       INTEGER NOT NULL,
    day         INTEGER NOT NULL,              -- days of the school's calendar since 1970
    person_id   BLOB,                          -- NULL: the product, or somebody at the collector's machine
    kind        TEXT NOT NULL,                 -- 'canary', 'canary_day', 'person', 'machine'
    device_id   BLOB,                          -- of 'canary'
    what        TEXT NOT NULL,                 -- a person's words on what was tested; '' for the product's own
    result      TEXT NOT NULL,                 -- 'passed', 'failed', 'unclear'
    detail      TEXT NOT NULL,                 -- codes: 'urls:blind titles:missing'; a person's words on what followed
    PRIMARY KEY (school_id, check_id)
) STRICT;
CREATE INDEX checks_by_time ON checks (school_id, at_us);
CREATE UNIQUE INDEX checks_of_canaries ON checks (school_id, kind, day, device_id)
    WHERE kind IN ('canary', 'canary_day');

-- Which sensors of a device brought the daily check.
CREATE TABLE canaries (
    school_id   TEXT NOT NULL,
    day         INTEGER NOT NULL,
    device_id   BLOB NOT NULL,
    signal      INTEGER NOT NULL,              -- lapwing.v1.Signal
    at_us       INTEGER NOT NULL,              -- when the first of that day was committed
    PRIMARY KEY (school_id, day, device_id, signal)
) STRICT, WITHOUT ROWID;
CREATE INDEX captures_of_canary ON captures (school_id, received_us) WHERE category = 'canary';

-- ---- the filter --------------------------------------------------------------------------------------------------

-- Which rows of a filter's exports were imported, by a keyed hash, and where each came in the filter's lanes.
CREATE TABLE filter_alerts (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,                 -- what stands for the filter
    row_hash    BLOB NOT NULL,
    lane        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    imported_us INTEGER NOT NULL,
    PRIMARY KEY (school_id, device_id, row_hash)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX filter_alerts_by_place ON filter_alerts (school_id, device_id, lane, seq);
