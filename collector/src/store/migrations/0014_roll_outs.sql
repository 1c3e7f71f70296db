-- Releases that reach devices in stages. A release without a row is everybody's.
CREATE TABLE roll_outs (
    school_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,                 -- 'rule_set' or 'policy'
    release     INTEGER NOT NULL,
    percent     INTEGER NOT NULL,              -- of devices, 0 to 100; only grows
    device_groups TEXT NOT NULL,               -- JSON array of groups that have it whole
    started_us  INTEGER NOT NULL,
    halted_us   INTEGER,                       -- NULL while it goes on
    halted_why  TEXT NOT NULL DEFAULT '',      -- 'person', or what its devices suffer from
    PRIMARY KEY (school_id, kind, release)
) STRICT, WITHOUT ROWID;

-- When the device was first heard to have what it has.
ALTER TABLE devices ADD COLUMN rule_set_since_us INTEGER;
ALTER TABLE devices ADD COLUMN policy_since_us INTEGER;
