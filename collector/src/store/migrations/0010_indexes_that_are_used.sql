-- Indexes that the statements they are for can use, and what is not read any more.

-- Without a condition: a database does not see that one kind is among several. Rows of people name no device, and
-- are all different therefore.
DROP INDEX checks_of_canaries;
CREATE UNIQUE INDEX checks_of_canaries ON checks (school_id, kind, day, device_id);

-- What waits, and not all that was ever given up.
CREATE INDEX outbox_waiting ON outbox (school_id, channel) WHERE sent_us IS NULL AND dead_us IS NULL;
-- Whether somebody is told already.
CREATE INDEX outbox_by_reader ON outbox (school_id, person_id, reference);
-- Who saw a concern for teaching a class, when people change classes.
CREATE INDEX recipients_by_class ON concern_recipients (school_id) WHERE reason = 'class';

-- What an illegal case keeps, when it is closed or taken up again.
CREATE INDEX holds_of_concern ON holds (school_id, concern_id);

-- Requests, the latest first.
CREATE INDEX requests_by_time ON requests (school_id, asked_us DESC, reference);

-- Who is promised to be watching is asked when a message is sent.
ALTER TABLE outbox DROP COLUMN watch;

