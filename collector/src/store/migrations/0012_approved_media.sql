-- Removable media that the school approved: putting one in is no capture.
CREATE TABLE approved_media (
    school_id   TEXT NOT NULL,
    serial_hash BLOB NOT NULL,                 -- 32, SHA-256 of the serial number, as devices name it
    name        TEXT NOT NULL,                 -- what people call it
    owner_id    BLOB NOT NULL,                 -- whoever answers for it
    permission  TEXT NOT NULL,                 -- who allowed it, and how it was scanned; never about a pupil
    until_us    INTEGER NOT NULL,
    approved_us INTEGER NOT NULL,
    approved_by BLOB,                          -- NULL: somebody at the collector's machine
    PRIMARY KEY (school_id, serial_hash)
) STRICT, WITHOUT ROWID;
