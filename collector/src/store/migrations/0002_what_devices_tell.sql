-- What a device tells of itself besides its sensors, each as last told.
ALTER TABLE devices ADD COLUMN scoped_out INTEGER NOT NULL DEFAULT 0; -- 1: nothing is looked at, by hours or networks
ALTER TABLE devices ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;    -- captures in its spool, in powers of ten from 100
ALTER TABLE devices ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;    -- messages of its sessions not taken, in powers of ten

CREATE INDEX gaps_received ON gaps (school_id, received_us);
