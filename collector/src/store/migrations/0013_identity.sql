-- Who is let in: which copy of an identity delivers, where devices came from, what campaign tokens allow and did.

-- ---- copies and PCs that come back ----------------------------------------------------------------------------------

-- One row a device, whatever its spool. What was known of its epochs says nothing here: the next Hello is believed.
DROP TABLE incarnations;
CREATE TABLE device_incarnations (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,
    current     BLOB NOT NULL,                 -- milliseconds since 1970 (6, big-endian), random (10); grows
    previous    BLOB,                          -- counts only until `current` is held or has carried a message
    boot        BLOB NOT NULL,                 -- start of the PC that `current` was given to
    PRIMARY KEY (school_id, device_id)
) STRICT, WITHOUT ROWID;

-- Starts of the PC that a device is known to have had, the latest of them.
CREATE TABLE device_boots (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,
    boot        BLOB NOT NULL,
    seen_us     INTEGER NOT NULL,
    PRIMARY KEY (school_id, device_id, boot)
) STRICT, WITHOUT ROWID;

ALTER TABLE devices ADD COLUMN copied_from BLOB;    -- the device whose identity the first of its copies came with
ALTER TABLE devices ADD COLUMN seen_key BLOB;       -- digest of the newest key it has said Hello with
ALTER TABLE devices ADD COLUMN replaced_us INTEGER; -- when the same PC enrolled anew; heard after it, it is not replaced
CREATE INDEX devices_by_hardware ON devices (school_id, hardware_hash) WHERE hardware_hash IS NOT NULL;
ALTER TABLE device_certificates ADD COLUMN authority INTEGER NOT NULL DEFAULT 1; -- which key of the authority issued it
CREATE INDEX devices_copied ON devices (school_id, copied_from) WHERE copied_from IS NOT NULL;
CREATE INDEX certificates_by_key ON device_certificates (school_id, public_key_digest);

-- ---- campaign tokens ------------------------------------------------------------------------------------------------

ALTER TABLE campaign_tokens ADD COLUMN reference TEXT NOT NULL DEFAULT ''; -- what people call it; says nothing of it
ALTER TABLE campaign_tokens ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE campaign_tokens ADD COLUMN networks TEXT NOT NULL DEFAULT '';  -- '10.0.0.0/8 fd00::/8'; '' for any
ALTER TABLE campaign_tokens ADD COLUMN listed_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaign_tokens ADD COLUMN by_approval INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaign_tokens ADD COLUMN withdrawn_us INTEGER;
UPDATE campaign_tokens SET reference = 'TOK-' || UPPER(SUBSTR(HEX(token_hash), 1, 8));
CREATE UNIQUE INDEX campaign_tokens_by_reference ON campaign_tokens (school_id, reference);

-- Every use of a token that exists, one row a host, day and outcome.
CREATE TABLE token_uses (
    school_id   TEXT NOT NULL,
    token_hash  BLOB NOT NULL,
    day         INTEGER NOT NULL,              -- days since 1970, UTC
    outcome     TEXT NOT NULL,                 -- 'joined', 'again', 'waits', or why it was refused
    hostname    TEXT NOT NULL,
    address     TEXT NOT NULL,                 -- where it came from last
    device_id   BLOB NOT NULL,                 -- of those that joined; else empty
    uses        INTEGER NOT NULL,
    at_us       INTEGER NOT NULL,              -- last
    PRIMARY KEY (school_id, token_hash, day, outcome, hostname, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX token_uses_by_time ON token_uses (school_id, at_us);

-- Devices that wait for somebody to let them in, each by the key it will be known by.
CREATE TABLE waiting_joins (
    school_id   TEXT NOT NULL,
    join_id     BLOB NOT NULL,
    token_hash  BLOB NOT NULL,
    public_key_digest BLOB NOT NULL,
    hostname    TEXT NOT NULL,
    room        TEXT NOT NULL,
    os          TEXT NOT NULL,
    address     TEXT NOT NULL,
    is_listed   INTEGER NOT NULL,              -- the school's list had its host, and its serial number where it has one
    asked_us    INTEGER NOT NULL,
    decided_us  INTEGER,
    is_let_in   INTEGER,
    person_id   BLOB,                          -- NULL: somebody at the collector's machine
    PRIMARY KEY (school_id, join_id)
) STRICT;
CREATE INDEX waiting_joins_undecided ON waiting_joins (school_id, asked_us) WHERE is_let_in IS NULL;
CREATE UNIQUE INDEX waiting_joins_by_key ON waiting_joins (school_id, public_key_digest, token_hash);

-- ---- images ---------------------------------------------------------------------------------------------------------

-- PCs that came with one device's identity and became devices of their own, by day.
CREATE TABLE image_copies (
    school_id   TEXT NOT NULL,
    device_id   BLOB NOT NULL,                 -- whose identity the image held
    day         INTEGER NOT NULL,              -- days since 1970, UTC
    reference   TEXT NOT NULL,                 -- random, as said on the telephone
    copies      INTEGER NOT NULL,
    first_us    INTEGER NOT NULL,              -- when people were told
    PRIMARY KEY (school_id, device_id, day)
) STRICT, WITHOUT ROWID;
