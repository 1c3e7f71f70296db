-- Topics that are not captured for a while, and how often they were come upon meanwhile.

CREATE TABLE exemptions (
    school_id   TEXT NOT NULL,
    exemption_id BLOB NOT NULL,
    request_id  BLOB NOT NULL,                 -- what was asked for and agreed on
    plan        TEXT NOT NULL,                 -- JSON of it
    until_us    INTEGER NOT NULL,              -- its end as agreed; does not count
    agreed_us   INTEGER NOT NULL,
    ended_us    INTEGER,                       -- ended early
    ended_by    BLOB,
    PRIMARY KEY (school_id, exemption_id)
) STRICT;
CREATE INDEX exemptions_by_end ON exemptions (school_id, until_us);
CREATE UNIQUE INDEX exemptions_by_request ON exemptions (school_id, request_id);

-- Anonymous: neither device nor account nor time is kept.
CREATE TABLE exemption_hits (
    school_id   TEXT NOT NULL,
    exemption_id BLOB NOT NULL,
    category    TEXT NOT NULL,
    hits        INTEGER NOT NULL,
    PRIMARY KEY (school_id, exemption_id, category)
) STRICT, WITHOUT ROWID;

-- Which list of exemptions is the newest: it grows with every change.
CREATE TABLE exemption_lists (
    school_id   TEXT NOT NULL,
    number      INTEGER NOT NULL,
    PRIMARY KEY (school_id)
) STRICT, WITHOUT ROWID;
