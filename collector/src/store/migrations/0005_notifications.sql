-- Channels that several people read, what becomes of each channel, and what is told once a school day.

ALTER TABLE outbox ADD COLUMN target TEXT NOT NULL DEFAULT '';         -- name of a shared channel; '' for a person
CREATE INDEX outbox_unsent ON outbox (school_id, created_us) WHERE sent_us IS NULL;
CREATE INDEX outbox_shared ON outbox (school_id, target, reference) WHERE target <> '';

-- The channels of the configuration, each as it was when it was last looked at. No concern changes a row.
CREATE TABLE channels (
    school_id   TEXT NOT NULL,
    name        TEXT NOT NULL,                 -- 'mail', or the name of a shared one
    kind        TEXT NOT NULL,                 -- 'mail', 'webhook', 'teams'
    has_readers INTEGER NOT NULL,              -- 1: named people read it, and it may carry concerns
    looked_us   INTEGER,                       -- NULL: never
    failing_since_us INTEGER,                  -- NULL: it works
    code        TEXT NOT NULL DEFAULT '',      -- why it fails
    told_us     INTEGER,                       -- others were told that it fails
    PRIMARY KEY (school_id, name)
) STRICT, WITHOUT ROWID;

-- What a school day's messages were made for: at most once, whatever the clock does.
CREATE TABLE notices (
    school_id   TEXT NOT NULL,
    notice      TEXT NOT NULL,                 -- 'digest', 'all_well'
    day         INTEGER NOT NULL,              -- days of the school's calendar since 1970
    made_us     INTEGER NOT NULL,
    PRIMARY KEY (school_id, notice, day)
) STRICT, WITHOUT ROWID;
